package main

import (
	"fmt"
	"syscall"
	"time"
)

// memoryRows is how many sends are waited for at the most. A larger job is
// stopped then: at 800 a second ten million take hours, and what its memory
// depends on, the rows that were taken down, is all there.
const memoryRows = 60_000

// measureMemory measures the peak of memory by the number of rows, at a rate as
// it is in use: the whole process, from the taking down of its input on.
func measureMemory(b *bench) error {
	head("rows", "pace", "latency", "peak memory", "wall", "CPU", "of one processor", "sent")
	for _, rows := range []int{10_000, 100_000, 1_000_000, 10_000_000} {
		if err := b.memory(max(rows/b.scale, 1000)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) memory(rows int) error {
	const pace, latency = "800/s", 50 * time.Millisecond
	dir, err := b.job(fmt.Sprint("memory-", rows), rows)
	if err != nil {
		return err
	}
	p, err := b.runPart(dir, latency, pace, int64(max(memoryRows/b.scale, 1000)), syscall.SIGINT)
	if err != nil {
		return err
	}
	sent := fmt.Sprint(p.sent)
	if !p.ended {
		sent += ", then stopped"
	}
	row(rows, pace, latency, mebibytes(p.peak), p.wall, p.cpu, fmt.Sprintf("%.1f %%", 100*p.cpu.Seconds()/p.wall.Seconds()), sent)
	return nil
}
