package ratelimit

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// A pace that was slowed down is kept for a while, then it grows to the
	// limit. Together with the short hold of a 429 both stay under 30 s.
	kept  = 10 * time.Second
	grows = 15 * time.Second
	// below is how much of what the server has just taken is sent after a 429.
	below = 0.95
	// beyond is where a pace grows to that has no limit, before it has none
	// again, in multiples of what it was slowed down to.
	beyond = 4
	// slowEvery keeps one burst of 429s, which many calls in flight see at
	// once, from counting as many.
	slowEvery = time.Second

	// A pace without a limit is slowed down by so many 429s in a row, when the
	// server had taken so many calls in the second before.
	proof      = 5
	leastShown = 100

	firstHold = time.Second
	maxHold   = 30 * time.Second
)

// Throttled takes note of a 429. With a known retryAfter nothing leaves this
// level, or one above, until it has passed; zero is no pause. Otherwise a hold
// of about a second is served, longer with every further one that no success
// comes between, up to 30 s.
//
// The pace of the level and those above is lowered as well, at most once a
// second and never for the answers that arrive during a hold, whose calls left
// before it: to a little less than was taken of what left in the second before,
// but to no less than half; and to half when that proved too much. It comes back
// by itself within 30 s (of the end of the hold, where that is longer than 5 s).
// Without a limit that takes several 429s in a row, and calls enough before them
// to show a pace; single ones only hold.
func (l *Limiter) Throttled(retryAfter time.Duration, known bool) {
	defer l.lock()()
	now := time.Now()
	for level := l; level != nil; level = level.parent {
		level.throttled(now, retryAfter, known)
	}
}

func (l *Limiter) throttled(now time.Time, retryAfter time.Duration, known bool) {
	held, before := l.heldUntil.After(now), l.heldUntil
	l.row++
	l.slow.refused(now, held, float64(l.recent.count(now)), float64(l.row))
	switch {
	case known:
		l.holdUntil(now.Add(max(retryAfter, 0)))
	case !held:
		l.streak++
		l.holdUntil(now.Add(pause(l.streak)))
	}
	l.slow.freeze(now, l.heldUntil)
	if !held {
		before = now
	}
	l.throttledFor += max(l.heldUntil.Sub(before), 0)
}

// Hold lets nothing leave this level before until, and does not slow it down
// afterwards: for what is full, not too fast. A hold is never shortened.
func (l *Limiter) Hold(until time.Time) {
	defer l.lock()()
	l.holdUntil(until)
}

func (l *Limiter) holdUntil(until time.Time) {
	if until.After(l.heldUntil) {
		l.heldUntil = until
		l.meter.pause(until)
	}
}

// Succeeded takes note of a call that was not throttled. One that left before
// a hold and is answered during it proves nothing.
func (l *Limiter) Succeeded() {
	defer l.lock()()
	now := time.Now()
	for level := l; level != nil; level = level.parent {
		level.row = 0
		if !level.heldUntil.After(now) {
			level.streak = 0
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

// slowdown is a pace that is lowered by 429s and grows back with time: additive
// up, multiplicative down. It is worked out when it is asked for, so no
// goroutine and no success drives it.
type slowdown struct {
	limit float64   // +Inf for none
	low   float64   // the pace until it grows
	since time.Time // low counts from here on; zero when it was never slowed down

	last   time.Time // of the last 429 that began a slowdown
	before float64   // the pace then
	taken  float64   // of the calls that left in the second before it
	again  bool      // the pace of the slowdown before that was not grown yet
}

// pace is the calls per second at now, never above the limit.
func (s *slowdown) pace(now time.Time) float64 {
	age := now.Sub(s.since)
	if s.since.IsZero() || age >= kept+grows {
		return s.limit
	}
	top := s.limit
	if math.IsInf(top, 1) {
		top = beyond * s.low
	}
	return s.low + max(age-kept, 0).Seconds()/grows.Seconds()*(top-s.low)
}

// refused slows down for a 429, the rowth in a row, when so many calls left in
// the second before. The 429s of the next second, which many calls in flight
// see, and those that are answered while everybody is held, are not of the
// slower pace: they only say that less was taken than it seemed.
func (s *slowdown) refused(now time.Time, held bool, left, row float64) {
	pace := s.pace(now)
	switch {
	case !s.last.IsZero() && now.Sub(s.last) < slowEvery:
		s.taken = max(s.taken-1, 0)
	case math.IsInf(pace, 1): // what is to be slowed down to has to be shown first
		if row < proof || left-row < leastShown {
			return
		}
		s.begin(now, left, left-row)
	case held:
		return
	default:
		s.begin(now, pace, left-1)
	}
	s.low = max(s.floor(), s.before/2)
	if !s.again {
		s.low = max(s.low, below*min(s.taken, s.before))
	}
}

// begin begins a slowdown from the pace before. What the server has shown to
// take is a measure for it, unless a pace that was made so is refused, too.
func (s *slowdown) begin(now time.Time, before, taken float64) {
	s.again = !s.since.IsZero() && now.Sub(s.since) < kept
	s.before, s.taken = before, max(taken, 0)
	s.since, s.last = now, now
}

// floor is the slowest that a pace becomes: 429s that have nothing to do with the
// pace must not bring a run to a halt.
func (s *slowdown) floor() float64 {
	if math.IsInf(s.limit, 1) {
		return leastShown / 2
	}
	return min(s.limit, max(1, s.limit/10))
}

// freeze keeps the pace as it is until a hold is over.
func (s *slowdown) freeze(now, until time.Time) {
	if !s.since.IsZero() && until.After(s.since) {
		s.low, s.since = s.pace(now), until
	}
}

// recent counts what happened in the last second, give or take a 64th.
type recent [64]struct{ number, count int64 }

// slot is the number of the 64th of a second that t lies in.
func slot(t time.Time) int64 { return t.UnixNano() / (int64(time.Second) / 64) }

func (r *recent) add(now time.Time) {
	n := slot(now)
	s := &r[n%64]
	if s.number != n {
		s.number, s.count = n, 0
	}
	s.count++
}

func (r *recent) count(now time.Time) (all int64) {
	oldest := slot(now) - 63
	for _, s := range r {
		if s.number >= oldest {
			all += s.count
		}
	}
	return all
}
