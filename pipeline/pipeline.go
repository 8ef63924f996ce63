// Package pipeline draws items from a source, puts each through a worker, and
// commits outcomes together with the place to resume from.
//
// It knows nothing of HTTP, YAML, DuckDB or Parquet. One shape serves both
// directions: a kind that pushes makes one item of a row, a kind that pulls
// makes one item of a window of time or a page, and returns records.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State is what became of one item; every item of a completed run is in
// exactly one.
type State string

// The states of an item, as they stand in the results view.
const (
	Done       State = "done"       // the API took it
	Failed     State = "failed"     // the API said no, or attempts ran out
	Invalid    State = "invalid"    // never sent: it could not have been right
	Suppressed State = "suppressed" // never sent: the recipient opted out
	Skipped    State = "skipped"    // never sent: its key was done in an earlier run, or it has nothing to change
	InDoubt    State = "in_doubt"   // may have happened; it was not repeated
)

// States lists every state, in the order in which people are shown them.
func States() []State {
	return []State{Done, Failed, Invalid, Suppressed, Skipped, InDoubt}
}

// Item is one unit of work. Seq numbers the items of a run from 0 without
// gaps and never changes; Key is what the user calls it.
type Item struct {
	Seq  int64
	Key  string
	Data any // for the kind's worker alone

	// Settled is the outcome of an item whose fate was decided before the run
	// (a duplicate key, a key done earlier). It is recorded, never worked on.
	Settled *Outcome

	// Doubt is not nil when the item may have happened already: an earlier
	// process was about to call and left no outcome, or the answer was lost.
	Doubt *Doubt
}

// Doubt is what is known of an item that may have happened already.
type Doubt struct {
	// Since is a time before which no call of the item went out, by the API's
	// clock; zero when that is not known.
	Since time.Time
	// Ended is when the last call of this process ended, by this machine's
	// clock; zero when the call was that of a process that died.
	Ended    time.Time
	Attempts int    // calls so far that cost an attempt
	Calls    int    // calls so far whose answer was lost
	Looks    int    // times it was looked for in vain, for want of an answer
	Error    string // what was said of the last call
}

// Deferred is the error of a worker for an item in doubt about which nothing
// can be found out yet. The engine hands it to a worker again after For, with
// the Doubt given here. Until then it occupies no worker; it stays claimed and
// unsettled, and when the run stops it stays in doubt.
type Deferred struct {
	For   time.Duration
	Doubt Doubt
	// Lost is what came of the call whose answer was lost, for the guard of the
	// run; nil when there was no call.
	Lost *Outcome
}

// Error says that the item waits.
func (d *Deferred) Error() string {
	return fmt.Sprintf("in doubt, to be looked for in %s: %s", d.For, d.Doubt.Error)
}

// Outcome is what became of one item, and what it brought.
type Outcome struct {
	Seq        int64
	Key        string
	State      State
	HTTPStatus int    // of the last answer; 0 when there was none
	Attempts   int    // calls that cost an attempt
	ErrorCode  string // the API's word for it, for example INVALID_REQUEST
	Error      string // one line for a person; never message text or a full identity
	Ref        string // the id that the API gave
	Response   string // the answer as received, where the kind keeps it
	FinishedAt time.Time

	Records []Record // what a pulling kind brought, committed with the outcome
	Follow  []Item   // items that this one gave rise to; their Seq is assigned by the engine
}

// Record is one row of a dataset on its way into a segment.
type Record struct {
	Dataset   string // for example "messages"
	Partition string // hive style, for example "date=2026-03-01"; empty for none
	Order     int64  // the records of a segment are sorted by it
	Size      int    // bytes held in memory, roughly; bounds what waits for a commit
	Row       any    // of the type that the dataset was declared with
}

// Range is the items From <= Seq < To.
type Range struct{ From, To int64 }

// Contains says whether seq lies in r.
func (r Range) Contains(seq int64) bool { return r.From <= seq && seq < r.To }

// Claim is the range of items that may be sent from now on. At is when it was
// made, by the API's clock: what it covers was not sent before, and can be
// looked for from there on. Zero is not known.
type Claim struct {
	Range
	At time.Time
}

// Commit is one transaction: everything in it becomes durable, or nothing.
type Commit struct {
	Outcomes []Outcome
	Claim    *Claim   // nil when nothing new is claimed
	Mark     int64    // every item below it is settled
	Items    []Item   // that outcomes gave rise to, numbered
	Records  []Record // beside those of outcomes: what belongs to the run and to no item
	// Release says that items which this process claimed and which have no
	// outcome were never sent, so their claims end with this commit, except for
	// those of InDoubt, which may have been. Only an orderly stop can say so,
	// and never of the claims of a process that died.
	Release bool
	InDoubt []Claim

	// Durable, unless it is nil, is called when all of it is on disk. What Commit
	// still does then holds up the next commit alone. A sink need not call it, but
	// when it did Commit returns nil.
	Durable func()
}

// Sink keeps what a run brings. When Commit has returned nil, all of it is on
// disk and survives the death of the machine; when it returns an error, none
// of it counts and the run must end. A Sink is called by one goroutine.
type Sink interface {
	Commit(ctx context.Context, c Commit) error
}

// Source yields the items of a run in order of Seq, and io.EOF after the last.
// It is read by one goroutine.
type Source interface {
	Next(ctx context.Context) (Item, error)
}

// Worker does the work of one item. Many goroutines call it at once.
//
// A returned error means that the item is not settled: *Deferred when it is in
// doubt and has to wait, ErrReleased when it was not sent now because the run
// is stopping, anything else ends the run. Failure of the item is an Outcome.
type Worker interface {
	Do(ctx context.Context, item Item) (Outcome, error)
}

// GroupWorker is a Worker that settles many items with one call.
type GroupWorker interface {
	Worker
	// DoGroup settles all items, or none: an error (as of Do) is that of all,
	// and so is the Doubt of a *Deferred, whose Since has to hold for each. The
	// items are of one block (see Options.Group), in order of Seq; some may be
	// in doubt and others not. The outcomes are in the order of the items, one
	// for each, and have no Follow; anything else ends the run, with the items
	// in doubt.
	DoGroup(ctx context.Context, items []Item) ([]Outcome, error)
}

// WorkerFunc lets a function be a Worker.
type WorkerFunc func(ctx context.Context, item Item) (Outcome, error)

// Do calls f.
func (f WorkerFunc) Do(ctx context.Context, item Item) (Outcome, error) { return f(ctx, item) }

// ErrReleased is returned by a worker for an item that was not sent because
// the run is stopping.
var ErrReleased = errors.New("not sent: the run is stopping")
