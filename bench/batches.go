package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// measureBatches sends a thousand recipients a call to the emulator, which reads
// every one of them: there is no cheaper server that could tell a good call
// from a bad one. So the server's share stands beside that of batch.
func measureBatches(b *bench) error {
	head("recipients", "wall", "recipients/s", "CPU a recipient", "peak memory", "CPU of the server, a recipient")
	for _, n := range []int{100_000, 1_000_000} {
		if err := b.batches(max(n/b.scale, 10_000)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) batches(rows int) error {
	s, err := start(b.binary, "emulator", "--listen", "127.0.0.1:0", "--contacts", "0", "--conversations", "0", "--messages", "0")
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, fmt.Sprint("batches-", rows))
	ours, err := b.send(dir, s.info, "unlimited", strings.Replace(sendJob, "bulk_send\n", "bulk_send\n    mode: batch\n", 1), rows)
	if err = errors.Join(err, s.stop()); err != nil {
		return err
	}
	server := s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
	row(rows, ours.wall, perSecond(rows, ours.wall), each(ours.cpu, rows), mebibytes(ours.peak), each(server, rows))
	return nil
}
