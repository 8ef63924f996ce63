package pipeline_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"convbatch/pipeline"
)

func TestAnItemInDoubtWaitsWithoutAWorkerAndIsHandedOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		began := time.Now()
		back := map[int64]time.Duration{}
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(100, sink), Sink: sink, InFlight: 1, Chunk: 10, RunAhead: 1000,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				switch d := item.Doubt; {
				case d == nil && item.Seq%10 == 0:
					wait := time.Duration(100-item.Seq) * time.Second // the later the row, the sooner it is due
					return pipeline.Outcome{}, &pipeline.Deferred{For: wait, Doubt: pipeline.Doubt{Calls: 1}}
				case d != nil:
					assert.Equal(t, 1, d.Calls, "what was known of it comes back with it")
					back[item.Seq] = time.Since(began).Round(time.Second)
				default:
					assert.Less(t, time.Since(began), time.Second, "the only worker is not kept waiting")
				}
				return pipeline.Outcome{State: pipeline.Done}, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
		assert.EqualValues(t, 100, sink.mark)
		for seq, after := range back {
			assert.Equal(t, time.Duration(100-seq)*time.Second, after, "item %d", seq)
		}
		assert.Len(t, back, 10)
	})
}

func TestAStopKeepsTheClaimsOfItemsInDoubtAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		since := time.Now().Add(-time.Minute).UTC()
		stop, doStop := context.WithCancel(t.Context())
		quiet := make(chan struct{})
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(100, sink), Sink: sink, InFlight: 3, Chunk: 50,
			Quiet: func() { close(quiet) },
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				doubt := pipeline.Doubt{Since: since}
				switch {
				case item.Seq == 1: // it waits when the stop comes
					return pipeline.Outcome{}, &pipeline.Deferred{For: time.Hour, Doubt: doubt}
				case item.Seq == 2 && item.Doubt == nil: // it is looked for when the stop comes
					return pipeline.Outcome{}, &pipeline.Deferred{For: time.Second, Doubt: doubt}
				case item.Seq == 3: // its answer is lost after the stop
					<-quiet
					time.Sleep(time.Second)
					return pipeline.Outcome{}, &pipeline.Deferred{For: time.Second, Doubt: doubt}
				case item.Seq == 0:
					return pipeline.Outcome{State: pipeline.Done}, nil
				}
				<-quiet
				return pipeline.Outcome{}, pipeline.ErrReleased
			}),
		})
		time.AfterFunc(5*time.Second, doStop)
		require.ErrorIs(t, e.Run(t.Context(), stop), pipeline.ErrStopped)
		var kept []int64
		for _, c := range sink.claims {
			kept = append(kept, c.From)
			assert.Equal(t, c.From+1, c.To)
			assert.Equal(t, since, c.At)
		}
		assert.ElementsMatch(t, []int64{1, 2, 3}, kept)
		assert.Len(t, sink.outcomes, 1)
	})
}

func TestClaimsAreDatedByTheClockOfTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		theirs := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(10, sink), Sink: sink, Clock: func() time.Time { return theirs },
			Worker: pipeline.WorkerFunc(func(context.Context, pipeline.Item) (pipeline.Outcome, error) {
				return pipeline.Outcome{State: pipeline.Done}, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
		require.NotEmpty(t, sink.claims)
		assert.Equal(t, theirs, sink.claims[0].At)
	})
}

// Whatever is lost and whenever the run is stopped, an item in doubt that is
// looked for before it is called again is accepted once.
func TestWhatIsLookedForBeforeItIsCalledAgainIsAcceptedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Int64Range(1, 200).Draw(rt, "items")
		inFlight := rapid.IntRange(1, 8).Draw(rt, "in flight")
		chunk := rapid.IntRange(1, 40).Draw(rt, "chunk")
		lost := rapid.Float64Range(0, 0.6).Draw(rt, "share of answers lost")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			accepted := map[int64]int{}
			draw := func() float64 { mu.Lock(); defer mu.Unlock(); return rnd.Float64() }
			sink := newMemory()
			worker := func(quiet chan struct{}) pipeline.WorkerFunc {
				return func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
					mu.Lock()
					found := accepted[item.Seq] > 0
					mu.Unlock()
					if item.Doubt != nil && found {
						return pipeline.Outcome{State: pipeline.Done}, nil
					}
					select {
					case <-time.After(time.Duration(draw()*10) * time.Millisecond):
					case <-quiet:
						return pipeline.Outcome{}, pipeline.ErrReleased
					}
					if draw() < 0.5 { // the server takes it before or after its answer is lost
						mu.Lock()
						accepted[item.Seq]++
						mu.Unlock()
						if draw() >= lost {
							return pipeline.Outcome{State: pipeline.Done}, nil
						}
					}
					return pipeline.Outcome{}, &pipeline.Deferred{For: 20 * time.Millisecond}
				}
			}
			for run := 0; ; run++ {
				require.Less(t, run, 1000)
				stop, doStop := context.WithCancel(t.Context())
				quiet := make(chan struct{})
				e := pipeline.New(pipeline.Options{
					Source: snapshotRows(n, sink), Sink: sink, InFlight: inFlight, Chunk: chunk,
					Mark: sink.mark, Settled: sink.settledBeyond(),
					Quiet: func() { close(quiet) }, Worker: worker(quiet),
				})
				if run < 20 {
					time.AfterFunc(time.Duration(draw()*200)*time.Millisecond, doStop)
				}
				err := e.Run(t.Context(), stop)
				doStop()
				if err == nil {
					break
				}
				require.ErrorIs(t, err, pipeline.ErrStopped)
			}
			require.EqualValues(t, n, sink.mark)
			for seq := range n {
				require.Equal(t, 1, accepted[seq], "item %d", seq)
			}
		})
	})
}
