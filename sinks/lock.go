package sinks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// open is the ledgers that this process has. DuckDB locks with fcntl, and such
// a lock does not keep out the process that has it; worse, it is dropped when
// the process closes any descriptor of the file. So nobody in this process
// opens a file that stands here.
var open = struct {
	sync.Mutex
	paths map[string]struct{}
}{paths: make(map[string]struct{})}

// hold takes a ledger for one user within this process, before it is opened.
func hold(job, path string) error {
	open.Lock()
	defer open.Unlock()
	if _, taken := open.paths[path]; taken {
		return &LockedError{Job: job, PID: os.Getpid()}
	}
	open.paths[path] = struct{}{}
	return nil
}

func release(path string) {
	open.Lock()
	defer open.Unlock()
	delete(open.paths, path)
}

// holder returns the process that has a ledger, 0 when none has. It takes no
// lock, so it is in nobody's way.
func holder(path string) (pid int, err error) {
	open.Lock()
	defer open.Unlock()
	if _, ours := open.paths[path]; ours {
		return os.Getpid(), nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("see who runs the job: %w", err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err = unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("see who runs the job: %w", err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}
	return int(lock.Pid), nil
}
