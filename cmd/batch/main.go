// Command batch runs bulk jobs against the Conversation API: it sends,
// archives and synchronises at the pace the account allows, and leaves the
// results where SQL can reach them.
package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // hours mean the same where the system has no time zones
)

// softMemory is what Go's heap of a job may take before it is collected more
// often, in bytes. DuckDB's memory, which is bounded by itself, comes on top.
const softMemory = 160 << 20

func main() {
	syscall.Umask(0o077) // what is made for a moment, by DuckDB for example, is nobody else's either
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		env: os.LookupEnv, now: time.Now,
	}
	p.limitMemory(softMemory)
	os.Exit(p.run(context.Background(), os.Args))
}

// limitMemory sets a soft limit, unless the environment does.
func (p *program) limitMemory(bytes int64) {
	if _, set := p.env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(bytes)
	}
}

// program is batch with everything it touches outside itself, so that tests
// run the real thing.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	now            func() time.Time
	errs           *errs    // in the place of stderr, for what may be said while jobs run
	typed          []string // the words of a line that is being completed

	atEnd []func() error // run before the program ends
}
