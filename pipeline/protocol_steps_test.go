package pipeline_test

import (
	"fmt"
	"strings"
)

// model is the protocol, with bounds that make it finite.
type model struct {
	reconcile bool // in_doubt: reconcile, of an app that can be listed; else hold
	without   rule // which is left out; "" for none
	losses    uint8
	ends      uint8
}

// step is what happens between two worlds. What begins with a capital has the
// name of the engine, and the code that takes it is named where it is made;
// the rest is what the API, a wire or a machine does.
type step struct {
	name string
	rows seqs
	by   int // which process
}

func (s step) String() string {
	by := ""
	if s.by > 0 {
		by = "by a second process"
	}
	return strings.TrimRight(fmt.Sprintf("%-25s %-6v %s", s.name, s.rows, by), " ")
}

// next calls do with everything that can happen next. A transaction is one
// step, and so is a write of which a start finds all or nothing; between any
// two steps a process may die. What is not said to wait for something may
// happen in any order.
func (m model) next(w world, do func(step, world)) {
	m.requests(w, do)
	for i := range w.process {
		switch w.process[i].life {
		case down:
			m.start(w, i, do)
		case running:
			m.claim(w, i, do)
			for r := range modelRows {
				m.work(w, i, r, do)
			}
			m.commit(w, i, do)
			m.end(w, i, do)
		case released:
			m.releaseJournal(w, i, do)
			m.end(w, i, do)
		}
	}
}

// requests is what becomes of those that nobody waits for, and when lists show
// what was accepted.
func (m model) requests(w world, do func(step, world)) {
	for r := range modelRows {
		if w.underway[r] > 0 {
			n := w
			n.underway[r]--
			do(step{"request vanishes", seq(r), 0}, n)
			n.accept(r)
			do(step{"request is accepted late", seq(r), 0}, n)
		}
		if w.accepted.has(r) && !w.listed.has(r) && !w.deleted.has(r) {
			n := w
			n.listed.add(seq(r))
			do(step{"message is listed", seq(r), 0}, n)
		}
		if m.without == wholeLists && w.listed.has(r) {
			n := w
			n.listed.drop(seq(r))
			n.deleted.add(seq(r))
			do(step{"message is deleted", seq(r), 0}, n)
		}
	}
}

func (a *api) accept(r int) {
	a.twice.add(a.accepted & seq(r))
	a.accepted.add(seq(r))
}

// start is Ledger.Resume: rows without an outcome are to do, and in doubt are
// those that the journal has, or the claims where it is not believed.
func (m model) start(w world, i int, do func(step, world)) {
	second := w.process[0].life != down
	switch {
	case w.completed(), second != (i == 1):
		return
	case second && m.without != oneProcess:
		return // Store.Ledger returns a *LockedError
	}
	sent := w.journal
	if w.stale { // Ledger.openJournal
		sent = w.claimed
		w.journal, w.stale = w.claimed, false
		if m.without == carryClaims {
			w.journal = 0
		}
	}
	p := &w.process[i]
	p.life = running
	for r := range modelRows {
		if w.outcome[r] != open || r < int(w.mark) || m.without == takeUp && w.claimed.has(r) {
			p.phase[r] = settled
		} else {
			p.doubt.add(sent & seq(r))
		}
	}
	do(step{"Start", p.doubt, i}, w)
}

// claim is Engine.advance and the Commit that it submits: the next rows are
// queued when that is on disk.
func (m model) claim(w world, i int, do func(step, world)) {
	p := &w.process[i]
	var chunk seqs
	for r, n := 0, 0; r < modelRows && n < modelChunk; r++ {
		if p.phase[r] == pending {
			p.phase[r] = queued
			chunk.add(seq(r))
			n++
		}
	}
	if chunk == 0 {
		return
	}
	if m.without != claimFirst {
		w.claimed.add(chunk)
	}
	do(step{"Claim", chunk, i}, w)
}

// work is Worker.Do and what happens meanwhile. After "not processed" and
// after "absent" a row is called again; the journal has it already.
func (m model) work(w world, i, r int, do func(step, world)) {
	to := func(name string, change func(*world, *process)) {
		n := w
		change(&n, &n.process[i])
		do(step{name, seq(r), i}, n)
	}
	p := &w.process[i]
	mayLose := w.losses < m.losses
	switch p.phase[r] {
	case queued:
		switch {
		case !p.doubt.has(r) || m.without == neverBlind:
			to("Sending", func(n *world, p *process) { m.note(n, p, r) })
		case m.reconcile:
			to("Deferred", func(_ *world, p *process) { p.phase[r] = deferred })
		default:
			to("hold", func(n *world, p *process) { m.keep(n, p, r, inDoubt) })
		}
	case sending:
		to("Call", func(_ *world, p *process) { p.phase[r] = calling }) // Client.do
	case calling:
		to("request is accepted", func(n *world, p *process) { n.accept(r); p.phase[r] = answering })
		to("answer: failed", func(n *world, p *process) { m.keep(n, p, r, failed) })
		if mayLose {
			to("answer: not processed", func(n *world, p *process) { n.losses++; p.phase[r] = sending })
			to("answer is lost", func(n *world, p *process) { n.losses++; n.underway[r]++; m.doubt(n, p, r) })
		}
		if m.without == answerFirst {
			to("answer: not waited for", func(n *world, p *process) { n.underway[r]++; m.keep(n, p, r, done) })
		}
	case answering:
		to("answer: done", func(n *world, p *process) { m.keep(n, p, r, done) })
		if mayLose {
			to("answer is lost", func(n *world, p *process) { n.losses++; m.doubt(n, p, r) })
		}
		if mayLose && m.without == honestNo {
			to("answer: not processed", func(n *world, p *process) { n.losses++; p.phase[r] = sending })
		}
	case deferred:
		switch {
		case !m.ripe(w, r):
		case w.listed.has(r):
			to("found", func(n *world, p *process) { m.keep(n, p, r, done) })
		default:
			to("absent", func(_ *world, p *process) { p.phase[r] = sending })
		}
	}
	m.late(w, i, r, to)
}

