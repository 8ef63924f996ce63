package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

func TestAGroupIsWhatIsToDoOfABlock(t *testing.T) {
	for _, c := range []struct {
		name   string
		blocks blocks
		chunk  int
		groups [][]int64
	}{
		{"an input that ends with a block", newBlocks(8, 4), 0, [][]int64{{0, 1, 2, 3}, {4, 5, 6, 7}}},
		{"one that ends within", newBlocks(10, 4), 0, [][]int64{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}},
		{"a chunk smaller than a block", newBlocks(10, 4), 1, [][]int64{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}},
		{"a chunk of a block and a half", newBlocks(10, 4), 6, [][]int64{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}},
		{"an input smaller than a block", newBlocks(2, 4), 0, [][]int64{{0, 1}}},
		{"no input", newBlocks(0, 4), 0, nil},
		{"fates at the ends of blocks", newBlocks(12, 4, 0, 7, 8, 11), 4, [][]int64{{1, 2, 3}, {4, 5, 6}, {9, 10}}},
		{"a fate within", newBlocks(8, 4, 2), 1, [][]int64{{0, 1, 3}, {4, 5, 6, 7}}},
		{"fates in a whole block", newBlocks(12, 4, 4, 5, 6, 7), 1, [][]int64{{0, 1, 2, 3}, {8, 9, 10, 11}}},
		{"all fates but one", newBlocks(12, 4, 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11), 1, [][]int64{{6}}},
		{"all fates", newBlocks(4, 4, 0, 1, 2, 3), 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var groups [][]int64
			options := c.blocks.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
				groups = append(groups, seqsOf(items))
				return doneAll(items), nil
			})
			options.InFlight, options.Chunk = 1, c.chunk
			e := pipeline.New(options)
			require.NoError(t, e.Run(t.Context(), t.Context()))
			assert.Equal(t, c.groups, groups)
			assert.EqualValues(t, c.blocks.n, c.blocks.mark)
			for seq, o := range c.blocks.outcomes {
				assert.Equal(t, c.blocks.fated(seq), o.State == pipeline.Skipped)
				assert.True(t, c.blocks.fated(seq) || o.Key == fmt.Sprint(seq), "an outcome has the key of its item")
			}
		})
	}
}

func TestSettledItemsCutNoBlockHoweverMany(t *testing.T) {
	for _, size := range []int64{2, 1000, 3000, 6000} {
		t.Run(fmt.Sprint("blocks of ", size), func(t *testing.T) {
			toDo := []int64{100, 2999, 4094, 4095, 4096, 4097, 8191, 8192, 20_000}
			b := blocks{newMemory(), 30_000, size, func(seq int64) bool { return !slices.Contains(toDo, seq) }}
			var called []int64
			options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
				assert.Equal(t, b.toDo(items[0].Seq), seqsOf(items))
				called = append(called, seqsOf(items)...)
				return doneAll(items), nil
			})
			options.InFlight = 1
			require.NoError(t, pipeline.New(options).Run(t.Context(), t.Context()))
			assert.Equal(t, toDo, called)
			assert.EqualValues(t, 30_000, b.mark)
			assert.Less(t, b.commits, 40)
		})
	}
}

// settledRows are settled, a million of them.
type settledRows struct{ drawn int64 }

func (s *settledRows) Next(context.Context) (pipeline.Item, error) {
	if s.drawn == 1_000_000 {
		return pipeline.Item{}, errors.New("all were drawn")
	}
	s.drawn++
	return pipeline.Item{Seq: s.drawn - 1, Settled: &pipeline.Outcome{Seq: s.drawn - 1, State: pipeline.Skipped}}, nil
}

