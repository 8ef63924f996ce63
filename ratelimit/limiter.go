// Package ratelimit decides when a call may be made and how long to wait
// before the next.
package ratelimit

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// ErrClosed is returned to everybody who waits, or comes to wait, at a
// limiter whose gate was shut.
var ErrClosed = errors.New("the limiter is closed: no further call may be made")

// Limiter lets calls through at a pace. It is one level of a stack: with
// Under, a call needs a token of the level and of every level above it.
//
// Those who wait stand in a queue and only the first of them looks at holds
// and takes tokens. So a hold that begins while many wait holds them all, they
// leave at the pace when it ends, and one timer runs however many wait. One
// goes from each level to the level above, so jobs under a project have equal
// shares of it, however many workers each has.
//
// All methods may be called by many goroutines at once.
type Limiter struct {
	limit  float64 // configured, calls per second; +Inf when unlimited
	parent *Limiter

	turn   chan struct{} // holds one element while somebody is first in the queue
	bucket *rate.Limiter // used by the first in the queue alone
	spare  bool          // a token taken and not used; belongs to the first in the queue

	closed  chan struct{}
	waiting atomic.Int64
	streak  atomic.Int32 // holds by 429s that no success has followed

	mu        sync.Mutex // guards what follows
	shut      bool
	children  []*Limiter
	heldUntil time.Time
	slow      slowdown
}

// New returns a limiter of perSecond calls a second; zero, a negative number
// or +Inf is unlimited. At most a hundredth of a second's calls (at least
// one) leave in one burst, so no second sees more than 1 % above the limit.
func New(perSecond float64) *Limiter {
	if !(perSecond > 0) || math.IsInf(perSecond, 1) {
		perSecond = math.Inf(1)
	}
	return &Limiter{
		limit:  perSecond,
		turn:   make(chan struct{}, 1),
		bucket: rate.NewLimiter(rate.Limit(perSecond), burst(perSecond)),
		closed: make(chan struct{}),
		slow:   slowdown{limit: perSecond},
	}
}

// Under puts l below parent and returns l: a call then needs a token of both,
// and closing parent closes l. It must be called before l is used, once.
func (l *Limiter) Under(parent *Limiter) *Limiter {
	l.parent = parent
	parent.mu.Lock()
	shut := parent.shut
	parent.children = append(parent.children, l)
	parent.mu.Unlock()
	if shut {
		l.Close()
	}
	return l
}

// Wait returns nil when one call may be made now. It waits for at least after
// (a back-off), then for every hold and for a token of every level. A
// deadline of ctx does not make it give up early.
//
// It returns ErrClosed as soon as Close is called on this level or one above,
// and the error of ctx when ctx ends; the tokens taken until then serve the
// next in the queue.
func (l *Limiter) Wait(ctx context.Context, after time.Duration) error {
	for level := l; level != nil; level = level.parent {
		level.waiting.Add(1)
		defer level.waiting.Add(-1)
	}
	g := gate{ctx, l.closed}
	if err := g.sleep(after); err != nil {
		return err
	}
	if err := l.pass(g); err != nil {
		return err
	}
	return g.ended() // an end that came together with the token wins
}

// pass takes l's token and those of the levels above. The hold is looked at
// before the token is waited for and again afterwards, since a 429 may have
// arrived meanwhile.
func (l *Limiter) pass(g gate) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-g.closed:
		return ErrClosed
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
	for {
		if err := l.serveHold(g); err != nil {
			return err
		}
		if err := l.take(g); err != nil {
			return err
		}
		if err := l.serveHold(g); err != nil {
			return err
		}
		if l.parent != nil {
			if err := l.parent.pass(g); err != nil {
				return err
			}
		}
		if l.hold() <= 0 {
			l.spare = false
			return nil
		}
	}
}

// take waits for a token of this level alone. An unused token of somebody who
// gave up is taken first.
func (l *Limiter) take(g gate) error {
	if l.spare || l.unlimited() {
		return nil
	}
	l.setPace()
	token := l.bucket.Reserve()
	if err := g.sleep(token.Delay()); err != nil {
		token.Cancel()
		return err
	}
	l.spare = true
	return nil
}

// setPace hands the pace of this moment to the bucket. Nobody but the first in
// the queue holds a reservation, so none is left over from another pace.
func (l *Limiter) setPace() {
	l.mu.Lock()
	pace := l.slow.pace(time.Now())
	l.mu.Unlock()
	if rate.Limit(pace) != l.bucket.Limit() {
		l.bucket.SetLimit(rate.Limit(pace))
		l.bucket.SetBurst(burst(pace))
	}
}

// serveHold waits until no hold of this level is left; one may be extended
// while it is served.
func (l *Limiter) serveHold(g gate) error {
	for {
		left := l.hold()
		if left <= 0 {
			return nil
		}
		if err := g.sleep(left); err != nil {
			return err
		}
	}
}

// hold is how much is left of the hold of this level.
func (l *Limiter) hold() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.heldUntil)
}

// gate is what ends a wait early: the context of the one who waits, and the
// close of the level where it began, at whatever level it waits now. The close
// of a level above closes those under it.
type gate struct {
	ctx    context.Context
	closed <-chan struct{}
}

// sleep waits for d unless the gate is shut.
func (g gate) sleep(d time.Duration) error {
	if err := g.ended(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-g.closed:
		return ErrClosed
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

func (g gate) ended() error {
	select {
	case <-g.closed:
		return ErrClosed
	default:
		return g.ctx.Err()
	}
}

func (l *Limiter) unlimited() bool { return math.IsInf(l.limit, 1) }

// Close shuts the gate of this level, and of every level under it, for good.
func (l *Limiter) Close() {
	l.mu.Lock()
	children := l.children
	if !l.shut {
		l.shut = true
		close(l.closed)
	}
	l.mu.Unlock()
	for _, child := range children {
		child.Close()
	}
}

// Stats is how a limiter stands at one moment.
type Stats struct {
	Limit     float64   // configured calls per second; 0 is unlimited
	Pace      float64   // calls per second now, Limit unless 429s slowed it down
	HeldUntil time.Time // nothing leaves before, by a hold of this level or one above; zero when there is none
	Waiting   int       // how many are in Wait, at this level and those under it
}

// Stats says how the limiter stands.
func (l *Limiter) Stats() Stats {
	now := time.Now()
	s := Stats{Waiting: int(l.waiting.Load())}
	if !l.unlimited() {
		l.mu.Lock()
		s.Limit, s.Pace = l.limit, l.slow.pace(now)
		l.mu.Unlock()
	}
	for level := l; level != nil; level = level.parent {
		level.mu.Lock()
		if level.heldUntil.After(now) && level.heldUntil.After(s.HeldUntil) {
			s.HeldUntil = level.heldUntil
		}
		level.mu.Unlock()
	}
	return s
}

// burst is how many calls may leave at once at a pace of perSecond: what a
// hundredth of a second brings, which a late timer may have to make up for.
func burst(perSecond float64) int {
	return int(max(1, min(perSecond/100, math.MaxInt32)))
}
