package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"convbatch/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryItemIsSettledOnceAndInOneState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(1000, sink), Sink: sink, InFlight: 16, Chunk: 50,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				time.Sleep(time.Duration(item.Seq%7) * time.Millisecond)
				if item.Seq%10 == 0 {
					return pipeline.Outcome{State: pipeline.Failed, Error: "no"}, nil
				}
				return pipeline.Outcome{State: pipeline.Done, Error: "but yes"}, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
		assert.Len(t, sink.outcomes, 1000)
		assert.EqualValues(t, 1000, sink.mark)
		assert.EqualValues(t, 100, e.Counts().States[pipeline.Failed])
		assert.EqualValues(t, 900, e.Counts().States[pipeline.Done])
		assert.Equal(t, "no", e.Counts().LastError)
	})
}

func TestNothingIsWorkedOnBeforeItsClaimIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		sink.latency = func() time.Duration { return 5 * time.Millisecond }
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(500, sink), Sink: sink, InFlight: 8, Chunk: 20,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				if !sink.claimed(item.Seq) {
					return pipeline.Outcome{}, fmt.Errorf("item %d has no claim", item.Seq)
				}
				return pipeline.Outcome{State: pipeline.Done}, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
	})
}

// tidying is a sink that has something left to do when a commit is on disk.
type tidying struct {
	*memory
	left time.Duration
	busy bool
}

func (s *tidying) Commit(ctx context.Context, c pipeline.Commit) error {
	if s.busy {
		return errors.New("the commit before has not returned")
	}
	if err := s.memory.Commit(ctx, c); err != nil {
		return err
	}
	s.busy = true
	c.Durable()
	time.Sleep(s.left)
	s.busy = false
	return nil
}

func TestWorkGoesOnWhenItsClaimIsOnDiskThoughTheSinkIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, began := &tidying{memory: newMemory(), left: time.Hour}, time.Now()
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(8, sink.memory), Sink: sink, InFlight: 8, Chunk: 8,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				assert.Zero(t, time.Since(began))
				return pipeline.Outcome{State: pipeline.Done}, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
		assert.Equal(t, 2*time.Hour, time.Since(began), "the run has ended when the sink is ready")
		assert.Len(t, sink.outcomes, 8)
	})
}

func TestSettledItemsAreRecordedAndNeverWorkedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		var items list
		for i := range int64(10_000) {
			it := pipeline.Item{Seq: i}
			if i != 7777 {
				it.Settled = &pipeline.Outcome{Seq: i, State: pipeline.Skipped}
			}
			items = append(items, it)
		}
		var worked []int64
		e := pipeline.New(pipeline.Options{
			Source: &items, Sink: sink, Chunk: 10,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				worked = append(worked, item.Seq)
				return pipeline.Outcome{State: pipeline.Done}, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
		assert.Equal(t, []int64{7777}, worked)
		assert.EqualValues(t, 10_000, sink.mark)
		assert.Less(t, sink.commits, 20, "settled rows travel in large commits whatever the chunk")
	})
}

func TestAnItemMayGiveRiseToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		items := list{{Seq: 0, Data: 4}, {Seq: 1, Data: 2}}
		e := pipeline.New(pipeline.Options{
			Source: &items, Sink: sink, InFlight: 3, Idempotent: true, Next: 2, RunAhead: -1,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				out := pipeline.Outcome{State: pipeline.Done, Records: make([]pipeline.Record, 1)}
				if n := item.Data.(int); n > 0 {
					out.Follow = []pipeline.Item{{Data: n - 1}}
				}
				return out, nil
			}),
		})
		require.NoError(t, e.Run(t.Context(), t.Context()))
		assert.Len(t, sink.outcomes, 8)
		assert.Len(t, sink.items, 6)
		assert.EqualValues(t, 8, sink.mark)
		assert.EqualValues(t, 8, e.Counts().Records)
		assert.Empty(t, sink.claims)
	})
}

