package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const lockFile = "lock"

// lock takes a job for this process among others, by a lock on a file of its
// own. The one that DuckDB has on the ledger goes when anything in this process
// closes another descriptor of it, which an input that is a query can do; this
// one, by flock, does not.
func lock(job, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock job %s: %w", job, withAdvice(err))
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		locked := &LockedError{Job: job}
		_, _ = fmt.Fscan(f, &locked.PID) // for people; 0 is not known
		return nil, errors.Join(locked, f.Close())
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock job %s: %w", job, withAdvice(err)), f.Close())
	}
	return f, nil
}

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

// errHeld says that the folders could not be locked soon.
var errHeld = errors.New("another process has held it for a minute: a query that takes long, a program that was started by `flock`, or a `batch compact` that was stopped; run the same command again when that is done")

// withFolders calls f with the folders locked, and gives up after a minute of
// somebody else's lock.
func (s *Store) withFolders(ctx context.Context, how int, f func() error) error {
	soon, cancel := context.WithTimeoutCause(ctx, time.Minute, errHeld)
	defer cancel()
	unlock, err := s.lockFolders(soon, how)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }() // closes what was only locked
	return f()
}

// lockFolders keeps the folders of datasets where they are while segments come
// into them, while they are listed, or while a query runs that missed files twice
// (unix.LOCK_SH); and all of those out while one changes places or is taken away
// (unix.LOCK_EX). All but such a query take no time worth speaking of.
func (s *Store) lockFolders(ctx context.Context, how int) (unlock func() error, err error) {
	f, err := os.Open(filepath.Join(s.dir, storeMarker))
	if err != nil {
		return nil, fmt.Errorf("lock the folders of the store: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("lock the folders of the store: %w", cmp.Or(context.Cause(ctx), err)), f.Close())
		}
		time.Sleep(2 * time.Millisecond)
	}
}
