package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// part is a run of batch that is watched, and may be ended before its end.
type part struct {
	figures
	first time.Duration // from the start of the process to its first send
	sent  int64
	ended bool // by itself, with everything sent
}

// runPart runs the job send against a server of its own until it ends, or until
// so many sends have arrived and a signal tells it to stop. A part that is
// killed ends at once, as with a crash.
func (b *bench) runPart(dir string, latency time.Duration, limit string, until int64, with syscall.Signal) (_ part, err error) {
	s, err := start(b.self, "stub", "-latency", latency.String())
	if err != nil {
		return part{}, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := writeJobs(dir, s.info, limit, sendJob); err != nil {
		return part{}, err
	}
	cmd := exec.Command(b.binary, "run", "--quiet", "send")
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return part{}, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	p, signalled := part{}, false
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil && !signalled {
				return part{}, fmt.Errorf("%w\n%s", err, said.String())
			}
			p.ended = err == nil
			p.figures = figuresOf(cmd, began)
			return p, p.read(s, began)
		case <-tick.C:
			if err := p.read(s, began); err != nil {
				return part{}, err
			}
			if !signalled && p.sent >= until {
				signalled = true
				if err := cmd.Process.Signal(with); err != nil {
					return part{}, err
				}
			}
		}
	}
}

// read asks the server what it has had.
func (p *part) read(s *server, began time.Time) error {
	resp, err := http.Get(s.URLs.Conversation + "/bench/sends")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var had sends
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &had)
	}
	if err != nil {
		return err
	}
	p.sent = had.Count
	if had.First > 0 {
		p.first = time.Unix(0, had.First).Sub(began)
	}
	return nil
}

// job makes a folder with the rows of a job in it.
func (b *bench) job(name string, rows int) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, writeRecipients(dir, rows)
}
