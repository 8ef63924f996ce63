package sinks

import (
	"encoding/json"
	"time"

	"convbatch/pipeline"
)

// RunState is what became of a run.
type RunState string

// The states of a run. Running, read by anyone who does not run it, holds only
// as long as a process has the job; afterwards the run was Interrupted.
const (
	Running     RunState = "running"
	Completed   RunState = "completed"
	Failed      RunState = "failed"
	Interrupted RunState = "interrupted"
)

// Counts is how many items of a run are in which state, and how many records
// they brought, as committed.
type Counts struct {
	Done       int64 `json:"done"`
	Failed     int64 `json:"failed"`
	Invalid    int64 `json:"invalid"`
	Suppressed int64 `json:"suppressed"`
	Skipped    int64 `json:"skipped"`
	InDoubt    int64 `json:"in_doubt"`
	Records    int64 `json:"records"`
}

// Settled is the number of items in any state.
func (c Counts) Settled() int64 {
	return c.Done + c.Failed + c.Invalid + c.Suppressed + c.Skipped + c.InDoubt
}

// of returns the counter of a state, nil when there is no such state.
func (c *Counts) of(state pipeline.State) *int64 {
	switch state {
	case pipeline.Done:
		return &c.Done
	case pipeline.Failed:
		return &c.Failed
	case pipeline.Invalid:
		return &c.Invalid
	case pipeline.Suppressed:
		return &c.Suppressed
	case pipeline.Skipped:
		return &c.Skipped
	case pipeline.InDoubt:
		return &c.InDoubt
	}
	return nil
}

// Run is one run of a job, as it stands in the ledger and in runs.json.
type Run struct {
	Job     string   `json:"job"`
	ID      string   `json:"run_id"`
	Kind    string   `json:"kind"`
	State   RunState `json:"state"`
	Resumed int      `json:"resumed"` // how often it went on after an interruption
	Rows    int64    `json:"rows"`    // of the input, or windows of a listing
	Counts

	Requests  int64 `json:"requests"`
	Retries   int64 `json:"retries"`
	Throttled int64 `json:"throttled"`

	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	ElapsedS   float64   `json:"elapsed_s"` // seconds at work, over all its processes
	Message    string    `json:"message"`

	Input       string          `json:"input,omitempty"`       // below the job's folder; "" for pulling kinds
	Fates       string          `json:"fates,omitempty"`       // below the job's folder: what was decided beforehand
	Fingerprint string          `json:"fingerprint,omitempty"` // of the input
	Request     string          `json:"request,omitempty"`     // digest of what is asked of the API
	Data        json.RawMessage `json:"data,omitempty"`        // the kind's own: where this run goes from and to
}

// Unfinished says that the run has something left to resume. One that failed
// when every row was settled has not.
func (r *Run) Unfinished() bool {
	return r.State != Completed && (r.State != Failed || r.Input == "" || r.Settled() < r.Rows)
}

// Position is where a run goes on.
type Position struct {
	Mark    int64            // every item below it is settled
	Settled []pipeline.Range // what is settled beyond Mark, in order
	Claims  []pipeline.Claim // what was claimed beyond Mark, not released, and may have been sent; without outcome it is in doubt. In order, none overlaps
	Items   []pipeline.Item  // stored and not settled, in order of Seq; Data is json.RawMessage or nil
	NextSeq int64            // the first number that no item has
}
