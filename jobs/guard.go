package jobs

import (
	"fmt"
	"net/http"

	"convbatch/pipeline"
)

// refusedRows is how many rows must be refused with the same status, without
// another answer in between, for it to be the run's fault and not theirs.
const refusedRows = 50

// Guard sees every outcome of a run with so many rows, of which so many have
// failed before, and says when going on would only do harm: when the share of
// failed rows that the job allows is reached, or when the API forbids
// everything or finds nothing.
func Guard(stopAfter Share, rows, failed int64) func(pipeline.Outcome) error {
	var refused alike
	return func(o pipeline.Outcome) error {
		switch n := refused.count(o.HTTPStatus); {
		case o.HTTPStatus == http.StatusForbidden && (n == refusedRows || n == rows):
			return fmt.Errorf("the first %d rows were all forbidden (403): does the key belong to this project? what is left stays for the next run; the API said: %s",
				n, o.Error)
		case o.HTTPStatus == http.StatusNotFound && n == refusedRows: // fewer may well be recipients that are gone
			return fmt.Errorf("the first %d rows were all answered 404: is the app in this region and project? what is left stays for the next run; the API said: %s",
				n, o.Error)
		}
		if o.State == pipeline.Failed {
			failed++
			if stopAfter.Reached(failed, rows) {
				return fmt.Errorf("%d rows failed, which is the stop_after of %s; what is left stays for the next run; the last error: %s",
					failed, stopAfter, o.Error)
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

// count returns how many answers there were, 0 once they differed.
func (a *alike) count(status int) int64 {
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
