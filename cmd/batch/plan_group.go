package main

import (
	"time"

	"convbatch/jobs"
)

// wholeCalls is a kind that sends groups of rows with one call.
type wholeCalls interface {
	Group() int
	Whole(run string, rows []int64, parts [][]byte, now time.Time) []byte
}

// plannedCalls counts the calls that send groups, and keeps the first of them.
type plannedCalls struct {
	kind  wholeCalls // nil where each row has a call
	now   time.Time
	n     int64
	last  int64    // the group of the last row
	rows  []int64  // of the first group
	parts [][]byte // of rows
}

func planCalls(spec jobs.Pusher, now time.Time) *plannedCalls {
	kind, _ := spec.(wholeCalls)
	return &plannedCalls{kind: kind, now: now}
}

func (c *plannedCalls) grouped() bool { return c.kind != nil && c.kind.Group() > 1 }

// add takes a row that is to be sent.
func (c *plannedCalls) add(seq int64, part []byte) {
	group := seq / int64(c.kind.Group())
	if c.n == 0 || group != c.last {
		c.n++
		c.last = group
	}
	if c.n == 1 {
		c.rows, c.parts = append(c.rows, seq), append(c.parts, part)
	}
}

// request is the call of one row, given what Prepare returned for it.
func (c *plannedCalls) request(seq int64, part []byte) []byte {
	if c.kind == nil {
		return part
	}
	return c.kind.Whole(noRun, []int64{seq}, [][]byte{part}, c.now)
}

// noRun stands for the id of the run, which it gets when it begins.
const noRun = "RUN"

// state puts the calls of groups into a plan.
func (c *plannedCalls) state(m *plan) {
	if m.Calls = c.n; c.n > 0 {
		m.Requests = append(m.Requests, c.kind.Whole(noRun, c.rows, c.parts, c.now))
	}
}

// atLeast is how many calls rows need.
func (c *plannedCalls) atLeast(rows int64) int64 {
	if !c.grouped() {
		return 0
	}
	size := int64(c.kind.Group())
	return (rows + size - 1) / size
}
