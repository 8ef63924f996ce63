package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestThePaceIsBackWithin30SecondsOfThe429(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   string
		after time.Duration
		known bool
	}{
		{"without Retry-After: a short hold of its own", 0, false},
		{"Retry-After: 0 is no pause, yet slower", 0, true},
		{"Retry-After: 3", 3 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := New(200)
			l.Throttled(c.after, c.known)
			assert.Equal(t, 100.0, l.Stats().Pace, c.why)
			all := grants(t, l, 64, 40*time.Second)
			assert.Less(t, within(all, 0, 5*time.Second), 650, c.why)
			assert.Equal(t, 200.0, l.Stats().Pace, c.why)
			assert.InDelta(t, 2000, within(all, 30*time.Second, 40*time.Second), 20, c.why)
			assert.LessOrEqual(t, busiest(all, time.Second), 210, c.why)
		})
	}
}

func TestRetryAfterZeroIsNoPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(200)
		l.Throttled(0, true)
		start := time.Now()
		require.NoError(t, l.Wait(t.Context(), 0))
		assert.Zero(t, time.Since(start))
		assert.Zero(t, l.Stats().HeldUntil)
	})
}

func TestTheTimeOf429sIsCountedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		top := New(200)
		l := New(100).Under(top)
		l.Throttled(4*time.Second, true)
		time.Sleep(time.Second)
		assert.Equal(t, time.Second, l.Stats().Throttled, "so far")
		l.Throttled(4*time.Second, true) // a second longer than the first
		time.Sleep(10 * time.Second)
		assert.Equal(t, 5*time.Second, l.Stats().Throttled)
		l.Hold(time.Now().Add(time.Minute))
		time.Sleep(time.Hour)
		assert.Equal(t, 5*time.Second, l.Stats().Throttled, "what is full is no 429")

		New(100).Under(top).Throttled(2*time.Second, true)
		time.Sleep(time.Hour)
		assert.Equal(t, 7*time.Second, l.Stats().Throttled, "the 429 of a neighbour held it as well")
	})
}

func TestOneBurstOf429sSlowsDownOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(200)
		for range 64 { // all in flight when the first was refused
			l.Throttled(0, false)
			time.Sleep(5 * time.Millisecond)
		}
		assert.Equal(t, 100.0, l.Stats().Pace)
		assert.Less(t, time.Until(l.Stats().HeldUntil), time.Second)
	})
}

func TestASlowedLimiterNeverStops(t *testing.T) {
	t.Parallel()
	for limit, floor := range map[float64]float64{5000: 500, 200: 20, 25: 2.5, 0.5: 0.5} {
		synctest.Test(t, func(t *testing.T) {
			l := New(limit)
			for range 60 {
				l.Throttled(0, true)
				time.Sleep(slowEvery)
			}
			l.Throttled(0, true)
			assert.GreaterOrEqual(t, l.Stats().Pace, floor)
			require.NoError(t, l.Wait(t.Context(), 0))
		})
	}
}

func TestHoldsOf429sInARowGrowAndASuccessEndsTheRow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(200)
		for _, full := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			full *= time.Second
			l.Throttled(0, false)
			left := time.Until(l.Stats().HeldUntil)
			assert.GreaterOrEqual(t, left, full/2)
			assert.LessOrEqual(t, left, full)
			l.Succeeded() // left before the hold: proves nothing
			time.Sleep(left)
		}
		l.Succeeded()
		l.Throttled(0, false)
		assert.LessOrEqual(t, time.Until(l.Stats().HeldUntil), time.Second)
	})
}

func TestUnlimitedIsHeldByA429AndNotSlowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(0)
		l.Throttled(3*time.Second, true)
		start := time.Now()
		require.NoError(t, l.Wait(t.Context(), 0))
		assert.Equal(t, 3*time.Second, time.Since(start))
		require.NoError(t, l.Wait(t.Context(), 0))
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestWhateverHappensThePaceIsBetweenFloorAndLimitAndComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(0.01, 10_000).Draw(t, "limit")
		s, now := slowdown{limit: limit}, time.Unix(1_700_000_000, 0)
		for range rapid.IntRange(1, 50).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "gap")))
			if rapid.Bool().Draw(t, "429") {
				s.refused(now, rapid.Bool().Draw(t, "held"), rapid.Float64Range(0, 2*limit).Draw(t, "left"), 1)
			}
			s.freeze(now, now.Add(time.Duration(rapid.Int64Range(0, int64(4*time.Second)).Draw(t, "hold"))))
			if pace := s.pace(now); pace > limit || pace < min(limit, max(1, limit/10)) {
				t.Fatalf("pace %v of %v", pace, limit)
			}
		}
		if pace := s.pace(now.Add(30 * time.Second)); pace != limit {
			t.Fatalf("pace %v of %v after 30 s", pace, limit)
		}
	})
}
