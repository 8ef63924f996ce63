package pipeline_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"convbatch/pipeline"
)

// groupStage is an API that takes a group in one call, and what stands between
// it and a process: answers that are lost, stops and deaths.
type groupStage struct {
	blocks
	mu       sync.Mutex
	rnd      *rand.Rand
	lost     float64 // share of the calls whose answer is lost
	noted    map[int64]bool
	accepted map[int64]int
	quiet    chan struct{}
	dead     bool // nothing that the process does reaches the disk any more
	cut      bool // a block came as another group than it was
}

// note is what is done before a call; the process may die over it.
func (s *groupStage) note(seqs []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range seqs {
		if s.dead = s.dead || s.rnd.Float64() < 0.005; s.dead {
			return errDead
		}
		s.noted[seq] = true
	}
	return nil
}

// accept is what the API does with a call.
func (s *groupStage) accept(seqs []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range seqs {
		s.accepted[seq]++
	}
}

// missing are the items that are in no message of the API.
func (s *groupStage) missing(items []pipeline.Item) (seqs []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		if s.accepted[item.Seq] == 0 {
			seqs = append(seqs, item.Seq)
		}
	}
	return seqs
}

func (s *groupStage) draw() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.Float64()
}

func (s *groupStage) upTo(d time.Duration) time.Duration {
	return time.Duration(s.draw() * float64(d))
}

// start yields what is left; the journal knows which of the claimed items were
// about to be sent.
func (s *groupStage) start() *list {
	l := s.source()
	for i := range *l {
		if item := &(*l)[i]; !s.noted[item.Seq] {
			item.Doubt = nil
		}
	}
	return l
}

// work looks for what is in doubt, and calls with the items of the group that
// were not accepted.
func (s *groupStage) work(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	if !slices.Equal(s.toDo(items[0].Seq), seqsOf(items)) {
		s.mu.Lock()
		s.cut = true
		s.mu.Unlock()
	}
	select { // waits for permission
	case <-time.After(s.upTo(10 * time.Millisecond)):
	case <-s.quiet:
		return nil, pipeline.ErrReleased
	}
	call := seqsOf(items)
	if slices.ContainsFunc(items, func(item pipeline.Item) bool { return item.Doubt != nil }) {
		call = s.missing(items)
	}
	if err := s.note(call); err != nil {
		return nil, err
	}
	if s.draw() >= s.lost/2 {
		s.accept(call)
	}
	select { // on the wire
	case <-time.After(s.upTo(40 * time.Millisecond)):
	case <-ctx.Done():
		return nil, &pipeline.Deferred{}
	}
	if len(s.missing(items)) > 0 || s.draw() < s.lost/2 {
		return nil, &pipeline.Deferred{For: 20 * time.Millisecond}
	}
	return doneAll(items), nil
}

// run is one process. It dies at a commit, after which nothing reaches the
// disk any more; or is stopped, or comes to the end.
func (s *groupStage) run(t *testing.T, inFlight, chunk, diesAt int) error {
	s.quiet, s.dead = make(chan struct{}), false
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop, doStop := context.WithCancel(t.Context())
	defer doStop()
	first := s.commits
	s.fail = func(n int) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dead = s.dead || diesAt > 0 && n-first >= diesAt; s.dead {
			return errDead
		}
		return nil
	}
	options := s.options(s.work)
	options.Source, options.InFlight, options.Chunk = s.start(), inFlight, chunk
	options.Quiet, options.Grace = func() { close(s.quiet) }, 30*time.Millisecond
	if diesAt > 0 {
		time.AfterFunc(s.upTo(400*time.Millisecond), doStop)
		time.AfterFunc(s.upTo(800*time.Millisecond), cancel)
	}
	return pipeline.New(options).Run(ctx, stop)
}

// Whatever is lost, and at whichever commit a process dies: a block comes back
// as the group that it was, is settled whole or not at all, and what is looked
// for before it is called again is accepted once.
func TestWhereverARunOfGroupsDiesEachItemIsAcceptedOnceAndStoredOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Int64Range(0, 300).Draw(rt, "items")
		size := rapid.Int64Range(2, 40).Draw(rt, "size of a block")
		inFlight := rapid.IntRange(1, 6).Draw(rt, "in flight")
		chunk := rapid.IntRange(1, 100).Draw(rt, "chunk")
		fates := rapid.Float64Range(0, 1).Draw(rt, "share of items with a fate")
		lost := rapid.Float64Range(0, 0.8).Draw(rt, "share of answers lost")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			s := &groupStage{rnd: rand.New(rand.NewPCG(seed, 0)), lost: lost, noted: map[int64]bool{}, accepted: map[int64]int{}}
			fated := map[int64]bool{}
			for seq := range n {
				fated[seq] = s.rnd.Float64() < fates
			}
			s.blocks = blocks{newMemory(), n, size, func(seq int64) bool { return fated[seq] }}
			s.latency = func() time.Duration { return s.upTo(20 * time.Millisecond) }
			var err error
			for run := 1; run == 1 || err != nil; run++ {
				require.Less(t, run, 1000)
				diesAt := 0
				if run < 20 {
					diesAt = 1 + int(s.draw()*30)
				}
				err = s.run(t, inFlight, chunk, diesAt)
				require.False(t, s.cut)
				if err != nil && !errors.Is(err, errDead) {
					require.ErrorIs(t, err, pipeline.ErrStopped)
				}
				for seq := range n {
					for _, other := range s.toDo(seq) {
						_, one := s.outcomes[seq]
						_, both := s.outcomes[other]
						require.True(t, fated[seq] || one == both, "item %d is settled: %t, item %d of its block: %t", seq, one, other, both)
					}
				}
			}
			require.EqualValues(t, n, s.mark)
			require.Len(t, s.outcomes, int(n))
			for seq := range n {
				want := 1
				if fated[seq] {
					want = 0
				}
				require.Equal(t, want, s.accepted[seq], "item %d", seq)
			}
		})
	})
}
