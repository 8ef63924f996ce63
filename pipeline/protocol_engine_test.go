package pipeline_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// TestTheEngineDoesNothingThatTheModelDoesNot lets the engine send the three
// rows of the model, ends it after each of its steps in each way that it can
// end, and resumes it. Whatever it does has to be a step of the model.
func TestTheEngineDoesNothingThatTheModelDoesNot(t *testing.T) {
	t.Parallel()
	runs, ends, steps := 0, 0, 0
	for seed := range uint64(40) {
		for _, how := range []string{"death", "power cut", "stop"} {
			for after, over := 1, false; !over; after++ {
				s := &staged{
					model: model{reconcile: seed%2 == 0, losses: 255, ends: 255},
					how:   how, after: after, rnd: rand.New(rand.NewPCG(seed, uint64(after))),
				}
				synctest.Test(t, s.run)
				require.NoError(t, s.wrong, "seed %d, %s after %d steps", seed, how, after)
				over = s.ended == 0
				runs, ends, steps = runs+1, ends+s.ended, steps+len(s.taken)
			}
		}
	}
	t.Logf("%d steps of %d runs, ended %d times", steps, runs, ends)
}

const (
	reconcileAfter = 100 * time.Millisecond // the API of the stage takes less
	mostEnds       = 3
)

var errDead = errors.New("the process is dead")

// staged is an engine on a stage: its disk and the API are a world of the
// model, and each of its effects is looked up among the next steps there.
type staged struct {
	model
	how   string // it ends: death, power cut or stop
	after int    // steps

	mu        sync.Mutex
	world     world
	taken     []string
	rnd       *rand.Rand
	inherited seqs               // in doubt since the process began
	kill, ask context.CancelFunc // of the process that runs
	dead      bool               // nothing that it does counts any longer
	ended     int
	wrong     error
}

// run resumes until the run is completed.
func (s *staged) run(t *testing.T) {
	for {
		ctx, kill := context.WithCancel(t.Context())
		stop, ask := context.WithCancel(t.Context())
		s.mu.Lock()
		s.kill, s.ask, s.dead = kill, ask, false
		e := s.start()
		s.mu.Unlock()
		err := e.Run(ctx, stop)
		s.mu.Lock()
		switch {
		case s.dead:
		case err == nil && !s.world.completed():
			s.fail("the engine says that the run is over")
		case err != nil && stop.Err() == nil:
			s.fail("nobody asked the engine to stop, but: " + err.Error())
		}
		over := s.world.completed() || s.wrong != nil
		s.mu.Unlock()
		kill()
		ask()
		if over {
			return
		}
	}
}

// start returns an engine that goes on from the disk.
func (s *staged) start() *pipeline.Engine {
	s.model.start(s.world, 0, s.move)
	p := &s.world.process[0]
	s.inherited = p.doubt
	var items list
	var settled []pipeline.Range
	for r := range modelRows {
		item := pipeline.Item{Seq: int64(r)}
		if p.doubt.has(r) {
			item.Doubt = &pipeline.Doubt{}
		}
		if p.phase[r] == pending {
			items = append(items, item)
		} else {
			settled = append(settled, pipeline.Range{From: item.Seq, To: item.Seq + 1})
		}
	}
	quiet := make(chan struct{})
	return pipeline.New(pipeline.Options{
		Source: &items, Sink: s, InFlight: 1 + s.rnd.IntN(modelRows), Chunk: modelChunk,
		Mark: int64(s.world.mark), Settled: settled, CommitEvery: s.within(20), Grace: s.within(60),
		Quiet: func() { close(quiet) },
		Worker: pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
			state, err := s.work(ctx, quiet, int(item.Seq), item.Doubt)
			return pipeline.Outcome{State: state}, err
		}),
	})
}

// work is that of a worker which looks for rows in doubt, or holds them.
func (s *staged) work(ctx context.Context, quiet chan struct{}, r int, doubt *pipeline.Doubt) (pipeline.State, error) {
	switch {
	case doubt == nil:
	case !s.reconcile:
		return pipeline.InDoubt, s.do("hold", r)
	case doubt.Looks == 0: // the call was that of a process before this one
		return "", cmp.Or(s.do("Deferred", r), wait())
	default:
		if answer, err := s.look(r); answer == "found" || err != nil {
			return pipeline.Done, err
		}
	}
	for noted := doubt != nil; ; noted = true {
		select {
		case <-time.After(s.upTo(10)): // the limiter
		case <-quiet:
			return "", pipeline.ErrReleased
		}
		if !noted {
			if err := s.do("Sending", r); err != nil {
				return "", err
			}
		}
		switch answer, err := s.call(ctx, r); {
		case err != nil:
			return "", err
		case answer == "answer: done":
			return pipeline.Done, nil
		case answer == "answer: failed":
			return pipeline.Failed, nil
		case answer == "answer is lost" && s.reconcile:
			return "", wait()
		case answer == "answer is lost":
			return pipeline.InDoubt, nil
		}
	}
}

// wait leaves a row in doubt for later; its Looks tell that it has waited.
func wait() error {
	return &pipeline.Deferred{For: reconcileAfter, Doubt: pipeline.Doubt{Looks: 1}}
}

// look looks for a row in doubt in the list of messages.
func (s *staged) look(r int) (answer string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer = "absent"
	if s.world.listed.has(r) {
		answer = "found"
	}
	return answer, s.effect(answer, r)
}

// call is a call and what the API makes of it.
func (s *staged) call(ctx context.Context, r int) (answer string, err error) {
	if err := s.do("Call", r); err != nil {
		return "", err
	}
	answer = s.oneOf("answer: done", "answer: done", "answer: failed", "answer: not processed", "answer is lost")
	if !s.onTheWire(ctx) {
		answer = "answer is lost"
	} else if answer == "answer: done" {
		if err := s.do("request is accepted", r); err != nil {
			return "", err
		}
		answer = s.oneOf("answer: done", "answer: done", "answer is lost")
		if !s.onTheWire(ctx) {
			answer = "answer is lost"
		}
	}
	return answer, s.do(answer, r)
}

// onTheWire takes its time, and says whether the call was not cut off.
func (s *staged) onTheWire(ctx context.Context) bool {
	select {
	case <-time.After(s.upTo(40)):
		return true
	case <-ctx.Done():
		return false
	}
}
