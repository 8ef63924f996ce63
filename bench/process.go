package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// figures are what the operating system says of one finished process.
type figures struct {
	wall   time.Duration
	cpu    time.Duration
	peak   int64 // bytes
	output []byte
}

// measure runs a program to its end.
func measure(dir, program string, args ...string) (figures, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return figures{}, fmt.Errorf("%s %q: %w\n%s%s", program, args, err, stdout.String(), stderr.String())
	}
	f := figuresOf(cmd, began)
	f.output = stdout.Bytes()
	return f, nil
}

// turns runs programs in turns, each n times, so that what else the machine does
// meets all of them. Of each the least time counts, and the most memory.
func turns(n int, programs ...func() (figures, error)) ([]figures, error) {
	all := make([]figures, len(programs))
	for round := range n {
		for i, run := range programs {
			f, err := run()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				f.wall, f.cpu, f.peak = min(f.wall, all[i].wall), min(f.cpu, all[i].cpu), max(f.peak, all[i].peak)
			}
			all[i] = f
		}
	}
	return all, nil
}

// fresh runs batch in a folder without a store.
func (b *bench) fresh(dir string, args ...string) (figures, error) {
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		return figures{}, err
	}
	return measure(dir, b.binary, args...)
}

// rounds is how often something is measured: more than the most rows take minutes.
func rounds(rows, most int) int {
	if rows > most {
		return 1
	}
	return 3
}

// figuresOf are those of a process that has ended.
func figuresOf(cmd *exec.Cmd, began time.Time) figures {
	return figures{
		wall: time.Since(began),
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		peak: cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024, // Linux counts in KiB
	}
}

// info is what a server prints once it listens.
type info struct {
	Project   string `json:"project"`
	App       string `json:"app"`
	KeyID     string `json:"key_id"`
	KeySecret string `json:"key_secret"`
	URLs      urls   `json:"urls"`
}

type urls struct {
	Conversation string `json:"conversation"`
	Batch        string `json:"batch"`
	Provisioning string `json:"provisioning"`
	Token        string `json:"token"`
}

// server is a process that answers calls.
type server struct {
	info
	cmd *exec.Cmd
}

// start runs a server and waits until it listens.
func start(program string, args ...string) (*server, error) {
	s := &server{cmd: exec.Command(program, args...)}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.info)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s %q: %w", program, args, err), s.stop())
	}
	return s, nil
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it ends by our signal
	return nil
}
