package client

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lookAgain is the longest that a call waits for its hours at a stretch: a
// clock that was set, or a machine that slept, is noticed within it.
const lookAgain = 5 * time.Minute

// Opening keeps calls that are not idempotent to their hours. f returns the
// time from which they may go, which is not after now while they may. A call
// that comes too early waits; what only reads is not held.
func Opening(f func(now time.Time) time.Time) Option { return func(c *Client) { c.opening = f } }

// Pause is something that the calls of a client wait for beside the limiter.
type Pause struct {
	Why   string    // for people, for example "outside of hours"
	Until time.Time // when it ends, or is looked at again
}

// Wait waits until p is over, in the way calls do: it is logged, Paused tells
// of it, and a stop ends it at once, with an *Error of Intent NotSent. It costs
// a token of the limiter.
func (c *Client) Wait(ctx context.Context, p Pause) error {
	ctx, release := c.halt.bind(ctx)
	defer release()
	c.pause.begin(p, c.log)
	if err := c.limiter.Wait(ctx, time.Until(p.Until)); err != nil {
		err = stopCause(ctx, err)
		return &Error{Operation: "wait", Message: p.Why + ", and then a stop: " + words(err.Error(), maxWords), Intent: NotSent, Err: err}
	}
	return nil
}

// Paused says what calls wait for now, if there is anything.
func (c *Client) Paused() (Pause, bool) { return c.pause.now() }

// leave waits until an attempt may go out: for an access token, for the hours
// of the call, and for the limiter. It returns the access token to send with,
// or the answer that stands for not sending.
func (c *Client) leave(ctx context.Context, k *call) (*token, answer, bool) {
	for wait := k.wait; ; wait = 0 {
		// The access token comes first: who waits for one with the limiter's
		// permission in hand would leave together with all who wait likewise.
		if _, a, ok := c.authorize(ctx); !ok {
			return nil, a, false
		}
		closed := c.closed(k.op)
		// invariant 1: nothing leaves without a token, a repeat neither.
		if err := c.limiter.Wait(ctx, max(wait, closed)); err != nil {
			return nil, answer{outcome: given, err: stopCause(ctx, err)}, false
		}
		if closed > 0 {
			continue
		}
		t, a, ok := c.authorize(ctx) // again: the wait may have been long
		if !ok {
			return nil, a, false
		}
		if c.closed(k.op) == 0 { // as well
			return t, answer{}, true
		}
	}
}

// closed is how long to wait before the hours of a call are looked at again; 0
// when it may go.
func (c *Client) closed(op Operation) time.Duration {
	if c.opening == nil || op.Idempotent {
		return 0
	}
	now := time.Now()
	until := c.opening(now)
	left := until.Sub(now)
	if left <= 0 {
		return 0
	}
	c.pause.begin(Pause{"outside of hours", until}, c.log)
	return min(left, lookAgain)
}

// pause is what many wait for at once and only one of them tells of.
type pause struct {
	mu   sync.Mutex
	last Pause
}

// begin takes note of p, unless something that lasts as long is known already.
func (p *pause) begin(next Pause, log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !next.Until.After(p.last.Until) {
		return
	}
	p.last = next
	log.Info("sending waits", slog.String("why", next.Why), slog.Time("until", next.Until))
}

func (p *pause) now() (Pause, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, time.Now().Before(p.last.Until)
}
