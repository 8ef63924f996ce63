//go:build !race

package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// socket reads and writes a connection with system calls that Go's scheduler is
// not told of. A socket of Go's never blocks in one, so there is nothing to tell;
// and to be told of one after a rest has the scheduler look every 20 µs what
// became of it: an eighth of all CPU time where calls leave at a pace.
type socket struct {
	net.Conn
	file    syscall.RawConn
	in, out transfer
	one     [1]byte
}

// transfer is one direction of a socket.
type transfer struct {
	trap  uintptr
	bytes []byte // of the call under way
	n     int    // of them that were transferred
	errno syscall.Errno
	wait  bool                  // until something can be transferred
	whole bool                  // and all of it was
	try   func(fd uintptr) bool // made once
}

func newSocket(c net.Conn) (*socket, error) {
	file, err := c.(syscall.Conn).SyscallConn()
	s := &socket{Conn: c, file: file, in: transfer{trap: syscall.SYS_READ}, out: transfer{trap: syscall.SYS_WRITE, whole: true}}
	s.in.try, s.out.try = s.in.step, s.out.step
	return s, err
}

// begin readies the transfer of p.
func (t *transfer) begin(p []byte, wait bool) {
	t.bytes, t.n, t.errno, t.wait = p, 0, 0, wait
}

// step transfers what it can, and says whether that is all.
func (t *transfer) step(fd uintptr) bool {
	for {
		rest := t.bytes[t.n:]
		n, _, errno := syscall.RawSyscall(t.trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)))
		t.errno = errno
		switch errno {
		case 0:
			t.n += int(n)
			if !t.whole || t.n == len(t.bytes) {
				return true
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			return !t.wait
		default:
			return true
		}
	}
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	s.in.begin(p, true)
	err := s.file.Read(s.in.try)
	s.in.bytes = nil
	if err == nil && s.in.errno == 0 && s.in.n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return s.in.n, s.failure("read", err, s.in.errno)
}

// Write implements io.Writer.
func (s *socket) Write(p []byte) (int, error) {
	s.out.begin(p, true)
	err := s.file.Write(s.out.try)
	s.out.bytes = nil
	return s.out.n, s.failure("write", err, s.out.errno)
}

// silent says that there is nothing to read at this moment, neither bytes nor
// an end. A byte that is there is lost.
func (s *socket) silent() bool {
	s.in.begin(s.one[:], false)
	err := s.file.Read(s.in.try)
	s.in.bytes = nil
	return err == nil && s.in.errno == syscall.EAGAIN
}

// failure is the error that package net has for what went wrong; nil for nothing.
func (s *socket) failure(op string, err error, errno syscall.Errno) error {
	if err == nil && errno != 0 {
		return &net.OpError{Op: op, Net: s.RemoteAddr().Network(), Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
	}
	if raw, ok := errors.AsType[*net.OpError](err); ok { // the time is over, or the connection closed
		raw.Op = op
	}
	return err
}
