package sinks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
)

// marks are bytes of a file that are set one by one, by many goroutines. Those
// around the last reservation are mapped into memory: to set one there is no system
// call, and outlives the process all the same.
type marks struct {
	file *os.File

	mu   sync.RWMutex
	view []byte // what is mapped; nil for nothing
	from int64  // where in the file the view begins
	to   int64  // and where those of its bytes end that the file has
}

// viewSize is how much is mapped at a time, in bytes; it begins at a multiple of
// viewAlign, as pages of every size do.
const (
	viewSize  = 1 << 20
	viewAlign = 1 << 16
)

var zeros [4096]byte

// reserve makes the file long enough for the bytes from from to to, and takes
// their room on disk: to set them can not fail for want of it.
func (m *marks) reserve(from, to int64) error {
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	for at := max(from, info.Size()); at < to; {
		n, err := m.file.WriteAt(zeros[:min(to-at, int64(len(zeros)))], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.view == nil || from < m.from || to > m.from+viewSize {
		if err := m.unmap(); err != nil {
			return err
		}
		m.from = from / viewAlign * viewAlign
		if to > m.from+viewSize {
			return nil // set with writes
		}
		// Some file systems do not map files, and writes do as well.
		m.view, _ = unix.Mmap(int(m.file.Fd()), m.from, viewSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	m.to = max(to, info.Size())
	return nil
}

// set sets n bytes.
func (m *marks) set(at int64, n int) error {
	if done, err := m.setMapped(at, at+int64(n)); done || err != nil {
		return err
	}
	_, err := m.file.WriteAt(bytes.Repeat([]byte{1}, n), at)
	return err
}

// memoryFault is what an access to memory panics with that is not there.
type memoryFault interface {
	runtime.Error
	Addr() uintptr
}

// setMapped sets bytes that are in view, and says whether they are.
func (m *marks) setMapped(from, to int64) (done bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if from < m.from || to > min(m.to, m.from+int64(len(m.view))) {
		return false, nil
	}
	// What the disk does not take, or a file that was cut, is a fault of memory.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case memoryFault: // which says no more than that
			err = fmt.Errorf("write to %s, which is mapped: its disk is full or failed, or the file was cut", m.file.Name())
		default:
			panic(fault)
		}
	}()
	for i := range to - from {
		m.view[from-m.from+i] = 1
	}
	return true, nil
}

// unmap ends the view. The caller has the lock.
func (m *marks) unmap() error {
	view := m.view
	m.view = nil
	if view == nil {
		return nil
	}
	return unix.Munmap(view)
}

func (m *marks) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.unmap(), m.file.Close())
}
