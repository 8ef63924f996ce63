package emulator

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is an emulator that listens.
type Server struct {
	*Emulator
	listener net.Listener
	http     *http.Server
	stopped  chan struct{}
	close    sync.Once
}

// Serve listens on an address of this machine alone, such as "127.0.0.1:0",
// and answers until Close is called or ctx ends. It refuses every other
// address, since the control endpoints ask nobody who they are, and Options
// that Check refuses.
func Serve(ctx context.Context, listen string, o Options) (*Server, error) {
	if err := checkLoopback(listen); err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
	s := &Server{Emulator: New(o), listener: listener, stopped: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.Emulator,
		ConnState:         s.ConnState,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	release := context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() {
		defer close(s.stopped)
		defer release()
		_ = s.http.Serve(listener) // always ErrServerClosed, after Close
	}()
	return s, nil
}

// checkLoopback takes addresses of loopback alone; names are not resolved.
func checkLoopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("listen on %q: give an address such as 127.0.0.1:8080: %w", listen, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen on %q: the emulator listens on loopback only, such as 127.0.0.1:8080", listen)
}

// Addr is the address in use, with the port that was chosen.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the base under which everything is found.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Info describes the project as a client reaches it.
func (s *Server) Info() Info { return s.Emulator.Info(s.URL()) }

// Done is closed when the server has stopped.
func (s *Server) Done() <-chan struct{} { return s.stopped }

// Close breaks off what is being answered and returns when the server has
// stopped. It may be called more than once.
func (s *Server) Close() error {
	var err error
	s.close.Do(func() { err = s.http.Close() })
	<-s.stopped
	return err
}

// ConnState counts connections; a server of one's own passes it to net/http.
func (e *Emulator) ConnState(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		e.connections.Add(1)
	}
}

// Connections is how many were opened so far.
func (e *Emulator) Connections() int { return int(e.connections.Load()) }
