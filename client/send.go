package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"convbatch/internal/wire"
)

// Bounds of an answer's body, unpacked.
const (
	maxList = 64 << 20
	maxBody = 8 << 20
)

// answer is what one attempt brought.
type answer struct {
	outcome outcome
	status  int
	header  http.Header
	body    []byte
	page    Page   // of a list
	token   *token // that it was sent with
	fault   string // what is wrong with a 2xx
	err     error  // why there is no answer
}

// send makes one attempt. It has a time of its own, whatever becomes of the
// caller's context, and ends early by CancelCalls alone.
func (c *Client) send(k *call, t *token) answer {
	if cause := context.Cause(c.halt.over); cause != nil {
		return answer{outcome: given, err: cause}
	}
	k.sent++
	var ended func(status int)
	if c.traced != nil {
		ended = c.traced(k.op.name(), k.sent)
	}
	a := c.exchange(k, t)
	if ended != nil {
		ended(a.status)
	}
	a.token = t
	if a.status >= 200 && a.status < 300 && a.outcome > 0 {
		t.worked.Store(true)
	}
	return a
}

// authorize returns an access token that is good now, or why there is none.
func (c *Client) authorize(ctx context.Context) (*token, answer, bool) {
	t, err := c.credentials.get(ctx)
	switch {
	case err == nil:
		return t, answer{}, true
	case ctx.Err() != nil:
		return nil, answer{outcome: given, err: stopCause(ctx, err)}, false
	}
	return nil, answer{outcome: noToken, err: err}, false
}

// exchange sends the request and reads the answer whole.
func (c *Client) exchange(k *call, t *token) answer {
	req := c.request(c.halt.over, k, t)
	sent := time.Now()
	c.counts.requests.Add(1)
	defer func() {
		c.counts.onWire.Add(int64(time.Since(sent)))
		c.counts.ended.Add(1)
	}()
	if k.retry {
		c.counts.retries.Add(1)
	}
	// Not by way of http.Client: a redirect is never followed, and no error
	// repeats the URL, which may hold somebody's number.
	resp, err := c.wire.Do(req, sent.Add(c.timeout))
	if err != nil {
		return answer{outcome: c.lost(err), err: stopCause(c.halt.over, err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 { // what is refused may be a gateway's answer
		c.clock.read(resp.Header)
	}
	return c.read(k, resp, t)
}

// request makes the HTTP request of one attempt.
func (c *Client) request(ctx context.Context, k *call, t *token) *http.Request {
	req := k.template.WithContext(ctx)
	req.Header = http.Header{"Accept": jsonType, "User-Agent": c.userAgent, "Authorization": t.header}
	if k.op.ListKey == "" {
		req.Header["Accept-Encoding"] = asItIs // small answers are not worth the unpacking
	}
	if k.body != nil {
		req.Header["Content-Type"] = jsonType
		body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(k.body)), nil }
		req.Body, _ = body()
		req.GetBody, req.ContentLength = body, int64(len(k.body))
	}
	return req
}

// Values of headers, which nobody changes.
var (
	jsonType = []string{"application/json"}
	asItIs   = []string{"identity"}
)

// lost is the outcome of an attempt without an answer, or without all of it.
func (c *Client) lost(err error) outcome {
	var unsent *wire.Unsent
	left := !errors.As(err, &unsent)
	switch stopped := c.halt.over.Err() != nil; {
	case stopped && left:
		return cut
	case stopped:
		return given
	case !left:
		return refused
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return timedOut
	}
	return broken
}

// read takes the body in and names the outcome of an answer.
func (c *Client) read(k *call, resp *http.Response, t *token) answer {
	op := k.op
	a := answer{outcome: outcome(resp.StatusCode), status: resp.StatusCode, header: resp.Header}
	limit := maxBody
	if op.ListKey != "" {
		limit = maxList
	}
	var err error
	a.body, err = readAll(resp, limit)
	if a.status < 200 || a.status >= 300 {
		switch { // the status says enough; what could be read of the body explains it
		case a.status == http.StatusUnauthorized && t.over(a.header, time.Now()):
			a.outcome = expired
		case a.status == http.StatusForbidden && bytes.Contains(a.body, []byte("BILLING_CREDIT_LIMIT_BREACHED")):
			a.outcome = noCredit
		}
		return a
	}
	switch {
	case err != nil && c.lost(err) != broken:
		a.outcome, a.err = c.lost(err), stopCause(c.halt.over, err)
	case err != nil:
		a.outcome, a.err, a.fault = unreadable, err, "the answer could not be read to its end"
	case len(a.body) > limit:
		a.outcome, a.fault = oversized, fmt.Sprintf("the answer is larger than %d MiB", limit>>20)
	default:
		a.fault = fault(op, a.status, a.body, func(text string) string { return c.hiding(k, t)(text) })
		if a.fault == "" && op.ListKey != "" {
			a.page, a.fault = parsePage(a.body, op, k.item)
		}
		if a.fault != "" {
			a.outcome = unreadable
		}
	}
	return a
}

// readAll reads at most one byte more than limit.
func readAll(resp *http.Response, limit int) ([]byte, error) {
	if n := resp.ContentLength; n > 0 && n <= int64(limit) {
		body := make([]byte, n)
		read, err := io.ReadFull(resp.Body, body)
		return body[:read], err
	}
	return io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
}
