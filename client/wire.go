package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"convbatch/internal/wire"
)

// carrier sends a request once. Its error is a *wire.Unsent unless the request
// may have left.
type carrier interface {
	Do(req *http.Request, until time.Time) (*http.Response, error)
}

// carrying makes a carrier of what sends requests.
func carrying(t http.RoundTripper) carrier {
	if c, ok := t.(carrier); ok {
		return c
	}
	return asked{t}
}

// transport keeps connections of its own, or leaves that to net/http where a
// proxy stands between.
func transport(connections int, urls URLs, proxy func(*http.Request) (*url.URL, error)) http.RoundTripper {
	for _, raw := range []string{urls.Conversation, urls.Batch, urls.Provisioning, urls.Token} {
		u, err := url.Parse(raw)
		if err != nil {
			continue // which was said
		}
		if by, err := proxy(&http.Request{URL: u}); by != nil || err != nil {
			return pool(connections)
		}
	}
	return wire.New(connections)
}

// pool is a transport that keeps one connection for each call in flight. It
// speaks HTTP/1.1 only: there a broken connection leaves one call in doubt, in
// HTTP/2 it would be all of them.
func pool(connections int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: connections,
		MaxConnsPerHost:     connections,
		IdleConnTimeout:     30 * time.Second, // as internal/wire has it
		Protocols:           protocols,
	}
}

// asked is a transport of net/http, which has to be asked whether a request may
// have left.
type asked struct{ http.RoundTripper }

// Do does what wire.Pool does.
func (t asked) Do(req *http.Request, until time.Time) (*http.Response, error) {
	ctx, cancel := context.WithDeadline(req.Context(), until)
	// It says so in its own goroutine, so the answer can not come too late; one
	// that does not say is taken to have sent it. A second connection is only
	// asked for when not a byte went out on the first.
	left := true
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { left = false },
		GotConn: func(httptrace.GotConnInfo) { left = true },
	}))
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		// A body, though it may be empty, that can not be had twice: net/http
		// repeats these by itself when a connection breaks, without a token of
		// the limiter (invariant 1), unless the body forbids it. Other methods,
		// PUT and DELETE among them, it only repeats when not a byte was written.
		if req.Body == nil {
			req.Body = io.NopCloser(io.MultiReader())
		}
		req.GetBody = nil
	}
	resp, err := t.RoundTrip(req)
	switch {
	case err == nil:
		resp.Body = &releasing{resp.Body, cancel}
		return resp, nil
	case !left:
		err = &wire.Unsent{Err: err}
	}
	cancel()
	return nil, err
}

// releasing is a body that lets go of a context when it is closed.
type releasing struct {
	io.ReadCloser
	release func()
}

func (b *releasing) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
