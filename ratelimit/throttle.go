package ratelimit

import (
	"math/rand/v2"
	"time"
)

const (
	// recovery is how long the pace takes from nothing to the limit. Together
	// with the short hold of a 429 it stays under 30 s.
	recovery = 25 * time.Second
	// slowEvery keeps one burst of 429s, which many calls in flight see at
	// once, from counting as many.
	slowEvery = time.Second

	firstHold = time.Second
	maxHold   = 30 * time.Second
)

// Throttled takes note of a 429. With a known retryAfter nothing leaves this
// level, or one above, until it has passed; zero is no pause. Otherwise a hold
// of about a second is served, longer with every further one that no success
// comes between, up to 30 s.
//
// The pace of the level and those above is halved as well, at most once a
// second and never for the answers that arrive during a hold, whose calls left
// before it. It comes back by itself within 30 s (of the end of the hold,
// where that is longer than 5 s).
func (l *Limiter) Throttled(retryAfter time.Duration, known bool) {
	now := time.Now()
	for level := l; level != nil; level = level.parent {
		level.throttled(now, retryAfter, known)
	}
}

func (l *Limiter) throttled(now time.Time, retryAfter time.Duration, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.heldUntil.After(now)
	if !held && !l.unlimited() {
		l.slow.halve(now)
	}
	switch {
	case known:
		l.holdUntil(now.Add(max(retryAfter, 0)))
	case !held:
		l.holdUntil(now.Add(pause(int(l.streak.Add(1)))))
	}
	l.slow.freeze(now, l.heldUntil)
}

// Hold lets nothing leave this level before until, and does not slow it down
// afterwards: for what is full, not too fast. A hold is never shortened.
func (l *Limiter) Hold(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holdUntil(until)
}

func (l *Limiter) holdUntil(until time.Time) {
	if until.After(l.heldUntil) {
		l.heldUntil = until
	}
}

// Succeeded takes note of a call that was not throttled. One that left before
// a hold and is answered during it proves nothing.
func (l *Limiter) Succeeded() {
	for level := l; level != nil; level = level.parent {
		if level.streak.Load() != 0 && level.hold() <= 0 {
			level.streak.Store(0)
		}
	}
}

// pause is the hold after the nth 429 in a row that did not say how long to
// wait: between half of and the whole of 1 s, 2 s, 4 s … 30 s, so that several
// processes do not come back together.
func pause(n int) time.Duration {
	full := maxHold
	if n < 6 {
		full = min(maxHold, firstHold<<(n-1))
	}
	return full/2 + rand.N(full/2+1)
}

// slowdown is a pace that is halved by 429s and grows back with time: additive
// up, multiplicative down. It is worked out when it is asked for, so no
// goroutine and no success drives it.
type slowdown struct {
	limit float64
	from  float64   // the pace at since, before it grows
	since time.Time // growth begins; zero when it was never slowed down
	last  time.Time // of the last halving
}

// pace is the calls per second at now, never above the limit.
func (s *slowdown) pace(now time.Time) float64 {
	if s.since.IsZero() {
		return s.limit
	}
	grown := max(now.Sub(s.since), 0).Seconds() / recovery.Seconds() * s.limit
	return min(s.limit, s.from+grown)
}

// halve slows down, but not twice in a second, and not below a hundredth of
// the limit or one a second.
func (s *slowdown) halve(now time.Time) {
	if !s.last.IsZero() && now.Sub(s.last) < slowEvery {
		return
	}
	floor := min(s.limit, max(1, s.limit/100))
	s.from = max(floor, s.pace(now)/2)
	s.since, s.last = now, now
}

// freeze keeps the pace as it is until a hold is over.
func (s *slowdown) freeze(now, until time.Time) {
	if !s.since.IsZero() && until.After(s.since) {
		s.from, s.since = s.pace(now), until
	}
}
