package ratelimit

import (
	"math"
	"slices"
	"time"
)

// never is longer than anybody waits.
const never = time.Duration(math.MaxInt64)

// dispatch lets go whoever may, and sees to it that it is called again when
// the next may. l is the top of its stack and is locked.
func (l *Limiter) dispatch(now time.Time) {
	for {
		wait := l.wait(now)
		switch {
		case wait == never:
			return
		case wait > 0:
			l.wakeUp(now, wait)
			return
		}
		l.letGo(now)
	}
}

// wait is how long until the next of those who wait at l or under it may pass
// l; never when nobody does.
func (l *Limiter) wait(now time.Time) time.Duration {
	wait := never
	if len(l.queue) > 0 {
		wait = 0
	}
	for _, child := range l.children {
		if wait == 0 {
			break
		}
		wait = min(wait, child.wait(now))
	}
	if wait == never {
		return never
	}
	return max(wait, l.delay(now))
}

// delay is how long the next call has to wait at l itself.
func (l *Limiter) delay(now time.Time) time.Duration {
	if hold := l.heldUntil.Sub(now); hold > 0 {
		return hold
	}
	l.meter.setPace(now, l.slow.pace(now))
	return l.meter.wait(now)
}

// pass lets somebody through at once where nobody waits and nothing delays.
func (l *Limiter) pass(now time.Time) bool {
	if l.top().queued() {
		return false
	}
	for level := l; level != nil; level = level.parent {
		if level.delay(now) > 0 {
			return false
		}
	}
	for level := l; level != nil; level = level.parent {
		level.meter.allow(now)
		level.left(now)
	}
	return true
}

// queued says whether anybody waits at l or under it.
func (l *Limiter) queued() bool {
	return len(l.queue) > 0 || slices.ContainsFunc(l.children, (*Limiter).queued)
}

// left takes note of a call that was allowed and has gone.
func (l *Limiter) left(now time.Time) {
	l.meter.leave(now)
	l.recent.add(now)
}

// letGo lets one go who may, of those who wait at l and under it. The levels
// under l, and its own queue, take turns.
func (l *Limiter) letGo(now time.Time) {
	l.meter.allow(now)
	for {
		l.turn = (l.turn + 1) % (len(l.children) + 1)
		if l.turn == len(l.children) {
			if len(l.queue) > 0 {
				close(l.queue[0])
				l.queue = l.queue[1:]
				return
			}
		} else if child := l.children[l.turn]; child.wait(now) == 0 {
			child.letGo(now)
			return
		}
	}
}

// wakeUp has dispatch called after d.
func (l *Limiter) wakeUp(now time.Time, d time.Duration) {
	at := now.Add(d)
	switch {
	case l.timer == nil:
		l.timer = time.AfterFunc(d, l.tick)
	case l.wakes.IsZero() || at.Before(l.wakes):
		l.timer.Reset(d)
	default:
		return // it comes earlier, and looks again
	}
	l.wakes = at
}

// tick is what the timer calls.
func (l *Limiter) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakes = time.Time{}
	l.dispatch(time.Now())
}

// enqueue puts somebody at the end of the queue of l; nil means that there is
// nothing to wait for.
func (l *Limiter) enqueue() (granted chan struct{}) {
	top := l.top()
	top.mu.Lock()
	defer top.mu.Unlock()
	now := time.Now()
	if !l.shut && l.pass(now) {
		return nil
	}
	granted = make(chan struct{})
	if !l.shut {
		l.queue = append(l.queue, granted)
		// Behind others who will be looked at soon nobody is let go before.
		if len(l.queue) == 1 || top.wakes.IsZero() || top.wakes.Sub(now) > breath {
			top.dispatch(now)
		}
	}
	return granted
}

// leave takes note that somebody who was in the queue of l has gone: to call,
// or because it does not wait any more.
func (l *Limiter) leave(granted chan struct{}) {
	top := l.top()
	top.mu.Lock()
	defer top.mu.Unlock()
	select {
	case <-granted:
	default:
		if i := slices.Index(l.queue, granted); i >= 0 {
			l.queue = slices.Delete(l.queue, i, i+1)
		}
		return
	}
	now, blocked := time.Now(), false
	for level := l; level != nil; level = level.parent {
		blocked = blocked || level.meter.blocked()
		level.left(now)
	}
	if blocked {
		top.dispatch(now)
	}
}