// note is Ledger.Sending.
func (m model) note(w *world, p *process, r int) {
	p.phase[r] = sending
	if m.without != noteFirst {
		w.journal.add(seq(r))
	}
}

// doubt is what a worker makes of a call that may have taken effect.
func (m model) doubt(w *world, p *process, r int) {
	p.doubt.add(seq(r))
	switch {
	case m.without == neverBlind:
		p.phase[r] = sending
	case m.reconcile:
		p.phase[r] = deferred // Engine.postpone
	default:
		m.keep(w, p, r, inDoubt)
	}
}

// ripe says whether a row in doubt can have waited for reconcile_after: then
// its requests have taken effect or never will, and lists show it. It is all
// that is asked of the API, and the one place where time comes in.
func (m model) ripe(w world, r int) bool {
	over := w.underway[r] == 0 || m.without == promptCalls
	shown := !w.accepted.has(r) || w.listed.has(r) || w.deleted.has(r) || m.without == promptLists
	return over && shown || m.without == patience
}

// keep is Engine.keep: the outcome waits for its Commit.
func (m model) keep(w *world, p *process, r int, outcome state) {
	p.phase[r], p.brings[r] = kept, outcome
	if m.without == markLast {
		for !w.completed() && p.phase[w.mark] >= kept {
			w.mark++
		}
	}
}

// commit is Sink.Commit with outcomes: any of those that are kept.
func (m model) commit(w world, i int, do func(step, world)) {
	all := w.process[i].in(kept)
	for rows := all; rows != 0; rows = (rows - 1) & all {
		n := w
		n.settle(i, rows)
		do(step{"Commit", rows, i}, n)
	}
}

// settle is one transaction: outcomes and mark (invariant 4).
func (w *world) settle(i int, rows seqs) {
	p := &w.process[i]
	for r := range modelRows {
		if !rows.has(r) {
			continue
		}
		if w.outcome[r] != open {
			w.again.add(seq(r))
		}
		w.outcome[r] = p.brings[r]
		p.phase[r], p.brings[r] = settled, open
	}
	p.doubt.drop(rows)
	for !w.completed() && w.outcome[w.mark] != open {
		w.mark++
	}
}

// end is how a process ends before the run does: in order, alone, or with the
// machine. A stop begins before its last commit (Engine.halt), but until then
// nothing happens that might not happen without it.
func (m model) end(w world, i int, do func(step, world)) {
	if w.ends == m.ends || w.completed() {
		return
	}
	w.ends++
	p := &w.process[i]
	if p.life == running && p.in(calling, answering) == 0 { // Engine.finished
		n, rows := w, p.in(kept)
		n.settle(i, rows)
		p := &n.process[i]
		p.life = released
		if m.without == keepDoubt {
			p.doubt = 0
		}
		n.claimed = p.doubt
		do(step{"Release", rows, i}, n)
	}
	w.hangUp(i)
	do(step{"death", 0, i}, w)
	for j := range w.process {
		w.hangUp(j)
	}
	w.journal, w.stale = 0, m.without != sameBoot
	do(step{"power cut", 0, 0}, w)
}

// hangUp is a death as the API sees it: nobody waits for its answers.
func (w *world) hangUp(i int) {
	for r := range modelRows {
		if w.process[i].phase[r] == calling {
			w.underway[r]++
		}
	}
	w.process[i] = process{}
}

// releaseJournal is Ledger.releaseJournal; with it an orderly stop is over.
func (m model) releaseJournal(w world, i int, do func(step, world)) {
	w.journal, w.stale = w.process[i].doubt, false
	w.process[i] = process{}
	do(step{"releaseJournal", 0, i}, w)
}

// late is what comes too late where a protection is left out.
func (m model) late(w world, i, r int, to func(string, func(*world, *process))) {
	at := w.process[i].phase[r]
	if m.without == claimFirst && at != pending && at != settled && !w.claimed.has(r) {
		to("Claim, late", func(n *world, _ *process) { n.claimed.add(seq(r)) })
	}
	if m.without == noteFirst && at > sending && at != settled && !w.journal.has(r) {
		to("Sending, late", func(n *world, _ *process) { n.journal.add(seq(r)) })
	}
}
