package pipeline_test

import (
	"fmt"
	"strings"
)

// The protocol by which rows are sent, as a state machine that is small enough
// to be walked whole: three rows, claimed two at a time, called as often as
// losses and deaths make it. Here is what there is to know about a moment and
// what must be true of it; the steps between two moments are in
// protocol_steps_test.go, and docs/RELIABILITY.md shows both as one picture.
const (
	modelRows  = 3
	modelChunk = 2
)

// world is everything there is at one moment.
type world struct {
	disk
	api
	process [2]process // the second only where the lock is left out
	losses  uint8      // calls so far that brought no outcome
	ends    uint8      // processes so far that died or stopped before the end of the run
}

// disk is what outlives a process: sinks.Ledger.
type disk struct {
	claimed seqs             // Commit.Claim, row by row
	journal seqs             // Ledger.Sending; it outlives the process, not the machine
	stale   bool             // the machine died since, so the journal is not believed
	outcome [modelRows]state // Commit.Outcomes
	again   seqs             // rows that were given a second outcome
	mark    uint8            // Commit.Mark
}

// api is the other side.
type api struct {
	underway [modelRows]uint8 // requests whose answer nobody waits for any longer
	accepted seqs
	twice    seqs // accepted more than once
	listed   seqs // what a list of messages shows
	deleted  seqs // what no list shows any more
}

// process is what dies with it: an Engine and its workers.
type process struct {
	life   life
	phase  [modelRows]phase
	brings [modelRows]state // the outcome of a row that is kept
	doubt  seqs             // rows whose Item.Doubt is not nil
}

// life is how far a process is.
type life uint8

const (
	down     life = iota
	running       // Engine.Run
	released      // the last commit of an orderly stop is made
)

// phase is where a row is, as a running process sees it.
type phase uint8

const (
	pending   phase = iota // to be claimed
	queued                 // claimed, waits for a worker
	sending                // noted, about to be called
	calling                // the request has left
	answering              // the API has accepted it, and the answer is on its way
	deferred               // in doubt, waits until it can be looked for
	kept                   // has an outcome, which waits for its Commit
	settled
)

// state is a State, or open where there is none.
type state uint8

const (
	open state = iota
	done
	failed
	inDoubt
)

// rule is what the promise rests on: a protection, which is ours, or an
// assumption about the API.
type rule string

const (
	claimFirst  rule = "a claim is on disk before the first call"
	noteFirst   rule = "a call is noted in the journal before it leaves"
	answerFirst rule = "an outcome is committed after the answer"
	markLast    rule = "the mark moves with the outcomes, not ahead of them"
	neverBlind  rule = "what may have been accepted is looked for before it is called again"
	patience    rule = "what is absent is called again only after reconcile_after"
	keepDoubt   rule = "an orderly stop keeps the claims of rows in doubt"
	oneProcess  rule = "the lock turns a second process down"
	sameBoot    rule = "the journal is believed only on the boot that wrote it"
	takeUp      rule = "a start takes up every row without an outcome, claimed or not"
	carryClaims rule = "what replaces a journal that is not believed has every claimed row"

	honestNo    rule = "an answer that says not processed is true"
	promptCalls rule = "a request takes effect within reconcile_after of its end, or never"
	promptLists rule = "a list shows what was accepted within reconcile_after"
	wholeLists  rule = "a list shows what was accepted as long as the run lasts"
)

// law is what must be true at every moment.
type law struct {
	says  string
	holds func(m model, w *world) bool
}

var (
	neverTwice = &law{"no row is accepted twice", func(_ model, w *world) bool { return w.twice == 0 }}
	oneOutcome = &law{"no row has two outcomes", func(_ model, w *world) bool { return w.again == 0 }}
	markBehind = &law{"every row below the mark is settled", eachRow(func(_ model, w *world, r int) bool {
		return r >= int(w.mark) || w.outcome[r] != open
	})}
	truthful = &law{"what is done was accepted, what failed was not", eachRow(func(_ model, w *world, r int) bool {
		return w.outcome[r] != done && w.outcome[r] != failed || w.accepted.has(r) == (w.outcome[r] == done)
	})}
	claimedBefore = &law{"nothing is called before its claim is on disk", eachRow(func(_ model, w *world, r int) bool {
		return !w.called(r) || w.outcome[r] != open || w.claimed.has(r)
	})}
	notedBefore = &law{"nothing is called that a start after a death would not know of", eachRow(func(_ model, w *world, r int) bool {
		return !w.called(r) || w.outcome[r] != open || w.stale || w.journal.has(r)
	})}
	noDoubtLeft = &law{"a run that is completed has found out about every row", eachRow(func(m model, w *world, r int) bool {
		return !m.reconcile || !w.completed() || w.outcome[r] != inDoubt
	})}
	laws = []*law{neverTwice, oneOutcome, markBehind, truthful, claimedBefore, notedBefore, noDoubtLeft}

	// neverLost is no law of a single moment: from each there has to be a way on.
	neverLost = &law{says: "the run can always be completed, with one outcome for each row"}
)

func eachRow(holds func(m model, w *world, r int) bool) func(model, *world) bool {
	return func(m model, w *world) bool {
		for r := range modelRows {
			if !holds(m, w, r) {
				return false
			}
		}
		return true
	}
}

// called says whether a row may have taken effect or still can.
func (w *world) called(r int) bool {
	return w.accepted.has(r) || w.underway[r] > 0 || w.process[0].phase[r] == calling || w.process[1].phase[r] == calling
}

// completed says that the run is over: the mark is at its end.
func (w *world) completed() bool { return w.mark == modelRows }

// in returns the rows that are in one of these phases.
func (p *process) in(phases ...phase) (s seqs) {
	for r := range modelRows {
		for _, at := range phases {
			if p.phase[r] == at {
				s.add(seq(r))
			}
		}
	}
	return s
}

// seqs is a set of rows.
type seqs uint8

func seq(r int) seqs          { return 1 << r }
func (s seqs) has(r int) bool { return s&seq(r) != 0 }
func (s *seqs) add(t seqs)    { *s |= t }
func (s *seqs) drop(t seqs)   { *s &^= t }

func (s seqs) String() string {
	var rows []string
	for r := range modelRows {
		if s.has(r) {
			rows = append(rows, fmt.Sprint(r))
		}
	}
	return strings.Join(rows, " ")
}
