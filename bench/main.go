// Command bench measures what docs/PERFORMANCE.md says: the real binary in a
// process of its own, and beside it, in the same run, the least that any program
// could do. Wall time, processor time and peak memory are those that the
// operating system counts. `make bench` runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of measurements.
type bench struct {
	binary string // batch
	self   string // this program, which is also the servers and floors
	dir    string
	scale  int // divides every number of rows
}

// subject is one thing that is measured.
type subject struct {
	name    string
	measure func(*bench) error
}

// subjects are in the order of docs/PERFORMANCE.md.
var subjects = []subject{
	{"send", measureSends},
	{"pace", measurePaces},
	{"storm", measureStorms},
	{"batches", measureBatches},
	{"archive", measureArchive},
	{"contacts", measureContacts},
	{"sql", measureQueries},
	{"start", measureStarts},
	{"memory", measureMemory},
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] { // what bench starts itself as
		case "stub":
			return stubCommand(args[1:])
		case "floor-send":
			return sendFloor(args[1], args[2], inFlight)
		case "floor-list":
			return listFloor(args[1], args[2], args[3], args[4])
		}
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	binary := flags.String("batch", "bin/batch", "the binary to measure")
	only := flags.String("only", "", "the subjects to measure, as a regular expression; all without it")
	scale := flags.Int("scale", 1, "divide the numbers of rows by this, for a quick look")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	b := &bench{scale: max(*scale, 1)}
	if b.binary, err = filepath.Abs(*binary); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	fmt.Printf("%s/%s, %d processors, %s, load %s; servers share the processors\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load())
	for _, s := range subjects {
		if wanted.MatchString(s.name) {
			if err := b.in(s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}

// in measures one subject in a folder of its own.
func (b *bench) in(s subject) (err error) {
	if b.dir, err = os.MkdirTemp("", "batch-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	fmt.Printf("\n## %s\n\n", s.name)
	return s.measure(b)
}

func stubCommand(args []string) error {
	flags := flag.NewFlagSet("stub", flag.ContinueOnError)
	latency := flags.Duration("latency", 0, "of every send")
	limit := flags.Int("limit", 0, "sends a second, 429 beyond them; 0 for no limit")
	times := flags.Bool("times", false, "keep when sends arrive, for "+arrivalsPath)
	if err := flags.Parse(args); err != nil {
		return err
	}
	return serveStub(*latency, *limit, *times)
}

// load is what else the machine does: its load average.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

// row prints one line of a table.
func row(cells ...any) {
	line := "|"
	for _, c := range cells {
		switch c := c.(type) {
		case time.Duration:
			line += fmt.Sprintf(" %.2f s |", c.Seconds())
		case float64:
			line += fmt.Sprintf(" %.2f |", c)
		default:
			line += fmt.Sprintf(" %v |", c)
		}
	}
	fmt.Println(line)
}

// head prints the head of a table.
func head(names ...any) {
	row(names...)
	fmt.Println("|" + strings.Repeat("---|", len(names)))
}

func perSecond(n int, d time.Duration) string { return fmt.Sprintf("%.0f", float64(n)/d.Seconds()) }

func each(d time.Duration, n int) string {
	return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1000/float64(n))
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
