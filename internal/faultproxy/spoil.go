package faultproxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	maxBody = 64 << 20

	garbage     = "\x1f\x8b this is not what you asked for"
	gatewayPage = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
	serverError = `{"code":500,"message":"Internal error","status":"INTERNAL"}`
	unavailable = `{"code":503,"message":"The service is unavailable","status":"UNAVAILABLE"}`
)

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// serve does to a request what was drawn for it.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, f fate) {
	// Once the body is read, net/http notices when the client goes away.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		reset(w)
		return
	}
	switch f.kind {
	case ResetBefore:
		reset(w)
		return
	case Unavailable:
		made(http.StatusServiceUnavailable, "application/json", unavailable).write(w)
		return
	case Held:
		wait(context.Background(), f.while)
	}
	a, err := p.forward(r, body)
	if err != nil {
		reset(w)
		return
	}
	a.spoil(w, r, f)
}

// forward has the server answer, whatever becomes of the client meanwhile: so
// when nothing is under way, nothing can take effect any more.
func (p *Proxy) forward(r *http.Request, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Connection")
	resp, err := p.upstream.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return a, err
}

// spoil hands an answer to the client, or what is left of it.
func (a *answer) spoil(w http.ResponseWriter, r *http.Request, f fate) {
	switch f.kind {
	case ResetAfter:
		reset(w)
	case Lost:
		<-r.Context().Done()
	case Late:
		wait(r.Context(), f.while)
		a.write(w)
	case Slow:
		a.trickle(w, r, f.while)
	case Truncated:
		a.announce(w)
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Garbage:
		made(http.StatusOK, "application/json", garbage).write(w)
	case HTML:
		made(http.StatusBadGateway, "text/html", gatewayPage).write(w)
	case ErrorAfter:
		made(http.StatusInternalServerError, "application/json", serverError).write(w)
	default:
		a.write(w)
	}
}

func made(status int, media, body string) *answer {
	return &answer{status, http.Header{"Content-Type": {media}}, []byte(body)}
}

// announce writes everything but the body, whose length it promises.
func (a *answer) announce(w http.ResponseWriter) {
	for key, values := range a.header {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
}

func (a *answer) write(w http.ResponseWriter) {
	a.announce(w)
	_, _ = w.Write(a.body) // the client may be gone
}

// trickle writes the body in parts, spread over d.
func (a *answer) trickle(w http.ResponseWriter, r *http.Request, d time.Duration) {
	const parts = 8
	a.announce(w)
	for i := range parts {
		if !wait(r.Context(), d/parts) {
			return
		}
		_, _ = w.Write(a.body[len(a.body)*i/parts : len(a.body)*(i+1)/parts])
		_ = http.NewResponseController(w).Flush()
	}
}

// reset breaks the client's connection with RST, as a machine does that knows
// nothing of it.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a connection of its own: break it off some way
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// wait lets time pass, unless the client goes away.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
