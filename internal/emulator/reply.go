package emulator

import (
	"net"
	"net/http"
	"strconv"
	"sync"
)

// reply is an answer before it is sent.
type reply struct {
	status int
	body   []byte
	header http.Header
	pooled *[]byte // the buffer behind body, to be given back
	plain  bool    // the body is not JSON
}

// buffers hold pages: building one must not cost an allocation of its size.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1<<20); return &b }}

func (r *reply) release() {
	if r.pooled != nil {
		*r.pooled = r.body[:0]
		buffers.Put(r.pooled)
		r.pooled = nil
	}
}

// announce sends everything but the body, whose length is told.
func (r *reply) announce(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	if !r.plain {
		h["Content-Type"] = jsonType
	} else if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
}

var jsonType = []string{"application/json"}

func (r *reply) send(w http.ResponseWriter) {
	r.announce(w)
	_, _ = w.Write(r.body) // the client may be gone
}

// reset breaks the connection off, so that the client reads ECONNRESET and
// not an orderly end. Where there is no connection to break, the handler is
// aborted, which says the same to net/http and to Transport.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it Close says goodbye
	}
	_ = conn.Close()
}
