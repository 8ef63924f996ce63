package emulator

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestLimitHoldsInEverySlidingSecond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(r, "limit")
		w := newWindow(float64(limit))
		var admitted Requests
		now := noon
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 300), 1, 200).Draw(r, "gaps, ms") {
			now = now.Add(time.Duration(gap) * time.Millisecond)
			quiet := 0
			for _, c := range admitted {
				if now.Sub(c.Time) < time.Second {
					quiet++
				}
			}
			if got := w.admit(now.UnixNano()); got != (quiet < limit) {
				r.Fatalf("%d in the last second, limit %d: admitted %t", quiet, limit, got)
			} else if got {
				admitted = append(admitted, Call{Time: now})
			}
		}
		if most := admitted.MaxInWindow(time.Second); most > limit {
			r.Fatalf("%d in a second, limit %d", most, limit)
		}
	})
}

func TestCallsAboveTheLimitAre429(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Limit: 2})
	assert.Equal(t, http.StatusOK, c.get("/apps").status)
	assert.Equal(t, http.StatusOK, c.get("/apps").status)
	a := c.get("/apps")
	assert.Equal(t, http.StatusTooManyRequests, a.status)
	assert.Empty(t, a.header.Get("Retry-After"), "none is documented")
	c.clock.move(time.Second)
	assert.Equal(t, http.StatusOK, c.get("/apps").status)

	slow := start(t, Options{Limit: 0.5}) // one in two seconds
	assert.Equal(t, http.StatusOK, slow.get("/apps").status)
	slow.clock.move(2*time.Second - 1)
	assert.Equal(t, http.StatusTooManyRequests, slow.get("/apps").status)
	slow.clock.move(1)
	assert.Equal(t, http.StatusOK, slow.get("/apps").status)
}

func TestRequestsAreCountedAsTheyArrive(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for range 3 {
		c.get("/apps")
		c.clock.move(500 * time.Millisecond)
	}
	c.get("/nothing")
	calls := c.e.Requests()
	assert.Len(t, calls, 4)
	assert.Equal(t, 2, calls.MaxInWindow(time.Second))
	assert.Equal(t, 3, calls.MaxInWindow(time.Second+1))
	assert.InDelta(t, 2, calls.Mean(), 1e-9)
	assert.Equal(t, 3, calls.Count("App_ListApps", http.StatusOK))
	assert.Equal(t, 1, calls.Count("", http.StatusNotFound))
	assert.Equal(t, 1, c.e.TokenRequests())
	c.e.ResetCounters()
	assert.Empty(t, c.e.Requests())
	assert.Zero(t, Requests(nil).Mean())
	assert.Zero(t, Requests{{Time: noon}, {Time: noon}}.Mean())
}

func TestLatencyIsHalfBeforeAndHalfAfterTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Latency: 2 * time.Second, Now: time.Now})
		begun := time.Now()
		c.send(c.text("461", "k"))
		assert.Equal(t, 2*time.Second, time.Since(begun))
		assert.Equal(t, time.Second, c.e.Accepted()[0].Time.Sub(begun))
		assert.True(t, c.e.Requests()[0].Time.Equal(begun))
	})
}
