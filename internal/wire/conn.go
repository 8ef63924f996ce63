package wire

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	maxHead        = 1 << 20 // bytes of an answer's head
	maxProvisional = 5       // answers with a status of 1xx before the answer
	lastWords      = 50 * time.Millisecond
)

// conn is a connection to a server. One request is on it at a time.
type conn struct {
	host    *host
	socket  *socket
	counted counted
	stream  net.Conn // counted, or TLS over it
	in      *bufio.Reader
	room    int64 // bytes that may still be read
	cut     error // why no more could be read: an answer's error may be but what came of it, such as half a line

	kept   bool // it was used before
	used   time.Time
	ctx    context.Context // of the request
	unbind func() bool     // ends the bond with it
}

// counted counts what is written, TLS records included.
type counted struct {
	net.Conn
	written int64
	dry     bool // there is nothing to read, and no waiting for it
}

func (c *counted) Read(p []byte) (int, error) {
	if c.dry {
		return 0, os.ErrDeadlineExceeded // after which TLS goes on as before
	}
	return c.Conn.Read(p)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written += int64(n)
	return n, err
}

func newConn(h *host, raw net.Conn) (*conn, error) {
	s, err := newSocket(raw)
	c := &conn{host: h, socket: s, counted: counted{Conn: s}}
	c.stream = &c.counted
	c.in = bufio.NewReader(c)
	return c, err
}

// quiet says whether nothing came since the last answer, neither an end nor a
// word that was not asked for: the kernel has none, and TLS has read none ahead.
func (c *conn) quiet() bool {
	if !c.socket.silent() {
		return false
	}
	c.counted.dry = true
	_, err := c.stream.Read(c.socket.one[:])
	c.counted.dry = false
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// Read reads as much as there is room for.
func (c *conn) Read(p []byte) (int, error) {
	if c.room <= 0 {
		c.cut = errors.New("the head of the answer is longer than 1 MiB")
		return 0, c.cut
	}
	n, err := c.stream.Read(p[:min(int64(len(p)), c.room)])
	c.room -= int64(n)
	if err != nil && err != io.EOF {
		c.cut = err
	}
	return n, err
}

// exchange writes a request and reads the head of its answer. After an error the
// connection is closed.
func (c *conn) exchange(req *http.Request, message []byte) (*http.Response, error) {
	c.ctx = req.Context()
	c.unbind = context.AfterFunc(c.ctx, c.close)
	before := c.counted.written
	_, err := c.stream.Write(message)
	if err != nil && c.counted.written == before {
		return nil, &Unsent{c.fail(err)}
	}
	if err != nil { // a server may have said why before it hung up, or read no more
		err = errors.Join(err, c.stream.SetReadDeadline(time.Now().Add(lastWords)))
	}
	resp, errRead := c.answer(req)
	if errRead != nil {
		return nil, c.fail(cmp.Or(err, c.cut, errRead))
	}
	reusable := err == nil && !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols
	if resp.Body == http.NoBody {
		c.end(reusable)
		return resp, nil
	}
	resp.Body = &body{ReadCloser: resp.Body, conn: c, reusable: reusable}
	return resp, nil
}

// answer reads the head of the answer.
func (c *conn) answer(req *http.Request) (*http.Response, error) {
	for range maxProvisional + 1 {
		c.room = maxHead
		resp, err := http.ReadResponse(c.in, req)
		c.room = math.MaxInt64
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, errors.New("the server has sent nothing but provisional answers")
}

// end gives the connection back when all was read and nothing is left over.
func (c *conn) end(reusable bool) {
	defer c.host.leave()
	if c.unbind() && reusable && c.in.Buffered() == 0 {
		c.host.keep(c)
		return
	}
	c.close()
}

// fail closes the connection, and returns why: err may be but what came of that.
func (c *conn) fail(err error) error {
	c.unbind()
	c.close()
	return cmp.Or(context.Cause(c.ctx), err)
}

// close closes the connection at once, without a farewell that might block.
func (c *conn) close() { _ = c.counted.Close() }

// body is that of an answer; with its end the connection is free.
type body struct {
	io.ReadCloser
	conn     *conn // nil after that
	reusable bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.end(true)
	case b.conn != nil:
		err = b.conn.fail(cmp.Or(b.conn.cut, err))
		b.end(false)
	}
	return n, err
}

// Close does not read what is left, as that of net/http would.
func (b *body) Close() error {
	b.end(false)
	return nil
}

func (b *body) end(whole bool) {
	if c := b.conn; c != nil {
		b.conn = nil
		c.end(whole && b.reusable)
	}
}
