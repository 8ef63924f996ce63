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
)

// ErrClosed is returned to everybody who waits, or comes to wait, at a
// limiter whose gate was shut.
var ErrClosed = errors.New("the limiter is closed: no further call may be made")

// Limiter lets calls through at a pace. It is one level of a stack: with
// Under, a call needs permission of the level and of every level above it.
//
// Those who wait stand in a queue, and one place looks at holds and paces and
// lets them go, on one timer for the whole stack. So a hold that begins while
// many wait holds them all, they leave at the pace when it ends, and who waits
// costs nothing. The levels under one take turns, so jobs under a project have
// equal shares of it, however many workers each has.
//
// All methods may be called by many goroutines at once.
type Limiter struct {
	limit   float64 // configured, calls per second; +Inf when unlimited
	parent  *Limiter
	closed  chan struct{}
	waiting atomic.Int64

	// The top of a stack guards what follows, at every level.
	mu           sync.Mutex
	shut         bool
	children     []*Limiter
	queue        []chan struct{} // who waits at this level itself; closed when one may go
	turn         int             // of the children and the queue, which comes last
	meter        *meter
	heldUntil    time.Time
	throttledFor time.Duration // all holds by 429s, what is left of the last one included
	slow         slowdown
	recent       recent // calls that left
	row          int    // 429s that no success has followed
	streak       int    // holds by 429s that no success after them has followed

	// Of the top alone.
	timer *time.Timer
	wakes time.Time // when the timer fires; zero when it does not
}

// New returns a limiter of perSecond calls a second; zero, a negative number
// or +Inf is unlimited. In no second do more than perSecond leave; the pace is
// half a percent below, since what left evenly does not arrive so. Calls that are
// less than a fiftieth of a second apart leave together that often. What lateness
// of this machine cost is made up for, a twentieth of a second's calls at once.
func New(perSecond float64) *Limiter {
	if !(perSecond > 0) || math.IsInf(perSecond, 1) {
		perSecond = math.Inf(1)
	}
	return &Limiter{
		limit:  perSecond,
		closed: make(chan struct{}),
		meter:  newMeter(perSecond),
		slow:   slowdown{limit: perSecond},
	}
}

// Under puts l below parent and returns l: a call then needs a token of both,
// and closing parent closes l. It must be called before l is used, once.
func (l *Limiter) Under(parent *Limiter) *Limiter {
	l.parent = parent
	defer parent.lock()()
	parent.children = append(parent.children, l)
	if parent.shut {
		l.shutDown()
	}
	return l
}

// top is the uppermost level.
func (l *Limiter) top() *Limiter {
	for l.parent != nil {
		l = l.parent
	}
	return l
}

// lock locks the stack, and returns what unlocks it.
func (l *Limiter) lock() (unlock func()) {
	top := l.top()
	top.mu.Lock()
	return top.mu.Unlock
}

// Wait returns nil when one call may be made now. It waits for at least after
// (a back-off), then for its turn, every hold and the pace of every level. A
// deadline of ctx does not make it give up early.
//
// It returns ErrClosed as soon as Close is called on this level or one above,
// and the error of ctx when ctx ends; it has cost nothing then.
func (l *Limiter) Wait(ctx context.Context, after time.Duration) error {
	l.countWaiting(1)
	defer l.countWaiting(-1)
	if err := l.sleep(ctx, after); err != nil {
		return err
	}
	granted := l.enqueue()
	if granted == nil {
		return nil
	}
	defer l.leave(granted)
	select {
	case <-granted:
		return l.ended(ctx) // an end that came together with the permission wins
	case <-l.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Limiter) countWaiting(n int64) {
	for level := l; level != nil; level = level.parent {
		level.waiting.Add(n)
	}
}

// sleep waits for d unless it is over before.
func (l *Limiter) sleep(ctx context.Context, d time.Duration) error {
	if err := l.ended(ctx); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Limiter) ended(ctx context.Context) error {
	select {
	case <-l.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

func (l *Limiter) unlimited() bool { return math.IsInf(l.limit, 1) }

// Close shuts the gate of this level, and of every level under it, for good.
func (l *Limiter) Close() {
	defer l.lock()()
	l.shutDown()
}

// shutDown is Close, under the lock. The close of a level closes those under it,
// so who waits at one need not look at the others.
func (l *Limiter) shutDown() {
	if !l.shut {
		l.shut, l.queue = true, nil
		close(l.closed)
	}
	for _, child := range l.children {
		child.shutDown()
	}
}

// Stats is how a limiter stands at one moment.
type Stats struct {
	Limit     float64       // configured calls per second; 0 is unlimited
	Pace      float64       // calls per second now, Limit unless 429s slowed it down; 0 is unlimited
	HeldUntil time.Time     // nothing leaves before, by a hold of this level or one above; zero when there is none
	Throttled time.Duration // that nothing left because of 429s, up to now, of this level or one above, whichever is longer
	Waiting   int           // how many are in Wait, at this level and those under it
}

// Stats says how the limiter stands.
func (l *Limiter) Stats() Stats {
	defer l.lock()()
	now := time.Now()
	s := Stats{Waiting: int(l.waiting.Load())}
	if !l.unlimited() {
		s.Limit = l.limit
	}
	if pace := l.slow.pace(now); !math.IsInf(pace, 1) {
		s.Pace = pace
	}
	for level := l; level != nil; level = level.parent {
		s.Throttled = max(s.Throttled, level.throttledFor-max(level.heldUntil.Sub(now), 0))
		if level.heldUntil.After(now) && level.heldUntil.After(s.HeldUntil) {
			s.HeldUntil = level.heldUntil
		}
	}
	return s
}