func TestASlowItemHoldsTheMarkAndBoundsTheRunAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		release := make(chan struct{})
		var mu sync.Mutex
		var furthest int64
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(5000, sink), Sink: sink, InFlight: 4, Chunk: 10, RunAhead: 100,
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				mu.Lock()
				furthest = max(furthest, item.Seq)
				mu.Unlock()
				if item.Seq == 3 {
					<-release
				}
				return pipeline.Outcome{State: pipeline.Done}, nil
			}),
		})
		done := make(chan error)
		go func() { done <- e.Run(t.Context(), t.Context()) }()
		synctest.Wait()
		time.Sleep(time.Second)
		mu.Lock()
		assert.Less(t, furthest, int64(103))
		mu.Unlock()
		assert.EqualValues(t, 3, e.Counts().Mark)
		close(release)
		require.NoError(t, <-done)
		assert.EqualValues(t, 5000, sink.mark)
	})
}

func TestAStopLetsCallsFinishAndReleasesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		stop, doStop := context.WithCancel(t.Context())
		quiet := make(chan struct{})
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(1000, sink), Sink: sink, InFlight: 4, Chunk: 100,
			Quiet: func() { close(quiet) },
			Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				if item.Seq%2 == 0 {
					time.Sleep(10 * time.Second) // on the wire
					return pipeline.Outcome{State: pipeline.Done}, nil
				}
				<-quiet // waits for permission
				return pipeline.Outcome{}, pipeline.ErrReleased
			}),
		})
		time.AfterFunc(15*time.Second, doStop)
		require.ErrorIs(t, e.Run(t.Context(), stop), pipeline.ErrStopped)
		assert.Empty(t, sink.claims, "no claim outlives an orderly stop")
		for seq, o := range sink.outcomes {
			assert.Zero(t, seq%2, "item %d was released", seq)
			assert.Equal(t, pipeline.Done, o.State)
		}
		assert.NotEmpty(t, sink.outcomes)
	})
}

func TestTheGraceEndsAndAHardStopDoesNotWaitForIt(t *testing.T) {
	for name, hard := range map[string]bool{"grace over": false, "second signal": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := newMemory()
				ctx, cancel := context.WithCancel(t.Context())
				stop, doStop := context.WithCancel(t.Context())
				began := time.Now()
				e := pipeline.New(pipeline.Options{
					Source: snapshotRows(10, sink), Sink: sink, InFlight: 2, Grace: 30 * time.Second,
					Worker: pipeline.WorkerFunc(func(ctx context.Context, _ pipeline.Item) (pipeline.Outcome, error) {
						<-ctx.Done() // a call that hangs
						return pipeline.Outcome{State: pipeline.InDoubt, Error: context.Cause(ctx).Error()}, nil
					}),
				})
				time.AfterFunc(time.Second, doStop)
				if hard {
					time.AfterFunc(2*time.Second, cancel)
				}
				require.ErrorIs(t, e.Run(ctx, stop), pipeline.ErrStopped)
				assert.Len(t, sink.outcomes, 2, "what the hard stop cut off is kept as in doubt")
				want := 31 * time.Second
				if hard {
					want = 2 * time.Second
				}
				assert.Equal(t, want, time.Since(began))
				cancel()
			})
		})
	}
}

func TestAGuardAWorkerOrASourceEndsTheRunAndTheRestStaysPending(t *testing.T) {
	boom := errors.New("boom")
	cases := map[string]func(o *pipeline.Options){
		"guard": func(o *pipeline.Options) {
			o.Guard = func(out pipeline.Outcome) error {
				if out.Seq == 20 {
					return boom
				}
				return nil
			}
		},
		"worker": func(o *pipeline.Options) {
			next := o.Worker
			o.Worker = pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				if item.Seq == 20 {
					return pipeline.Outcome{}, boom
				}
				return next.Do(ctx, item)
			})
		},
		"source": func(o *pipeline.Options) { o.Source = &broken{Source: o.Source, after: 20, err: boom} },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := newMemory()
				o := pipeline.Options{
					Source: snapshotRows(1000, sink), Sink: sink, InFlight: 4, Chunk: 10,
					Worker: pipeline.WorkerFunc(func(context.Context, pipeline.Item) (pipeline.Outcome, error) {
						return pipeline.Outcome{State: pipeline.Done}, nil
					}),
				}
				change(&o)
				require.ErrorIs(t, pipeline.New(o).Run(t.Context(), t.Context()), boom)
				assert.Less(t, len(sink.outcomes), 1000)
				assert.Empty(t, sink.claims)
			})
		})
	}
}

