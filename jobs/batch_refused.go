package jobs

import (
	"net/http"
	"regexp"
	"strconv"

	"convbatch/client"
	"convbatch/pipeline"
)

// mostRefused is how many calls of one group may be refused because of rows
// that the answers name. A server that names one at a time of many costs a call
// for each.
const mostRefused = 20

// Fields of the Batch API that name one row of a call.
var (
	namedRecipient = regexp.MustCompile(`^recipient_?[aA]nd_?[pP]arams\[(\d+)\]`)
	namedContact   = regexp.MustCompile(`^contacts\[(\d+)\]`)
	namedConsent   = regexp.MustCompile(`^consent_records\[(\d+)\]`)
)

// namedRows is what a refused call of n rows says of single ones, by their
// place in it. It is empty when the call failed otherwise, may have had an
// effect, or was refused for what is not a row's.
func namedRows(e *client.Error, field *regexp.Regexp, n int) map[int]*client.Error {
	if e == nil || e.Intent != client.Failed || e.Status != http.StatusBadRequest || e.Unsure {
		return nil
	}
	rows := map[int]*client.Error{}
	for _, v := range e.Violations {
		m := field.FindStringSubmatch(v)
		if m == nil {
			continue
		}
		at, err := strconv.Atoi(m[1])
		if err != nil || at >= n {
			return nil // its rows are counted otherwise
		}
		if rows[at] == nil {
			own := *e
			own.Violations = nil
			rows[at] = &own
		}
		rows[at].Violations = append(rows[at].Violations, v)
	}
	return rows
}

// refusedWhole is the outcome of the rows of a call that was refused, and which
// may be the fault of one that the answer does not name.
func refusedWhole(out pipeline.Outcome, e *client.Error, n int) pipeline.Outcome {
	if n > 1 && e != nil && e.Intent == client.Failed && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) {
		out.Error += "; the call was refused as a whole: with batch_size: 1, `batch retry` shows which row is at fault, and does the others"
	}
	return out
}
