package main

import (
	"encoding/csv"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// What reconciliation changes, in one place.
const (
	// doubtKeys are the keys of a bulk_send that say how.
	doubtKeys = "\n  reconcile_after: 1s\n"
	// settledByLooking is the SQL that says of a row of results that it was.
	settledByLooking = "state = 'done' and http_status = 0"
)

// fate is what results have of one row of the input.
type fate struct {
	state pipeline.State
	ref   string
}

// assertSends compares the results of the job with what the server accepted,
// after the last run: every row in one state, nothing accepted twice, and done
// just where it was accepted, with the id that the server gave. Rows may be in
// doubt where they may, and are listed then.
func (r *round) assertSends(last summary, rows int, mayDoubt bool) {
	t := r.test
	t.Helper()
	r.quiet()
	accepted := r.acceptedOnce()
	state := r.lastResults(last.RunID)
	assert.Len(t, state, rows, "rows in results")
	assert.EqualValues(t, rows, last.Rows)
	assert.EqualValues(t, rows, last.settled(), "every row is in exactly one state")
	assert.EqualValues(t, rows, last.Done+last.Skipped+last.InDoubt, "nothing failed")
	doubts := 0
	for key, is := range state {
		id, was := accepted[key]
		switch is.state {
		case pipeline.Done, pipeline.Skipped:
			if !was {
				r.tally.lost()
				t.Errorf("lost: %s is %s and was never accepted", key, is.state)
			} else {
				assert.Equal(t, id, is.ref, "the id that the API gave to %s", key)
			}
		case pipeline.InDoubt:
			doubts++
		default:
			t.Errorf("%s is %s", key, is.state)
		}
		delete(accepted, key)
	}
	for key := range accepted {
		r.tally.lost()
		t.Errorf("lost: %s was accepted and is in no result", key)
	}
	assert.EqualValues(t, doubts, last.InDoubt)
	if doubts > 0 {
		// A row that was noted and whose claim is not on disk any more can not be
		// looked for: after a log that was cut, or a death in the last step of a stop.
		undated := r.query("select count(*) as n from results where state = 'in_doubt' and error like '%not known when it was sent%'")[0]["n"].(float64)
		assert.True(t, mayDoubt || doubts == int(undated), "%d rows are in doubt", doubts)
		r.assertListed(doubts)
	}
	found := r.query("select count(*) as n from results where " + settledByLooking)[0]["n"].(float64)
	r.tally.settled(rows, doubts, int(found))
}

// acceptedOnce returns what the server accepted, by key, and checks that it
// accepted nothing twice.
func (r *round) acceptedOnce() map[string]string {
	r.test.Helper()
	ids := make(map[string]string)
	for _, a := range r.api.Accepted() {
		key := "+" + a.Identity
		if ids[key] != "" {
			r.tally.twice()
			r.test.Errorf("twice: %s was accepted as %s and as %s", key, ids[key], a.MessageID)
		}
		ids[key] = a.MessageID
	}
	return ids
}

// lastResults returns the rows of the last run. Those that it skipped were done
// by an earlier one, which has their id.
func (r *round) lastResults(run string) map[string]fate {
	t := r.test
	t.Helper()
	last, before := make(map[string]fate), make(map[string]string)
	for _, x := range r.query("select run_id, key, state, ref from results where job = 'send'") {
		key, ref := x["key"].(string), ""
		if x["ref"] != nil {
			ref = x["ref"].(string)
		}
		state := pipeline.State(x["state"].(string))
		if state == pipeline.Done {
			require.Empty(t, before[key], "%s is done twice", key)
			before[key] = ref
		}
		if x["run_id"] == run {
			require.NotContains(t, last, key, "the row is twice in the results of one run")
			last[key] = fate{state, ref}
		}
	}
	for key, is := range last {
		if is.state == pipeline.Skipped {
			last[key] = fate{pipeline.Skipped, before[key]}
		}
	}
	return last
}

// assertListed checks that `batch results` lists so many rows in doubt.
func (r *round) assertListed(doubts int) {
	r.test.Helper()
	res := r.launch("results", "--state", "in_doubt", "--format", "csv", "send").end()
	require.Zero(r.test, res.code, res.stderr)
	lines, err := csv.NewReader(strings.NewReader(res.stdout)).ReadAll()
	require.NoError(r.test, err)
	assert.Len(r.test, lines, 1+doubts, "listed as in doubt, with a header")
}