type broken struct {
	pipeline.Source
	after int
	err   error
}

func (b *broken) Next(ctx context.Context) (pipeline.Item, error) {
	if b.after == 0 {
		return pipeline.Item{}, b.err
	}
	b.after--
	return b.Source.Next(ctx)
}

func TestOutcomesOfAFailedCommitAreTriedOnceMoreAndNothingNewIsSent(t *testing.T) {
	full := errors.New("no space left on device")
	for name, persistent := range map[string]bool{"space comes back": false, "disk stays full": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := newMemory()
				sink.fail = func(n int) error {
					if n == 5 || persistent && n > 5 {
						return full
					}
					return nil
				}
				var mu sync.Mutex
				called := map[int64]int{}
				e := pipeline.New(pipeline.Options{
					Source: snapshotRows(1000, sink), Sink: sink, InFlight: 4, Chunk: 10,
					Worker: pipeline.WorkerFunc(func(_ context.Context, item pipeline.Item) (pipeline.Outcome, error) {
						time.Sleep(time.Millisecond)
						mu.Lock()
						called[item.Seq]++
						mu.Unlock()
						return pipeline.Outcome{State: pipeline.Done}, nil
					}),
				})
				err := e.Run(t.Context(), t.Context())
				require.ErrorIs(t, err, full)
				assert.Less(t, len(called), 100)
				for seq, n := range called {
					assert.Equal(t, 1, n)
					if !persistent {
						assert.Contains(t, sink.outcomes, seq, "a call that came back is a fact")
					} else if _, kept := sink.outcomes[seq]; !kept {
						assert.True(t, sink.claimed(seq), "what could not be written stays claimed, so it is in doubt")
					}
				}
			})
		})
	}
}

// The property that the whole tool stands on: whatever the latency, the
// failures and the moments of death, each item is called at most once unless a
// process died between, and settled exactly once.
func TestInterruptedAndResumedEachItemIsCalledOnceAndStoredOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Int64Range(0, 300).Draw(rt, "items")
		inFlight := rapid.IntRange(1, 12).Draw(rt, "in flight")
		chunk := rapid.IntRange(1, 40).Draw(rt, "chunk")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			random := func(n int) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(rnd.IntN(n)) * time.Millisecond
			}
			sink := newMemory()
			sink.latency = func() time.Duration { return random(20) }
			called := map[int64]int{}
			for run := 0; ; run++ {
				require.Less(t, run, 1000)
				ctx, cancel := context.WithCancel(context.Background())
				stop, doStop := context.WithCancel(context.Background())
				quiet := make(chan struct{})
				e := pipeline.New(pipeline.Options{
					Source: snapshotRows(n, sink), Sink: sink, InFlight: inFlight, Chunk: chunk,
					Mark: sink.mark, Settled: sink.settledBeyond(), Grace: 50 * time.Millisecond,
					Quiet: func() { close(quiet) },
					Worker: pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
						if item.Doubt != nil {
							return pipeline.Outcome{State: pipeline.InDoubt}, nil
						}
						select { // waits for permission
						case <-time.After(random(10)):
						case <-quiet:
							return pipeline.Outcome{}, pipeline.ErrReleased
						}
						mu.Lock()
						called[item.Seq]++
						mu.Unlock()
						select { // on the wire
						case <-time.After(random(80)):
							return pipeline.Outcome{State: pipeline.Done}, nil
						case <-ctx.Done():
							return pipeline.Outcome{State: pipeline.InDoubt}, nil
						}
					}),
				})
				if run < 20 {
					time.AfterFunc(random(400), doStop)
					time.AfterFunc(random(800), cancel)
				}
				err := e.Run(ctx, stop)
				cancel()
				doStop()
				if err == nil {
					break
				}
				require.ErrorIs(t, err, pipeline.ErrStopped)
				require.Empty(t, sink.claims)
			}
			require.EqualValues(t, n, sink.mark)
			require.Len(t, sink.outcomes, int(n))
			for seq := range n {
				require.Equal(t, 1, called[seq], "item %d", seq)
			}
		})
	})
}