func TestAMillionSettledItemsWaitInTheSourceForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		sink.latency = func() time.Duration { return time.Hour }
		source := &settledRows{}
		stop, doStop := context.WithCancel(t.Context())
		e := pipeline.New(pipeline.Options{Source: source, Sink: sink, Worker: grouped(nil), Group: 1000})
		ended := make(chan error)
		go func() { ended <- e.Run(t.Context(), stop) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Less(t, source.drawn, int64(30_000))
		doStop()
		require.ErrorIs(t, <-ended, pipeline.ErrStopped)
	})
}

func TestAGroupInDoubtWaitsAndComesBackWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlocks(100, 10, 31, 95)
		began := time.Now()
		var e *pipeline.Engine
		var back []int64
		options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
			first := items[0].Seq
			assert.Equal(t, b.toDo(first), seqsOf(items))
			if first%20 == 10 && items[0].Doubt == nil { // the later the group, the sooner it is due
				return nil, &pipeline.Deferred{For: time.Duration(100-first) * time.Second, Doubt: pipeline.Doubt{Calls: 7}}
			}
			if first%20 == 10 {
				for _, item := range items {
					assert.Equal(t, 7, item.Doubt.Calls, "what was known of the group comes back with every item")
				}
				assert.Equal(t, time.Duration(100-first)*time.Second, time.Since(began).Round(time.Second))
				back = append(back, first)
			} else {
				assert.Less(t, time.Since(began), time.Second, "the only worker is not kept waiting")
			}
			return doneAll(items), nil
		})
		options.InFlight, options.RunAhead = 1, 1000
		e = pipeline.New(options)
		time.AfterFunc(5*time.Second, func() { assert.Equal(t, 48, e.Counts().Waiting, "items, not groups") })
		require.NoError(t, e.Run(t.Context(), t.Context()))
		assert.Equal(t, []int64{90, 70, 50, 30, 10}, back)
		assert.EqualValues(t, 100, b.mark)
		assert.Zero(t, e.Counts().Waiting)
	})
}

func TestAGroupThatWaitsDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlocks(30, 10)
		var groups []int64
		options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
			groups = append(groups, items[0].Seq)
			if len(groups) == 1 {
				return nil, &pipeline.Deferred{For: time.Second}
			}
			return doneAll(items), nil
		})
		options.InFlight, options.RunAhead = 1, 1 // which is less than a block
		require.NoError(t, pipeline.New(options).Run(t.Context(), t.Context()))
		assert.Equal(t, []int64{0, 10, 20, 0}, groups)
	})
}

func TestAStopLeavesGroupsWholeAndKeepsTheClaimsOfThoseInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlocks(60, 10, 5)
		since := time.Now().Add(-time.Minute).UTC()
		stop, doStop := context.WithCancel(t.Context())
		quiet := make(chan struct{})
		options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
			lost := &pipeline.Deferred{For: time.Hour, Doubt: pipeline.Doubt{Since: since}}
			switch items[0].Seq {
			case 0: // it waits when the stop comes
				return nil, lost
			case 10: // so does this, which was called later
				lost.Doubt.Since = since.Add(time.Second)
				return nil, lost
			case 20: // its answer is lost after the stop
				time.Sleep(10 * time.Second)
				return nil, lost
			case 30: // on the wire
				time.Sleep(10 * time.Second)
				return doneAll(items), nil
			}
			<-quiet
			return nil, pipeline.ErrReleased
		})
		options.InFlight, options.Quiet = 4, func() { close(quiet) }
		time.AfterFunc(5*time.Second, doStop)
		require.ErrorIs(t, pipeline.New(options).Run(t.Context(), stop), pipeline.ErrStopped)
		assert.Len(t, b.outcomes, 11, "a group and the item that has a fate")
		assert.ElementsMatch(t, []pipeline.Claim{
			{Range: pipeline.Range{From: 0, To: 5}, At: since},
			{Range: pipeline.Range{From: 6, To: 10}, At: since},
			{Range: pipeline.Range{From: 10, To: 20}, At: since.Add(time.Second)},
			{Range: pipeline.Range{From: 20, To: 30}, At: since},
		}, b.claims)
	})
}

