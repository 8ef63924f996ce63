package jobs

import (
	"fmt"
	"net/http"

	"convbatch/pipeline"
)

// refusedRows is how many rows must be refused with the same status, without
// another answer in between, for it to be the run's fault and not theirs.
const refusedRows = 50

// unansweredCalls is how many calls in a row must go without an answer of use
// for the API to be down. It is more where more calls are on the wire at once:
// a moment in which all of those are lost is not the end, two such moments are.
const unansweredCalls = 50

// Guard sees every outcome of a run with so many rows, of which so many have
// failed before, and says when going on would only do harm: when the share of
// failed rows that the job allows is reached, when the API forbids everything
// or finds nothing, or when it does not answer any more.
//
// Failures before count towards the share, unless they were enough to end the
// run: who runs it again all the same allows as many once more.
func (j Job) Guard(rows, failed int64) func(pipeline.Outcome) error {
	var refused alike
	silence := silence{most: max(unansweredCalls, 2*j.Limits.InFlight)}
	if j.StopAfter.Reached(failed, rows) {
		failed = 0
	}
	return func(o pipeline.Outcome) error {
		switch n := refused.count(o); {
		case refused.status == http.StatusForbidden && (n == refusedRows || n == rows):
			return fmt.Errorf("%d rows one after another were forbidden (403): does the key belong to this project? what is left stays for the next run; the API said: %s",
				n, o.Error)
		case refused.status == http.StatusNotFound && n == refusedRows: // fewer may well be recipients that are gone
			return fmt.Errorf("%d rows one after another were answered 404: is the app in this region and project? what is left stays for the next run; the API said: %s",
				n, o.Error)
		}
		if silence.goesOn(o) {
			return fmt.Errorf("the API does not answer: %d calls one after another, of %d rows, brought no answer or a server error; what is left stays for the next run; the last error: %s",
				silence.calls, silence.rows, o.Error)
		}
		if o.State == pipeline.Failed {
			failed++
			if j.StopAfter.Reached(failed, rows) {
				return fmt.Errorf("%d rows failed, which is the stop_after of %s; what is left stays for the next run; the last error: %s",
					failed, j.StopAfter, o.Error)
			}
		}
		return nil
	}
}

// alike counts answers for as long as all have the status of the first.
type alike struct {
	status int
	n      int64
	broken bool
}

// count returns how many answers there were, 0 once they differed. One that was
// as wanted differs from all that were not.
func (a *alike) count(o pipeline.Outcome) int64 {
	status := o.HTTPStatus
	if o.State == pipeline.Done {
		status = http.StatusOK
	}
	switch {
	case status == 0 || a.broken: // no answer, or too late
		return 0
	case a.n > 0 && status != a.status:
		a.broken = true
		return 0
	}
	a.status = status
	a.n++
	return a.n
}

// silence counts the calls since the API last had something to say about a
// row, be it yes or no.
type silence struct {
	most, calls, rows int
}

// goesOn says whether the silence, with the outcome of another row, has been
// too long. A row without a call says nothing about the API, and neither does
// one that a kill left in doubt.
func (s *silence) goesOn(o pipeline.Outcome) bool {
	switch {
	case o.Attempts == 0:
		return false
	case o.State == pipeline.InDoubt, o.State == pipeline.Failed && (o.HTTPStatus == 0 || o.HTTPStatus >= 500):
		s.calls += o.Attempts
		s.rows++
	default:
		s.calls, s.rows = 0, 0
	}
	return s.calls >= s.most
}
