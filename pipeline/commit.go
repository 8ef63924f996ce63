package pipeline

import (
	"context"
	"time"
)

// keep takes an outcome for the next commit. The caller submits when it has kept
// all that belongs together: what is kept by then is in one commit.
func (e *Engine) keep(o Outcome) {
	if o.FinishedAt.IsZero() {
		o.FinishedAt = time.Now().UTC()
	}
	e.mark.settle(o.Seq)
	e.count(o)
	for _, r := range o.Records {
		e.batchBytes += r.Size
	}
	o.Follow = nil               // they are in the commit's items
	if e.batch.Outcomes == nil { // about as many as last time
		e.batch.Outcomes = make([]Outcome, 0, max(e.usual, 16))
	}
	e.batch.Outcomes = append(e.batch.Outcomes, o)
}

// submitIfDue submits a batch that is large enough or whose claim is waited
// for, and sees to it that any other does not wait beyond its time.
func (e *Engine) submitIfDue() {
	// The claim of the next chunk takes along the outcomes of one.
	large := len(e.batch.Outcomes) >= 2*e.o.Chunk && !e.slow() || e.batchBytes >= e.o.CommitBytes
	if large || e.batch.Claim != nil {
		e.submit()
	} else if !e.dueSet && !e.empty() {
		e.dueSet = true
		e.due.Reset(e.o.CommitEvery)
	}
}

// slow says that commits wait for their time or size, not for a number of
// outcomes: so it is where outcomes bring records, whose segments ought to be large.
func (e *Engine) slow() bool { return e.batchBytes > 0 || e.o.Idempotent }

// full says that so much waits for the commit under way that workers must wait too.
func (e *Engine) full() bool {
	return e.committing && (len(e.batch.Outcomes) >= 8*max(e.o.Chunk, 1024) || e.batchBytes >= e.o.CommitBytes)
}

// submit hands the batch to the committer, unless a commit is under way: then
// acknowledge comes back here.
func (e *Engine) submit() {
	if e.committing || e.empty() || e.failedCommit() {
		return
	}
	e.batch.Mark = e.mark.at
	e.usual = len(e.batch.Outcomes)
	e.sending, e.batch, e.batchBytes = e.batch, Commit{}, 0
	e.committing = true
	if e.dueSet {
		e.dueSet = false
		e.due.Stop()
	}
	e.commits <- e.sending
}

func (e *Engine) empty() bool {
	return len(e.batch.Outcomes) == 0 && e.batch.Claim == nil && !e.batch.Release
}

// acknowledge takes the result of the commit under way.
func (e *Engine) acknowledge(err error) {
	e.committing = false
	if err != nil {
		e.commitFailed(err)
		return
	}
	e.noteMark(e.sending.Mark)
	if e.sending.Claim != nil {
		e.queue = append(e.queue, e.claiming...)
		e.claiming = nil
	}
	e.sending = Commit{}
	e.submitIfDue()
}

func (e *Engine) commitLoop(ctx context.Context) {
	for c := range e.commits {
		durable := false
		c.Durable = func() {
			durable = true
			e.committed <- nil
		}
		if err := e.o.Sink.Commit(ctx, c); !durable {
			e.committed <- err
		}
	}
}
