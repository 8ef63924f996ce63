package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
)

// measureStarts measures how long it is from the start of the process to its
// first send: of a small job, and of a large one that goes on.
func measureStarts(b *bench) error {
	head("rows", "what", "to the first send", "CPU of the process", "peak memory", "sent")
	if err := b.smallStarts(max(1000/b.scale, 10)); err != nil {
		return err
	}
	return b.largeStarts(max(10_000_000/b.scale, 1000))
}

func (b *bench) smallStarts(rows int) error {
	dir, err := b.job("small", rows)
	if err != nil {
		return err
	}
	for n := range 5 {
		if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
			return err
		}
		p, err := b.runPart(dir, 0, "unlimited", math.MaxInt64, syscall.SIGINT)
		if err != nil {
			return err
		}
		p.row(rows, fmt.Sprintf("a new job, time %d", n+1))
	}
	return nil
}

// largeStarts stops a job after some of its rows and goes on with it. There are
// fewer than may be sent ahead of a row in doubt, which waits after a kill.
func (b *bench) largeStarts(rows int) error {
	dir, err := b.job("large", rows)
	if err != nil {
		return err
	}
	for _, run := range []struct {
		what string
		end  syscall.Signal
	}{
		{"a new job, then stopped", syscall.SIGINT},
		{"gone on with after a stop, then killed", syscall.SIGKILL},
		{"gone on with after a kill, then stopped", syscall.SIGINT},
	} {
		p, err := b.runPart(dir, 0, "unlimited", int64(min(rows/100, 50_000)), run.end)
		if err != nil {
			return err
		}
		p.row(rows, run.what)
	}
	return nil
}

func (p part) row(rows int, what string) {
	row(rows, what, fmt.Sprintf("%d ms", p.first.Milliseconds()), p.cpu, mebibytes(p.peak), p.sent)
}
