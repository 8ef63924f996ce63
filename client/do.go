package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Response is the answer to a call that succeeded.
type Response struct {
	Status   int
	Header   http.Header
	Body     []byte // as received
	Attempts int    // calls that cost an attempt, this one included
}

// success is how a call ended that succeeded.
type success struct {
	Response
	page  Page   // of a list
	token *token // that it was sent with
}

// call is one request on its way through its attempts.
type call struct {
	op       Operation
	template *http.Request // what each attempt sends, but for its headers and its body
	body     []byte        // nil for none
	secrets  []string      // of the body
	item     ItemReader    // nil for none
	backoff  Backoff       // nil until the first repeat
	wait     time.Duration
	attempts int
	sent     int  // requests that left
	retry    bool // the next attempt is a repeat of one that failed
	unsure   bool // an attempt got no answer, or none that says whether it had its effect
	renewed  bool // the token was renewed because of the last answer
}

// do is the only way out (invariant 1): wait until it may leave, send, look at
// the answer, and again until the call is settled.
func (c *Client) do(ctx context.Context, op Operation, r Call) (success, error) {
	k, err := c.prepare(op, r)
	if err != nil {
		return success{}, &Error{Operation: op.name(), Message: words(err.Error(), maxWords), Err: err}
	}
	ctx, release := c.halt.bind(ctx)
	defer release()
	for {
		t, a, ok := c.leave(ctx, k)
		if ok {
			if err := op.note(ctx); err != nil {
				return success{}, c.failure(k, fatal, answer{outcome: given, err: err})
			}
			a = c.send(k, t)
		}
		v := classify(op.Idempotent, c.insist, a.outcome)
		if v == done {
			c.limiter.Succeeded()
			r := Response{Status: a.status, Header: a.header, Body: a.body, Attempts: k.attempts + 1}
			return success{r, a.page, a.token}, nil
		}
		if v = c.settle(k, a, v); v != again {
			return success{}, c.failure(k, v, a)
		}
		c.log.LogAttrs(ctx, slog.LevelDebug, "call is tried again", slog.String("operation", op.name()),
			slog.Int("status", a.status), slog.Int("attempts", k.attempts), slog.Duration("wait", k.wait))
	}
}

func (c *Client) prepare(op Operation, r Call) (*call, error) {
	template, err := c.template(op, r)
	if err != nil {
		return nil, err
	}
	return &call{op: op, template: template, body: r.Body, secrets: r.Secrets, item: r.Item}, nil
}

// route is what the URL of a call follows from that has no parameters.
type route struct{ service, method, path string }

// template returns the request of a call without what each attempt adds to it.
// It is not changed by anybody: calls that go to the same URL share one.
func (c *Client) template(op Operation, r Call) (*http.Request, error) {
	plain := op.ID != "" && len(r.Params) == 0 && len(r.Query) == 0 // so there are but as many as operations
	key := route{op.Service, op.Method, op.Path}
	if plain {
		if known, ok := c.templates.Load(key); ok {
			return known.(*http.Request), nil
		}
	}
	path, err := op.Expand(c.project, r.Params)
	if err != nil {
		return nil, err
	}
	target, err := c.urls.base(op.Service)
	if err != nil {
		return nil, err
	}
	target += path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequest(op.Method, target, nil)
	if err != nil { // which repeats the URL, and with it perhaps somebody's number
		return nil, errors.New("the URL of the call can not be used: look at api.urls, and at the method and the path where they are not the client's own")
	}
	if plain {
		c.templates.Store(key, req)
	}
	return req, nil
}

// settle does what a verdict asks for and keeps the books of the attempts. It
// returns again, or the verdict that ends the call.
func (c *Client) settle(k *call, a answer, v verdict) verdict {
	k.wait, k.retry = 0, false
	renewed := k.renewed
	k.renewed = false
	switch v {
	case hold:
		c.counts.throttled.Add(1)
		c.limiter.Throttled(c.retryAfter(a))
		return again
	case renew:
		if renewed {
			return fatal
		}
		k.renewed = true
		c.credentials.drop(a.token)
		return again
	}
	if a.outcome != given && a.outcome != noToken {
		k.attempts++
	}
	limit := c.attempts
	switch v {
	case few:
		limit = min(limit, fewAttempts)
	case again:
	default:
		return v
	}
	if classify(false, false, a.outcome) == doubt {
		k.unsure = true
	}
	if k.attempts >= limit {
		return fail
	}
	if k.backoff == nil {
		k.backoff = c.newBackoff()
	}
	k.retry = true
	asked, _ := c.retryAfter(a)
	k.wait = max(k.backoff.NextBackOff(), asked, 0)
	return again
}

// retryAfter is what the server asked for, in the header or else in the body.
func (c *Client) retryAfter(a answer) (time.Duration, bool) {
	if d, ok := c.parseRetryAfter(a.header.Get("Retry-After"), time.Now()); ok {
		return d, true
	}
	if a.status < 300 {
		return 0, false
	}
	r := parseRefusal(a.status, a.body, c.credentials.hiding(a.token))
	return r.retryAfter, r.retryKnown
}

// stopCause is err together with why the client was stopped, where it was.
func stopCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
