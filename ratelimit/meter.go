package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// share of a limit is what is aimed at. The rest is room for calls that
	// come closer together to the server than they left here.
	share = 0.995
	// spread is by how much a window is longer than it need be, for the same.
	// It leaves less room than share, so that a window which late calls have
	// shifted comes back.
	spread = 1.002
	// slack is how much of a pace may be made up for at once, when a timer or
	// the whole process was late.
	slack = 50 * time.Millisecond
	// breath is about how long calls that lack a token sleep at least: those of so
	// long go together, since waking up for each costs more than the call.
	breath = 20 * time.Millisecond
	// late is what a timer may be late by and not be noticed a window later, and
	// also by how much calls that left together are out of it one after the other.
	late = 1500 * time.Microsecond
	// mostTimes bounds how many times a meter keeps.
	mostTimes = 10_000
)

// meter says when the next call may go: they are evenly spaced, or those of a beat
// together, but for what lateness has to be made up for, and in no second are
// there more than the limit. A bucket alone would let the limit and its burst
// through in a second, or lose what it must not make up for.
//
// Who may go is some time on the way to doing so, on a busy machine. So a call
// counts twice: when it is allowed, and from when it left.
type meter struct {
	bucket *rate.Limiter // nil for any pace

	// Calls that lack a token go on a beat. A window, and a little, is a whole
	// number of beats: calls find those before them just out of the window.
	// Otherwise some would wait for the next beat every time, and a part of the
	// limit would not be used.
	beat  time.Duration
	start time.Time

	// The window: a call may go when the one that is a limit's worth before it
	// left width ago.
	width   time.Duration
	times   []time.Time // when calls left, a ring; empty for no limit
	step    int64       // of so many calls the ring has the last
	allowed int64
	left    int64 // of allowed
}

// newMeter returns a meter for a limit a second, which may be +Inf.
func newMeter(limit float64) *meter {
	m := &meter{beat: breath}
	if !math.IsInf(limit, 1) {
		calls := math.Ceil(limit)
		m.step = int64(math.Ceil(calls / mostTimes))
		m.times = make([]time.Time, int64(calls)/m.step)
		m.width = seconds(float64(m.calls()) / limit * spread)
		m.beat = (m.width + late) / (m.width / breath)
	}
	return m
}

// calls is how many the window has.
func (m *meter) calls() int64 { return int64(len(m.times)) * m.step }

// slot is where the ring has the time of a call.
func (m *meter) slot(call int64) *time.Time { return &m.times[call/m.step%int64(len(m.times))] }

// setPace says how fast calls may go from now on. A new bucket has one token:
// nothing was late yet.
func (m *meter) setPace(now time.Time, pace float64) {
	aim, burst := rate.Limit(pace*share), 1+int(math.Ceil(min(pace*slack.Seconds(), math.MaxInt32)))
	switch {
	case math.IsInf(pace, 1):
		m.bucket = nil
	case m.bucket == nil:
		m.bucket = rate.NewLimiter(aim, burst)
		m.start = now
		m.pause(now)
	case aim != m.bucket.Limit():
		m.bucket.SetLimitAt(now, aim)
		m.bucket.SetBurstAt(now, burst)
	}
}

// wait is how long until calls should be allowed, 0 when one may go now. It is
// never when that depends on others who have yet to leave.
func (m *meter) wait(now time.Time) time.Duration {
	wait := time.Duration(0)
	if m.bucket != nil {
		if due := seconds((1 - m.bucket.TokensAt(now)) / float64(m.bucket.Limit())); due >= m.beat {
			wait = due
		} else if due > 0 {
			wait = m.toBeat(now, due)
		}
	}
	if len(m.times) > 0 {
		if m.blocked() {
			return never
		}
		if m.allowed%m.step == 0 {
			if due := m.slot(m.allowed).Add(m.width).Sub(now); due > 0 {
				wait = max(wait, due+late)
			}
		}
	}
	return wait
}

// toBeat is how long it is to the first beat that is not before due.
func (m *meter) toBeat(now time.Time, due time.Duration) time.Duration {
	past := now.Add(due).Sub(m.start) % m.beat
	return due + (m.beat-past)%m.beat
}

// blocked says that nothing may be allowed before something leaves.
func (m *meter) blocked() bool { return len(m.times) > 0 && m.allowed-m.left == m.calls() }

// allow takes note of a call that may go now.
func (m *meter) allow(now time.Time) {
	if m.bucket != nil {
		m.bucket.AllowN(now, 1)
	}
	m.allowed++
}

// leave takes note of one that was allowed and has gone.
func (m *meter) leave(now time.Time) {
	if len(m.times) > 0 {
		*m.slot(m.left) = now
	}
	m.left++
}

// pause lets nothing be made up for that could have gone before until.
func (m *meter) pause(until time.Time) {
	if m.bucket != nil {
		m.bucket.AllowN(until, max(int(m.bucket.TokensAt(until))-1, 0))
	}
}

// seconds is a duration of s seconds, or the longest there is.
func seconds(s float64) time.Duration {
	return time.Duration(min(s*float64(time.Second), math.MaxInt64/2))
}
