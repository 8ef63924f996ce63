package pipeline

import "fmt"

// commitError marks the failure of the sink, after which only one more commit
// is tried: the last, which repeats what failed.
type commitError struct{ err error }

func (c *commitError) Error() string { return fmt.Sprintf("commit outcomes: %v", c.err) }
func (c *commitError) Unwrap() error { return c.err }

func (e *Engine) failedCommit() bool {
	_, failed := e.err.(*commitError)
	return failed && !e.batch.Release
}

// commitFailed ends the run. Calls that came back are facts, so what failed is
// kept and tried once more at the end, when nothing else is under way; a claim
// that is not on disk is dropped, for nothing of it was sent.
func (e *Engine) commitFailed(err error) {
	if e.sending.Release {
		e.err = &commitError{err}
		e.batch, e.lost = Commit{}, true
		return
	}
	e.halt(&commitError{err})
	e.err = &commitError{err}
	e.claiming = nil
	e.batch.Outcomes = append(e.sending.Outcomes, e.batch.Outcomes...)
	e.batch.Items = append(e.sending.Items, e.batch.Items...)
	e.batch.Claim = nil
	e.sending = Commit{}
}

// finished says whether the loop is over, and makes the last commit when only
// that is missing. The last commit of a run that stopped releases what was
// claimed and never sent: every call has come back, so that is known.
func (e *Engine) finished(ended bool) bool {
	if e.working > 0 || e.committing {
		return false
	}
	if e.stopping {
		if e.released || e.lost {
			return true
		}
		e.released = true
		e.claiming, e.batch.Claim = nil, nil
		e.batch.Release, e.batch.InDoubt = true, e.inDoubt
		e.submit()
		return false
	}
	if !ended || e.chunk != nil || e.claiming != nil || len(e.queue) > 0 || e.waiting.items > 0 {
		return false
	}
	if e.empty() {
		return true
	}
	e.submit()
	return false
}
