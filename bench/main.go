// Command bench measures what the README says: the real binary against the
// emulator in a process of its own, wall time, processor time and peak memory
// as the operating system counts them. `make bench` runs it.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("batch", "bin/batch", "the binary to measure")
	rows := flag.Int("rows", 1_000_000, "rows to send")
	messages := flag.Int("messages", 1_000_000, "messages to archive")
	flag.Parse()
	if err := measure(*binary, *rows, *messages); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figures are what the operating system says of one finished process.
type figures struct {
	wall time.Duration
	cpu  time.Duration
	peak int64 // bytes
}

func measure(binary string, rows, messages int) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "batch-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e, err := startEmulator(binary, messages)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	if err := writeInputs(dir, e.info, rows); err != nil {
		return err
	}
	fmt.Printf("%s/%s, %d processors, %s; the emulator shares them\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	fmt.Println("| what | wall | per second | CPU per row | peak memory |")
	fmt.Println("|---|---|---|---|---|")
	for _, job := range []struct {
		what, name string
		count      int
	}{
		{"archive, no limit, no latency", "archive", messages},
		{"send, no limit, no latency", "send", rows},
		{"send again: every key is done", "send", rows},
	} {
		f, err := run(binary, dir, job.name)
		if err != nil {
			return fmt.Errorf("%s: %w", job.what, err)
		}
		n := float64(job.count)
		fmt.Printf("| %s, %d | %.1f s | %.0f | %.1f µs | %.0f MiB |\n", job.what, job.count, f.wall.Seconds(),
			n/f.wall.Seconds(), float64(f.cpu.Microseconds())/n, float64(f.peak)/(1<<20))
	}
	return nil
}

func run(binary, dir, job string) (figures, error) {
	cmd := exec.Command(binary, "run", "--quiet", job)
	cmd.Dir = dir
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return figures{}, fmt.Errorf("%w\n%s", err, output.String())
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return figures{
		wall: time.Since(began),
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		peak: usage.Maxrss * 1024, // Linux counts in KiB
	}, nil
}

type info struct {
	Project   string `json:"project"`
	App       string `json:"app"`
	KeyID     string `json:"key_id"`
	KeySecret string `json:"key_secret"`
	URLs      struct {
		Conversation, Batch, Provisioning, Token string
	} `json:"urls"`
}

type emulatorProcess struct {
	cmd  *exec.Cmd
	info info
}

func startEmulator(binary string, messages int) (*emulatorProcess, error) {
	e := &emulatorProcess{cmd: exec.Command(binary, "emulator", "--listen", "127.0.0.1:0",
		"--messages", fmt.Sprint(messages), "--contacts", "10000", "--conversations", "10000")}
	e.cmd.Stderr = os.Stderr
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &e.info)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the emulator: %w", err), e.stop())
	}
	return e, nil
}

func (e *emulatorProcess) stop() error {
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = e.cmd.Wait() // it ends by our signal
	return nil
}

func writeInputs(dir string, i info, rows int) error {
	var csv strings.Builder
	csv.WriteString("phone,name\n")
	for n := range rows {
		fmt.Fprintf(&csv, "+4670%07d,Guest %d\n", n, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "recipients.csv"), []byte(csv.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "jobs.yaml"), []byte(fmt.Sprintf(`version: 1
api:
  project: %s
  region: eu
  key_id: %s
  key_secret: %s
  urls: {conversation: %q, batch: %q, provisioning: %q, token: %q}
store: ./store
limits: {requests: unlimited, in_flight: 64}
jobs:
  send:
    kind: bulk_send
    app: %s
    from: {csv: recipients.csv}
    key: phone
    request:
      recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
      message: {text_message: {text: "Hi {{.name}}, spring is here."}}
  archive:
    kind: message_archive
    app: %s
    since: 60d
`, i.Project, i.KeyID, i.KeySecret, i.URLs.Conversation, i.URLs.Batch, i.URLs.Provisioning, i.URLs.Token, i.App, i.App)), 0o600)
}
