package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
)

// Transport reaches the emulator without a network, for clients under test in
// a synctest bubble. A broken connection is ECONNRESET, a body that was cut
// off ends in io.ErrUnexpectedEOF, and a call that was cancelled returns its
// context's error. A slow body takes its time before the answer, not within.
func (e *Emulator) Transport() http.RoundTripper { return transport{e} }

type transport struct{ handler http.Handler }

// RoundTrip answers one request in the caller's goroutine.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	served := r.Clone(r.Context())
	served.RequestURI, served.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := &memory{header: make(http.Header)}
	aborted := w.serve(t.handler, served)
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case aborted && w.sent == nil:
		return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
	}
	return w.response(r, aborted), nil
}

// memory is a ResponseWriter that keeps what is written.
type memory struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

func (w *memory) Header() http.Header { return w.header }

func (w *memory) WriteHeader(status int) {
	if w.sent == nil {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *memory) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// serve runs a handler and tells whether it broke the connection off.
func (w *memory) serve(h http.Handler, r *http.Request) (aborted bool) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case errors.Is(asError(p), http.ErrAbortHandler):
			aborted = true
		default:
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

func asError(p any) error {
	err, _ := p.(error)
	return err
}

func (w *memory) response(r *http.Request, cutOff bool) *http.Response {
	w.WriteHeader(http.StatusOK)
	var body io.Reader = &w.body
	length := int64(w.body.Len())
	if cutOff {
		body, length = io.MultiReader(body, failing{}), -1
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status, Header: w.sent, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(body), ContentLength: length,
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
