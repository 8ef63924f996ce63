package jobs

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"convbatch/pipeline"
)

// stopsAt is the outcome, counted from 1, at which the guard of a job ends a
// run; 0 when it never does.
func stopsAt(j Job, rows, failed int64, outcomes ...pipeline.Outcome) int {
	guard := j.Guard(rows, failed)
	for i, o := range outcomes {
		if guard(o) != nil {
			return i + 1
		}
	}
	return 0
}

func answered(status int) pipeline.Outcome {
	state := pipeline.Failed
	if status == 200 {
		state = pipeline.Done
	}
	return pipeline.Outcome{State: state, HTTPStatus: status, Attempts: 1, Error: "no"}
}

func answeredAll(statuses ...int) (all []pipeline.Outcome) {
	for _, status := range statuses {
		all = append(all, answered(status))
	}
	return all
}

func times(n int, outcomes ...pipeline.Outcome) []pipeline.Outcome {
	return slices.Repeat(outcomes, n)
}

func TestARunEndsAtTheShareOfFailedRowsThatTheJobAllows(t *testing.T) {
	t.Parallel()
	fails, done := answered(400), answered(200)
	part, number := Share{Percent: 5}, Share{Count: 10}
	for _, c := range []struct {
		name     string
		after    Share
		failed   int64
		outcomes []pipeline.Outcome
		stops    int
	}{
		{"a part of all rows, not of those so far", part, 0, times(10, fails), 5},
		{"a number of rows", number, 0, times(10, fails), 10},
		{"rows that are done do not count", part, 0, times(10, done, fails), 10},
		{"nor do rows that are invalid or in doubt", part, 0,
			times(10, pipeline.Outcome{State: pipeline.Invalid}, pipeline.Outcome{State: pipeline.InDoubt, HTTPStatus: 500, Attempts: 1}), 0},
		{"what failed before the run was resumed counts", number, 8, times(10, fails), 2},
		{"unless it ended the run", number, 10, times(10, fails), 10},
		{"or more than that, for calls in flight", part, 7, times(10, fails), 5},
		{"without stop_after a run goes to its end", Share{}, 0, times(100, fails), 0},
	} {
		assert.Equal(t, c.stops, stopsAt(Job{Common: Common{StopAfter: c.after}}, 100, c.failed, c.outcomes...), c.name)
	}
}

func TestARunEndsWhenEverythingIsRefusedAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		rows     int64
		statuses []int
		stops    int
	}{
		{"every row of a small input forbidden", 3, []int{403, 403, 403}, 3},
		{"a row without an answer says nothing of it", 2, []int{403, 0, 403}, 3},
		{"one was done", 4, []int{403, 200, 403, 403}, 0},
		{"the first was done", 3, []int{200, 403, 403}, 0},
		{"few recipients that are gone", 3, []int{404, 404, 404}, 0},
		{"fifty rows not found, as in the wrong region", 1000, slices.Repeat([]int{404}, 60), 50},
		{"fifty rows forbidden", 1000, slices.Repeat([]int{403}, 60), 50},
		{"forty-nine", 1000, slices.Repeat([]int{403}, 49), 0},
		{"half not found, half forbidden", 1000, append(slices.Repeat([]int{404}, 25), slices.Repeat([]int{403}, 50)...), 0},
		{"fifty bad requests are the rows' fault", 60, slices.Repeat([]int{400}, 60), 0},
	} {
		assert.Equal(t, c.stops, stopsAt(Job{}, c.rows, 0, answeredAll(c.statuses...)...), c.name)
	}
}

// A deletion that finds nothing may be all that was wanted.
func TestRowsThatAreDoneAreNotRefusedWhateverWasAnswered(t *testing.T) {
	t.Parallel()
	gone := pipeline.Outcome{State: pipeline.Done, HTTPStatus: 404, Attempts: 1}
	assert.Zero(t, stopsAt(Job{}, 1000, 0, times(200, gone)...))
	assert.Zero(t, stopsAt(Job{}, 1000, 0, append(times(1, gone), times(200, answered(404))...)...), "one was done")
	assert.Equal(t, refusedRows, stopsAt(Job{}, 1000, 0, times(200, answered(404))...))
	forbidden := pipeline.Outcome{State: pipeline.Done, HTTPStatus: 403, Attempts: 1}
	assert.Zero(t, stopsAt(Job{}, 3, 0, times(3, forbidden)...), "lists that the account may not have")
}

func TestARunEndsWhenTheAPIDoesNotAnswerAnyMore(t *testing.T) {
	t.Parallel()
	var (
		unreached = pipeline.Outcome{State: pipeline.Failed, Attempts: 8}
		busy      = pipeline.Outcome{State: pipeline.Failed, HTTPStatus: 503, Attempts: 8}
		lost      = pipeline.Outcome{State: pipeline.InDoubt, Attempts: 1}
		broken    = pipeline.Outcome{State: pipeline.InDoubt, HTTPStatus: 500, Attempts: 1}
		garbage   = pipeline.Outcome{State: pipeline.InDoubt, HTTPStatus: 200, Attempts: 1}
		killed    = pipeline.Outcome{State: pipeline.InDoubt}
		invalid   = pipeline.Outcome{State: pipeline.Invalid}
	)
	for _, c := range []struct {
		name     string
		inFlight int
		outcomes []pipeline.Outcome
		stops    int
	}{
		{"no connection, whose attempts all count", 1, times(100, unreached), 7},
		{"too busy to the end", 1, times(100, busy), 7},
		{"answers lost, which are not tried again", 1, times(100, lost), 50},
		{"errors and answers that are none", 1, times(100, lost, broken, garbage), 50},
		{"what was on the wire at one moment is no outage", 64, append(times(64, lost), append(times(1, answered(200)), times(64, lost)...)...), 0},
		{"that and what came after it is", 64, times(200, lost), 128},
		{"rows that were never sent, or by a process before, say nothing", 1, times(100, killed, invalid), 0},
		{"and do not hide an outage either", 1, times(100, unreached, invalid, killed), 19},
		{"a row that is done does", 1, times(100, append(times(6, unreached), answered(200))...), 0},
		{"a row that fails for reasons of its own was answered as well", 1, times(100, append(times(6, busy), answered(400))...), 0},
	} {
		assert.Equal(t, c.stops, stopsAt(Job{Common: Common{Limits: Limits{InFlight: c.inFlight}}}, 1_000_000, 0, c.outcomes...), c.name)
	}
}
