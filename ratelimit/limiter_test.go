package ratelimit

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// grants lets workers ask for calls as fast as they can for d, and returns the
// moments since the start at which they got one, in order.
func grants(t *testing.T, l *Limiter, workers int, d time.Duration) []time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	start := time.Now()
	var (
		mu  sync.Mutex
		all []time.Duration
		wg  sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for l.Wait(ctx, 0) == nil {
				mu.Lock()
				all = append(all, time.Since(start))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all
}

// busiest is the largest number of grants in any window of the given length.
func busiest(all []time.Duration, window time.Duration) int {
	most, from := 0, 0
	for i, at := range all {
		for at-all[from] >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// within is how many grants fell into [from, to).
func within(all []time.Duration, from, to time.Duration) int {
	n := 0
	for _, at := range all {
		if at >= from && at < to {
			n++
		}
	}
	return n
}

func TestNoSecondIsOverTheLimitAndTheMeanIsTheLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit   float64
		most    int     // in any sliding second
		atLeast float64 // on average
	}{
		{25, 25, 24.75},
		{200, 200, 198},
		{800, 800, 792},
		{5000, 5000, 4950},
		{15_000, 15_000, 14_850}, // more than there are times kept of
	} {
		synctest.Test(t, func(t *testing.T) {
			const d = 10 * time.Second
			all := grants(t, New(c.limit).Under(New(c.limit)), 256, d)
			assert.LessOrEqual(t, busiest(all, time.Second), c.most, "%v/s", c.limit)
			mean := float64(len(all)) / d.Seconds()
			assert.GreaterOrEqual(t, mean, c.atLeast, "%v/s", c.limit)
			assert.LessOrEqual(t, mean, c.limit, "%v/s", c.limit)
		})
	}
}

func TestUnlimitedDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, limit := range []float64{0, -1, math.Inf(1), math.NaN()} {
		synctest.Test(t, func(t *testing.T) {
			start, l := time.Now(), New(limit)
			for range 10_000 {
				require.NoError(t, l.Wait(t.Context(), 0))
			}
			assert.Zero(t, time.Since(start))
			assert.Equal(t, Stats{}, l.Stats())
		})
	}
}

func TestWaitLastsAtLeastTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, New(100).Wait(t.Context(), 3*time.Second))
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestBackoffOfOneDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		go l.Wait(t.Context(), time.Hour)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, l.Wait(t.Context(), 0))
		assert.Zero(t, time.Since(start))
		l.Close()
	})
}

func TestNothingIsGrantedDuringAHoldAndThePaceIsKeptAfterIt(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*Limiter){
		"hold":                    func(l *Limiter) { l.Hold(time.Now().Add(2 * time.Second)) },
		"429 with Retry-After":    func(l *Limiter) { l.Throttled(2*time.Second, true) },
		"429s that follow change": func(l *Limiter) { l.Throttled(2*time.Second, true); l.Throttled(time.Second, true) },
	} {
		synctest.Test(t, func(t *testing.T) {
			l := New(200)
			// The 64 workers are waiting for a token when the hold begins.
			time.AfterFunc(time.Second+time.Millisecond, func() { begin(l) })
			all := grants(t, l, 64, 10*time.Second)
			assert.Zero(t, within(all, 1002*time.Millisecond, 3001*time.Millisecond), name)
			assert.LessOrEqual(t, within(all, 3*time.Second, 3100*time.Millisecond), 23, "%s: they left at once", name)
			assert.NotZero(t, within(all, 3*time.Second, 3100*time.Millisecond), name)
			assert.LessOrEqual(t, busiest(all, time.Second), 210, name)
		})
	}
}

func TestHoldDoesNotSlowDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(200)
		l.Hold(time.Now().Add(time.Second))
		l.Throttled(0, false) // of a call that left before the hold
		assert.Equal(t, 200.0, l.Stats().Pace)
		assert.Equal(t, time.Now().Add(time.Second), l.Stats().HeldUntil)
		all := grants(t, l, 64, 11*time.Second)
		assert.InDelta(t, 2000, len(all), 20)
	})
}

func TestCancelledWaiterGivesItsTokenToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		require.NoError(t, l.Wait(t.Context(), 0)) // the bucket is empty now
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		require.ErrorIs(t, l.Wait(ctx, 0), context.Canceled)
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		require.NoError(t, l.Wait(t.Context(), 0))
		assert.InDelta(t, time.Second, time.Since(start), float64(10*time.Millisecond))
	})
}

func TestTokenTakenBelowIsKeptWhenTheLevelAboveIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		project := New(100)
		job := New(0.1).Under(project)
		project.Hold(time.Now().Add(5 * time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, job.Wait(ctx, 0), context.DeadlineExceeded)
		start := time.Now()
		require.NoError(t, job.Wait(t.Context(), 0))
		assert.Equal(t, 4*time.Second, time.Since(start), "the next token of the job would have come after 10 s")
	})
}

func TestNearDeadlineDoesNotFailAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(0.1)
		require.NoError(t, l.Wait(t.Context(), 0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, l.Wait(ctx, 0), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestWaitOfAnEndedContextTakesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := New(1)
	require.ErrorIs(t, l.Wait(ctx, 0), context.Canceled)
	require.ErrorIs(t, New(0).Wait(ctx, time.Hour), context.Canceled)
	require.NoError(t, l.Wait(t.Context(), 0))
}

func TestCloseWakesEverybodyWhateverTheyWaitFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		project := New(1)
		job := New(1).Under(project)
		unlimited := New(0).Under(project)
		errs := make(chan error, 96)
		for range 32 {
			go func() { errs <- job.Wait(t.Context(), 0) }()
			go func() { errs <- unlimited.Wait(t.Context(), 0) }()
			go func() { errs <- project.Wait(t.Context(), time.Hour) }()
		}
		project.Hold(time.Now().Add(time.Hour))
		synctest.Wait()
		granted := len(errs)
		assert.LessOrEqual(t, granted, 1)
		assert.Equal(t, 96-granted, project.Stats().Waiting)
		start := time.Now()
		project.Close()
		project.Close() // a second time is harmless
		for i := range 96 {
			if err := <-errs; i >= granted {
				require.ErrorIs(t, err, ErrClosed)
			}
		}
		assert.Zero(t, time.Since(start))
		require.ErrorIs(t, job.Wait(t.Context(), 0), ErrClosed)
		require.ErrorIs(t, New(1).Under(project).Wait(t.Context(), 0), ErrClosed, "put under a closed one")
		assert.Zero(t, project.Stats().Waiting)
	})
}

func TestClosingAJobLeavesTheProjectOpen(t *testing.T) {
	t.Parallel()
	project := New(0)
	job, other := New(0).Under(project), New(0).Under(project)
	job.Close()
	require.ErrorIs(t, job.Wait(t.Context(), 0), ErrClosed)
	require.NoError(t, other.Wait(t.Context(), 0))
	require.NoError(t, project.Wait(t.Context(), 0))
}

func TestJobsShareTheProjectAndKeepTheirOwnPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		project := New(100)
		slow, fast := New(20).Under(project), New(0).Under(project)
		var a, b []time.Duration
		var wg sync.WaitGroup
		wg.Go(func() { a = grants(t, slow, 32, 10*time.Second) })
		wg.Go(func() { b = grants(t, fast, 32, 10*time.Second) })
		wg.Wait()
		both := append(slices.Clone(a), b...)
		slices.Sort(both)
		assert.LessOrEqual(t, busiest(both, time.Second), 102)
		assert.InDelta(t, 1000, len(both), 10)
		assert.LessOrEqual(t, busiest(a, time.Second), 22)
		assert.InDelta(t, 200, len(a), 10, "the job with the larger appetite starves the other")
	})
}

func TestHoldOfOneJobDoesNotHoldAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		project := New(100)
		held, other := New(50).Under(project), New(0).Under(project)
		held.Hold(time.Now().Add(5 * time.Second))
		var a, b []time.Duration
		var wg sync.WaitGroup
		wg.Go(func() { a = grants(t, held, 8, 5*time.Second) })
		wg.Go(func() { b = grants(t, other, 8, 5*time.Second) })
		wg.Wait()
		assert.Empty(t, a)
		assert.InDelta(t, 500, len(b), 5)
	})
}

func TestThrottlingOfAJobReachesTheProjectAndItsOtherJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		project := New(100)
		job, other := New(50).Under(project), New(0).Under(project)
		job.Throttled(2*time.Second, true)
		assert.Equal(t, 50.0, project.Stats().Pace)
		assert.Equal(t, 25.0, job.Stats().Pace)
		assert.Equal(t, time.Now().Add(2*time.Second), other.Stats().HeldUntil)
		assert.Empty(t, grants(t, other, 8, 2*time.Second-1))
	})
}

func BenchmarkWait(b *testing.B) {
	l := New(0).Under(New(1e9))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Wait(b.Context(), 0); err != nil {
				b.Fatal(err)
			}
			l.Succeeded()
		}
	})
}

func TestClosingALevelWakesWhoWaitsAtTheOneAbove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		project := New(100)
		job, other := New(50).Under(project), New(50).Under(project)
		project.Hold(time.Now().Add(time.Hour)) // another job's 429
		began := time.Now()
		time.AfterFunc(time.Second, job.Close)
		done := make(chan error, 2)
		for range 2 { // one waits at the project, the other behind it
			go func() { done <- job.Wait(t.Context(), 0) }()
		}
		require.ErrorIs(t, <-done, ErrClosed)
		require.ErrorIs(t, <-done, ErrClosed)
		assert.Equal(t, time.Second, time.Since(began))
		require.NoError(t, other.Wait(t.Context(), 0), "the others go on")
		assert.Equal(t, time.Hour, time.Since(began))
	})
}
