package jobs

import (
	"fmt"
	"net/http"

	"convbatch/pipeline"
)

// forbiddenRows is how many rows must be answered 403, without another answer
// in between, for it to be the run's fault and not theirs.
const forbiddenRows = 50

// Guard sees every outcome of a run with so many rows and says when going on
// would only do harm: when the share of failed rows that the job allows is
// reached, or when the API forbids everything.
func Guard(stopAfter Share, rows int64) func(pipeline.Outcome) error {
	var failed int64
	forbidden := 0
	return func(o pipeline.Outcome) error {
		if forbidden >= 0 && o.HTTPStatus != 0 {
			if o.HTTPStatus == http.StatusForbidden {
				forbidden++
			} else {
				forbidden = -1
			}
		}
		if forbidden == forbiddenRows || forbidden > 0 && int64(forbidden) == rows {
			return fmt.Errorf("the first %d rows were all forbidden (403): does the key belong to this project? what is left stays for the next run; the API said: %s",
				forbidden, o.Error)
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
