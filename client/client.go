// Package client speaks the Conversation API, its Batch API and the
// Provisioning API: one paced, retried way out, a table of every operation, two
// calls that take any of them, and typed methods for those that are used most.
package client

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Client calls the API for one project, at the pace of the limiter it was
// made for. All methods may be called by many goroutines at once.
//
// Every method that calls the API returns an *Error or nil as its error. The
// context given to it governs only the time before a request leaves: a call
// that is on the wire ends by its own timeout, or by CancelCalls, so that an
// orderly stop lets it finish.
type Client struct {
	*shared
	limiter Limiter
	log     *slog.Logger
	insist  bool
	opening func(now time.Time) time.Time // nil: always open
	traced  func(operation string, attempt int) (ended func(status int))
	pause   pause
	counts  *counts
	halt    *halt
}

// shared is what all clients made by For have in common.
type shared struct {
	project         string
	urls            URLs
	timeout         time.Duration
	attempts        int
	newBackoff      func() Backoff
	parseRetryAfter func(string, time.Time) (time.Duration, bool)
	userAgent       []string // the header
	wire            carrier
	templates       sync.Map // of requests, by route
	credentials     *credentials
	clock           clock
	masks           maskDialect
}

// New returns a client that can not call yet: For gives it a limiter. Its
// error names every mistake in cfg and what to do about it.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	c := &Client{
		shared: &shared{
			project:         cfg.Project,
			urls:            cfg.URLs,
			timeout:         cfg.Timeout,
			attempts:        cfg.Attempts,
			newBackoff:      cfg.Backoff,
			parseRetryAfter: cfg.ParseRetryAfter,
			userAgent:       []string{cfg.UserAgent},
			wire:            carrying(cfg.Transport),
			credentials:     newCredentials(cfg),
		},
		log: cfg.Log,
	}
	return c.For(unpaced{}), nil
}

// Option changes a client made by For.
type Option func(*Client)

// RetryInDoubt repeats what was answered with a 5xx even if it may have
// happened, for those who prefer a double to a gap. A call that ends otherwise
// than well after such a repeat is still InDoubt.
func RetryInDoubt() Option { return func(c *Client) { c.insist = true } }

// LogWith adds to each line that the client logs, as slog.Logger.With does.
func LogWith(args ...any) Option { return func(c *Client) { c.log = c.log.With(args...) } }

// Traced calls began for every request at the moment when it leaves, with its
// operation and the number of the call's request that it is, from 1. What that
// returns is called with the status when the answer was read, 0 where there was none.
func Traced(began func(operation string, attempt int) (ended func(status int))) Option {
	return func(c *Client) { c.traced = began }
}

// For returns a client with the connections and the token of c, a pace of its
// own, and counters of its own.
func (c *Client) For(l Limiter, opts ...Option) *Client {
	made := &Client{shared: c.shared, limiter: l, log: c.log, counts: new(counts), halt: newHalt()}
	for _, opt := range opts {
		opt(made)
	}
	return made
}

// CancelCalls stops this client for good, at once: calls that wait return
// NotSent, those on the wire are cut off and return InDoubt, or NotSent where
// repeating them does no harm. cause is what their errors wrap. Clients made
// from this one by For go on.
func (c *Client) CancelCalls(cause error) { c.halt.stop(cause) }

// Counters is what a client has done so far.
type Counters struct {
	Requests  int64         // sent, all of them
	Retries   int64         // of these, repeats after an attempt that failed
	Throttled int64         // answered with 429
	Ended     int64         // of all requests, those that are not on the wire any more
	OnWire    time.Duration // that these took together, from the request to the end of the answer
}

type counts struct{ requests, retries, throttled, ended, onWire atomic.Int64 }

// Counters says what this client has done so far.
func (c *Client) Counters() Counters {
	return Counters{
		Requests:  c.counts.requests.Load(),
		Retries:   c.counts.retries.Load(),
		Throttled: c.counts.throttled.Load(),
		Ended:     c.counts.ended.Load(),
		OnWire:    time.Duration(c.counts.onWire.Load()),
	}
}

// unpaced is the limiter of a client that was given none (invariant 1).
type unpaced struct{}

func (unpaced) Wait(context.Context, time.Duration) error {
	return errors.New("this client has no limiter: call with one made by For")
}
func (unpaced) Throttled(time.Duration, bool) {}
func (unpaced) Succeeded()                    {}
