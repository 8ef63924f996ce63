package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"convbatch/pipeline"
)

// Commit implements Sink: what a commit holds is a step, or two.
func (s *staged) Commit(_ context.Context, c pipeline.Commit) error {
	time.Sleep(s.upTo(20))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errDead
	}
	if c.Release && s.world.completed() {
		return nil // the stop came too late
	}
	var rows seqs
	for _, o := range c.Outcomes {
		rows.add(seq(int(o.Seq)))
	}
	switch {
	case c.Release:
		s.take("Release", rows)
	case rows != 0:
		s.take("Commit", rows)
	}
	if c.Claim != nil {
		s.take("Claim", s.world.unsettled(c.Claim.Range))
	}
	s.compare(c)
	if err := s.mayEnd(); err != nil || !c.Release {
		return err
	}
	s.take("releaseJournal", 0)
	return s.mayEnd()
}

// compare holds what the engine commits against what the model has then.
func (s *staged) compare(c pipeline.Commit) {
	states := [...]pipeline.State{open: "", done: pipeline.Done, failed: pipeline.Failed, inDoubt: pipeline.InDoubt}
	for _, o := range c.Outcomes {
		if want := states[s.world.outcome[o.Seq]]; o.State != want {
			s.fail(fmt.Sprintf("the engine says that row %d is %s, not %s", o.Seq, o.State, want))
		}
	}
	if c.Mark != int64(s.world.mark) {
		s.fail(fmt.Sprintf("the engine's mark is %d, not %d", c.Mark, s.world.mark))
	}
	if c.Release {
		claimed := s.inherited // which the ledger keeps by itself
		for _, claim := range c.InDoubt {
			claimed.add(s.world.unsettled(claim.Range))
		}
		claimed &= s.world.unsettled(pipeline.Range{To: modelRows})
		if claimed != s.world.claimed {
			s.fail(fmt.Sprintf("the engine leaves in doubt %q, not %q", claimed, s.world.claimed))
		}
	}
}

// unsettled returns the rows of a range that have no outcome on disk.
func (w *world) unsettled(in pipeline.Range) (rows seqs) {
	for r := range modelRows {
		if in.Contains(int64(r)) && w.outcome[r] == open {
			rows.add(seq(r))
		}
	}
	return rows
}

// do is an effect of the process; the error says that it is dead.
func (s *staged) do(name string, r int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.effect(name, r)
}

func (s *staged) effect(name string, r int) error {
	if s.dead {
		return errDead
	}
	s.take(name, seq(r))
	return s.mayEnd()
}

// take makes a step of the model, if it is one.
func (s *staged) take(name string, rows seqs) {
	taken := false
	s.next(s.world, func(next step, w world) {
		if !taken && next.name == name && next.rows == rows {
			taken = true
			s.move(next, w)
		}
	})
	if !taken {
		s.fail(fmt.Sprintf("%s %v is no step of the model", name, rows))
	}
}

// move goes to the next world, and lets the API do there what it has to do.
func (s *staged) move(taken step, w world) {
	before := s.world
	s.world = w
	s.taken = append(s.taken, taken.String())
	for r := range modelRows {
		if w.underway[r] > before.underway[r] {
			s.later(s.pick("request vanishes", "request is accepted late"), r)
		}
		if w.accepted.has(r) && !before.accepted.has(r) {
			s.later("message is listed", r)
		}
	}
}

// later is what the API does by itself; it does not die with the process.
func (s *staged) later(name string, r int) {
	time.AfterFunc(s.within(40), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.take(name, seq(r))
	})
}

// mayEnd ends the process when it is time to; the error says that it is dead.
func (s *staged) mayEnd() error {
	if s.wrong == nil && len(s.taken) >= s.after && s.ended < mostEnds && !s.world.completed() {
		s.ended++
		s.after = len(s.taken) + 1 + s.rnd.IntN(20)
		if s.how == "stop" {
			s.ask()
		} else {
			s.take(s.how, 0)
			s.dead = true
			s.kill()
		}
	}
	if s.dead {
		return errDead
	}
	return nil
}

func (s *staged) fail(why string) {
	if s.wrong != nil {
		return
	}
	s.wrong = fmt.Errorf("%s, after\n%s", why, strings.Join(s.taken, "\n"))
	s.dead = true
	s.kill()
}

func (s *staged) upTo(milliseconds int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.within(milliseconds)
}

func (s *staged) within(milliseconds int) time.Duration {
	return time.Duration(s.rnd.IntN(milliseconds)) * time.Millisecond
}

func (s *staged) oneOf(of ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pick(of...)
}

func (s *staged) pick(of ...string) string { return of[s.rnd.IntN(len(of))] }
