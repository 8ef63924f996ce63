package ratelimit

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestHoweverLateCallsLeaveNoSecondHasMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.OneOf(rapid.Float64Range(0.5, 50), rapid.Float64Range(50, 30_000)).Draw(t, "limit")
		m, start := newMeter(limit), time.Unix(1_700_000_000, 0)
		var left []time.Duration // since the start
		for now, waiting := time.Duration(0), 0; now < 4*time.Second; {
			now += time.Duration(rapid.Int64Range(0, int64(60*time.Millisecond)).Draw(t, "later"))
			at := start.Add(now)
			for range rapid.IntRange(0, waiting).Draw(t, "leave") {
				m.leave(at)
				waiting--
				left = append(left, now)
			}
			for m.setPace(at, limit); m.wait(at) == 0; waiting++ {
				m.allow(at)
			}
		}
		if most := busiest(left, time.Second); float64(most) > math.Ceil(limit) {
			t.Fatalf("%d in a second at %v/s", most, limit)
		}
	})
}

func TestWhatAStallCostsIsMadeUpFor(t *testing.T) {
	t.Parallel()
	for _, limit := range []float64{10, 25, 800, 5000, 20_000} {
		const span = time.Minute
		m, start, count := newMeter(limit), time.Unix(1_700_000_000, 0), 0
		for now, n := time.Duration(0), 0; now < span; n++ {
			at := start.Add(now)
			for m.setPace(at, limit); m.wait(at) == 0; count++ {
				m.allow(at)
				m.leave(at)
			}
			if now += m.wait(at); n%40 == 0 {
				now += slack - breath - late
			}
		}
		assert.GreaterOrEqual(t, float64(count), 0.99*limit*span.Seconds(), "%v/s", limit)
		assert.LessOrEqual(t, float64(count), limit*span.Seconds(), "%v/s", limit)
	}
}

func TestWhatNobodyAskedForIsNotMadeUpFor(t *testing.T) {
	t.Parallel()
	m, at := newMeter(800), time.Unix(1_700_000_000, 0)
	for _, idle := range []time.Duration{0, time.Second, time.Hour} {
		at = at.Add(idle)
		n := 0
		for m.setPace(at, 800); m.wait(at) == 0; n++ {
			m.allow(at)
			m.leave(at)
		}
		assert.LessOrEqual(t, n, 1+800/20, "after %s", idle)
	}
}

func TestABeatIsNotWaitedForTwice(t *testing.T) {
	t.Parallel()
	m, start := newMeter(800), time.Unix(1_700_000_000, 0)
	m.setPace(start, 800)
	for _, due := range []time.Duration{1, m.beat / 3, m.beat - 1} {
		assert.Equal(t, due, m.toBeat(start.Add(7*m.beat-due), due), "it is due on one")
		assert.Equal(t, m.beat, m.toBeat(start.Add(7*m.beat), due), "it is due after one")
	}
	assert.Zero(t, int64((m.width+late)/time.Microsecond)/int64(m.beat/time.Microsecond)-50, "a window has fifty")
}
