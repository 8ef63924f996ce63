package ratelimit

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// taker is a server that takes a number of calls in a second of its own, and
// answers 429 with Retry-After: 2 to the others.
type taker struct {
	limit   int
	latency time.Duration

	mu      sync.Mutex
	begin   time.Time
	count   int
	refused []time.Time
}

func (s *taker) call() (taken bool) {
	s.mu.Lock()
	now := time.Now()
	defer func() {
		answer := s.latency + time.Duration(s.count)*time.Microsecond // one after the other
		s.mu.Unlock()
		time.Sleep(answer)
	}()
	if now.Sub(s.begin) >= time.Second {
		s.begin, s.count = now, 0
	}
	s.count++
	if s.count > s.limit {
		s.refused = append(s.refused, now)
	}
	return s.count <= s.limit
}

// deliver has workers call until n calls were taken, and returns how long that
// took.
func deliver(t *testing.T, l *Limiter, s *taker, workers, n int) time.Duration {
	t.Helper()
	began := time.Now()
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range todo {
				for taken := false; !taken; {
					if !assert.NoError(t, l.Wait(t.Context(), 0)) {
						return
					}
					if taken = s.call(); taken {
						l.Succeeded()
					} else {
						l.Throttled(2*time.Second, true)
					}
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

// Of a server that takes 500 a second and asks for two seconds of quiet, 5,000
// calls can not have more than this: those before its first 429, the two
// seconds, and the rest at the rate that it takes.
func TestAServerThatTakesLessIsUsedWhole(t *testing.T) {
	t.Parallel()
	const rest, quiet = 9 * time.Second, 2 * time.Second
	for _, c := range []struct {
		limit float64
		least time.Duration
		waves int // of 429s
	}{
		{500, 10 * time.Second, 0}, // what it takes: it never refuses
		{800, 625*time.Millisecond + quiet + rest, 1},
		{0, quiet + rest, 1},
	} {
		for _, latency := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				s := &taker{limit: 500, latency: latency}
				took := deliver(t, New(c.limit).Under(New(0)), s, 64, 5000)
				assert.LessOrEqual(t, took, c.least*115/100+latency*8, "%v/s, %s", c.limit, latency)
				waves := 0
				for i, at := range s.refused {
					if i == 0 || at.Sub(s.refused[i-1]) > time.Second {
						waves++
					}
				}
				assert.Equal(t, c.waves, waves, "%v/s, %s: %d were refused", c.limit, latency, len(s.refused))
				assert.LessOrEqual(t, len(s.refused), 64, "no more than were on the wire")
			})
		}
	}
}

func TestAPaceThatProvedTooMuchIsHalved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(800)
		all := grants(t, l, 64, 700*time.Millisecond)
		l.Throttled(2*time.Second, true)
		slowed := l.Stats().Pace
		assert.InDelta(t, 0.95*float64(len(all)), slowed, 5, "a little less than was taken")
		l.Throttled(2*time.Second, true)
		assert.InDelta(t, slowed-0.95, l.Stats().Pace, 1e-6, "it was on the wire with the other")
		time.Sleep(3 * time.Second)
		l.Throttled(2*time.Second, true)
		assert.InDelta(t, slowed/2, l.Stats().Pace, 1)
	})
}

func TestA429WhereMuchWasTakenSlowsDownALittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(800)
		grants(t, l, 64, 5*time.Second)
		l.Throttled(0, true)
		assert.InDelta(t, 0.95*800, l.Stats().Pace, 20)
	})
}

// leaving lets n calls go at once.
func leaving(t *testing.T, l *Limiter, n int) {
	t.Helper()
	start := time.Now()
	for range n {
		assert.NoError(t, l.Wait(t.Context(), 0))
	}
	assert.Zero(t, time.Since(start))
}

func TestUnlimitedIsSlowedToWhatTheServerHasShownToTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(0)
		leaving(t, l, 450)
		time.Sleep(500 * time.Millisecond)
		for range 50 {
			l.Throttled(2*time.Second, true)
		}
		assert.InDelta(t, 0.95*400, l.Stats().Pace, 1)
		all := grants(t, l, 64, 2*time.Second+kept)
		assert.Zero(t, within(all, 0, 2*time.Second))
		assert.InDelta(t, 0.95*400*kept.Seconds(), len(all), 40)
		time.Sleep(grows)
		leaving(t, l, 10_000)
	})
}

func TestUnlimitedIsNotSlowedBySingle429s(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(0)
		for range 100 {
			leaving(t, l, 10)
			l.Throttled(0, true)
			l.Succeeded()
			time.Sleep(10 * time.Millisecond)
		}
		assert.Zero(t, l.Stats().Pace)
	})
}
