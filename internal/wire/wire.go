// Package wire sends HTTP/1.1 requests over connections that it keeps, each in
// the goroutine of its caller, and says whether a request may have left. Requests
// and answers are those of net/http, which also reads the answers; net/http's own
// transport takes two more goroutines for a connection, and repeats some requests
// by itself (ADR 9).
package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	connecting = 10 * time.Second // may take as long, and the TLS handshake after it
	// Shorter than what load balancers allow, so that it is rarely the other side
	// that closes a connection which is about to be used.
	idleFor = 30 * time.Second
)

// Pool keeps connections. Its methods may be called by many goroutines.
type Pool struct {
	size int
	tls  *tls.Config

	mu    sync.Mutex
	hosts map[origin]*host
}

// origin is what connections are told apart by.
type origin struct{ scheme, authority string }

// New returns a pool of at most size connections to a host; a request that finds
// them all taken waits. Proxies are not used.
func New(size int) *Pool { return &Pool{size: size, hosts: make(map[origin]*host)} }

// Unsent says that not a byte of a request has left.
type Unsent struct{ Err error }

func (e *Unsent) Error() string { return e.Err.Error() }

func (e *Unsent) Unwrap() error { return e.Err }

// RoundTrip does what [Pool.Do] does, until the context's deadline if it has one.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	until, _ := req.Context().Deadline()
	return p.Do(req, until)
}

// Do sends a request once and returns the head of its answer, whose body has to
// be closed. All of it, the reading of the body included, ends at until, where
// that is not zero, with an error that wraps os.ErrDeadlineExceeded or, before
// there is a connection, context.DeadlineExceeded; and when the request's context
// is cancelled, whose deadline it does not look at. A request that could be
// written only in part gets another twentieth of a second for what the server
// has to say of it. An error is an *Unsent unless the request may have reached
// the server.
//
// ContentLength must be that of Body. As with net/http, an answer that was packed
// because the request did not say what it accepts comes unpacked.
func (p *Pool) Do(req *http.Request, until time.Time) (*http.Response, error) {
	message := messages.Get().(*[]byte)
	defer messages.Put(message)
	var err error
	if *message, err = appendRequest((*message)[:0], req); err != nil {
		return nil, &Unsent{err}
	}
	h := p.host(req.URL)
	if err := h.enter(req.Context(), until); err != nil {
		return nil, &Unsent{err}
	}
	for {
		c, err := h.connection(req.Context(), until)
		if err != nil {
			h.leave()
			return nil, &Unsent{err}
		}
		resp, err := c.exchange(req, *message)
		if err == nil {
			return unpacked(req, resp), nil
		}
		if _, unsent := err.(*Unsent); unsent && c.kept && req.Context().Err() == nil {
			continue // the server had closed it in the meantime; in the end a new one is made
		}
		h.leave()
		return nil, err
	}
}

// messages are buffers that requests are put together in.
var messages = sync.Pool{New: func() any { return new([]byte) }}

// CloseIdleConnections closes the connections that no request is on.
func (p *Pool) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hosts {
		h.mu.Lock()
		h.closeIdle(time.Now())
		h.mu.Unlock()
	}
}

// host has the connections to a server.
type host struct {
	address string // with the port
	secure  *tls.Config
	slots   chan struct{} // one is taken for each connection in use

	mu   sync.Mutex
	idle []*conn // which was used last comes last
}

func (p *Pool) host(u *url.URL) *host {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := origin{u.Scheme, u.Host}
	h := p.hosts[key]
	if h == nil {
		h = &host{slots: make(chan struct{}, p.size)}
		port := "80"
		if u.Scheme == "https" {
			port = "443"
			h.secure = p.tls.Clone()
			if h.secure == nil {
				h.secure = new(tls.Config)
			}
			h.secure.ServerName = cmp.Or(h.secure.ServerName, u.Hostname())
			h.secure.NextProtos = []string{"http/1.1"}
		}
		h.address = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
		p.hosts[key] = h
	}
	return h
}

// enter waits for a slot.
func (h *host) enter(ctx context.Context, until time.Time) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := within(ctx, until)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for one of %d connections: %w", cap(h.slots), context.Cause(ctx))
	}
}

func (h *host) leave() { <-h.slots }

// within returns ctx with a deadline, where there is one.
func within(ctx context.Context, until time.Time) (context.Context, context.CancelFunc) {
	if until.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, until)
}

// connection returns one that was kept and is still good, or a new one.
func (h *host) connection(ctx context.Context, until time.Time) (*conn, error) {
	for {
		c := h.take()
		if c == nil {
			return h.dial(ctx, until)
		}
		if err := c.stream.SetDeadline(until); err == nil && c.unused() < idleFor && c.quiet() {
			return c, nil
		}
		c.close()
	}
}

// unused is how long ago a connection was used. A machine that slept may know it
// by its calendar alone.
func (c *conn) unused() time.Duration {
	return max(time.Since(c.used), time.Since(c.used.Round(0)))
}

func (h *host) take() *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.idle) - 1
	if last < 0 {
		return nil
	}
	c := h.idle[last]
	h.idle[last] = nil
	h.idle = h.idle[:last]
	return c
}

// keep puts a connection back, and closes one that was not needed for long.
func (h *host) keep(c *conn) {
	c.used, c.kept = time.Now(), true
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, c)
	h.closeIdle(c.used.Add(-idleFor))
}

// closeIdle closes those that were used last before a time. The caller has the
// lock.
func (h *host) closeIdle(before time.Time) {
	for len(h.idle) > 0 && h.idle[0].used.Before(before) {
		h.idle[0].close()
		h.idle = slices.Delete(h.idle, 0, 1)
	}
}

// dial makes a connection.
func (h *host) dial(ctx context.Context, until time.Time) (*conn, error) {
	ctx, cancel := within(ctx, until)
	defer cancel()
	d := net.Dialer{Timeout: connecting, KeepAlive: 30 * time.Second}
	raw, err := d.DialContext(ctx, "tcp", h.address)
	if err != nil {
		return nil, err
	}
	c, err := newConn(h, raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	if h.secure != nil {
		shaking, cancel := context.WithTimeout(ctx, connecting)
		defer cancel()
		t := tls.Client(&c.counted, h.secure)
		if err := t.HandshakeContext(shaking); err != nil {
			c.close()
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		c.stream = t
	}
	if err := c.stream.SetDeadline(until); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}
