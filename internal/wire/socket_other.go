//go:build !linux || race

package wire

import (
	"errors"
	"net"
	"syscall"
)

// socket is a connection as package net has it, which can be asked whether
// there is something to read. The race detector takes it that what was sent
// before it was read also happened before, which only package net tells it.
type socket struct {
	net.Conn
	file  syscall.RawConn
	look  func(fd uintptr) bool // made once
	one   [1]byte
	still bool
}

func newSocket(c net.Conn) (*socket, error) {
	file, err := c.(syscall.Conn).SyscallConn()
	s := &socket{Conn: c, file: file}
	s.look = func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), s.one[:])
		s.still = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return s, err
}

// silent says that there is nothing to read at this moment, neither bytes nor
// an end. A byte that is there is lost.
func (s *socket) silent() bool {
	s.still = false
	err := s.file.Read(s.look)
	return err == nil && s.still
}