func TestAnErrorOfAGroupLeavesAllOfItUnsettled(t *testing.T) {
	boom := errors.New("boom")
	b := newBlocks(100, 10)
	options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
		if items[0].Seq == 50 {
			return doneAll(items), boom
		}
		return doneAll(items), nil
	})
	require.ErrorIs(t, pipeline.New(options).Run(t.Context(), t.Context()), boom)
	assert.NotContains(t, b.outcomes, int64(50))
	assert.Empty(t, b.claims)
}

func TestOutcomesThatDoNotFitTheirGroupEndTheRunAndLeaveItInDoubt(t *testing.T) {
	for name, outcomes := range map[string]func(items []pipeline.Item) []pipeline.Outcome{
		"none":         func([]pipeline.Item) []pipeline.Outcome { return nil },
		"one missing":  func(items []pipeline.Item) []pipeline.Outcome { return doneAll(items[1:]) },
		"one too many": func(items []pipeline.Item) []pipeline.Outcome { return append(doneAll(items), pipeline.Outcome{}) },
		"items that follow": func(items []pipeline.Item) []pipeline.Outcome {
			all := doneAll(items)
			all[3].Follow = make([]pipeline.Item, 1)
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBlocks(100, 10)
			options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
				if items[0].Seq == 50 {
					return outcomes(items), nil
				}
				return doneAll(items), nil
			})
			err := pipeline.New(options).Run(t.Context(), t.Context())
			require.ErrorContains(t, err, "the worker ")
			require.NotErrorIs(t, err, pipeline.ErrStopped)
			assert.NotContains(t, b.outcomes, int64(50))
			assert.Equal(t, []pipeline.Claim{{Range: pipeline.Range{From: 50, To: 60}}}, b.claims, "what was called is not known")
		})
	}
}

func TestGroupsNeedAWorkerThatTakesThem(t *testing.T) {
	sink := newMemory()
	e := pipeline.New(pipeline.Options{
		Source: snapshotRows(10, sink), Sink: sink, Group: 2,
		Worker: pipeline.WorkerFunc(func(context.Context, pipeline.Item) (pipeline.Outcome, error) {
			t.Error("called")
			return pipeline.Outcome{}, nil
		}),
	})
	require.ErrorContains(t, e.Run(t.Context(), t.Context()), "groups of 2")
	assert.Zero(t, sink.commits)
}

func TestTheGuardSeesEveryOutcomeOfAGroupAndCutsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		b := newBlocks(100, 10)
		var seen []int64
		options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
			return doneAll(items), nil
		})
		options.InFlight = 1
		options.Guard = func(o pipeline.Outcome) error {
			seen = append(seen, o.Seq)
			if o.Seq == 13 {
				return boom
			}
			return nil
		}
		require.ErrorIs(t, pipeline.New(options).Run(t.Context(), t.Context()), boom)
		assert.Equal(t, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, seen)
		for seq := range int64(20) {
			assert.Contains(t, b.outcomes, seq)
		}
		assert.Empty(t, b.claims)
	})
}

func TestAGroupInACommitThatFailsIsTriedOnceMoreWhole(t *testing.T) {
	full := errors.New("no space left on device")
	for fails := 1; fails <= 10; fails++ {
		synctest.Test(t, func(t *testing.T) {
			b := newBlocks(100, 10, 33)
			b.fail = func(n int) error {
				if n == fails {
					return full
				}
				return nil
			}
			var mu sync.Mutex
			var called []int64
			options := b.options(func(_ context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
				time.Sleep(time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				called = append(called, seqsOf(items)...)
				return doneAll(items), nil
			})
			require.ErrorIs(t, pipeline.New(options).Run(t.Context(), t.Context()), full)
			for _, seq := range called {
				assert.Contains(t, b.outcomes, seq, "a call that came back is a fact")
			}
			assert.Less(t, len(called), 99)
			assert.Empty(t, b.claims)
		})
	}
}
