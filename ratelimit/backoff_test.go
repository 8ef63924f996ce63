package ratelimit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBackoffIsFullJitterUpToADoublingBound(t *testing.T) {
	t.Parallel()
	bounds := []time.Duration{500, 1000, 2000, 4000, 8000, 10_000, 10_000}
	widest, narrowest := make([]time.Duration, len(bounds)), make([]time.Duration, len(bounds))
	for range 2000 {
		b := NewBackoff(500*time.Millisecond, 10*time.Second)
		for n, bound := range bounds {
			wait := b.NextBackOff()
			assert.GreaterOrEqual(t, wait, time.Duration(0))
			assert.LessOrEqual(t, wait, bound*time.Millisecond)
			widest[n] = max(widest[n], wait)
			if narrowest[n] == 0 {
				narrowest[n] = wait
			}
			narrowest[n] = min(narrowest[n], wait)
		}
	}
	for n, bound := range bounds { // the whole range is used
		assert.Greater(t, widest[n], bound*time.Millisecond*9/10)
		assert.Less(t, narrowest[n], bound*time.Millisecond/10)
	}
}

func TestBackoffNeverGivesUp(t *testing.T) {
	t.Parallel()
	for _, b := range [][2]time.Duration{
		{time.Second, time.Minute},
		{time.Minute, time.Second}, // first beyond max: max counts
		{0, 0},                     // no wait at all
		{time.Hour, 1 << 62},       // near overflow
	} {
		policy := NewBackoff(b[0], b[1])
		for range 1000 {
			wait := policy.NextBackOff()
			assert.GreaterOrEqual(t, wait, time.Duration(0))
			assert.LessOrEqual(t, wait, b[1])
		}
	}
}
