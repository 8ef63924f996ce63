package pipeline

import (
	"errors"
	"time"
)

// ErrStopped is returned by Run when the run was asked to stop and items are
// left: the same run can be resumed.
var ErrStopped = errors.New("stopped before the end")

// Options say how an Engine runs. Source, Worker and Sink are required.
type Options struct {
	Source Source
	Worker Worker
	Sink   Sink

	InFlight int // workers; default 1
	Chunk    int // items claimed at a time, and outcomes in one commit; default 64; rounded up to whole groups
	RunAhead int // how far beyond the mark items may be claimed; default 16 chunks, of groups at least 4; <0 unbounded

	// Group is how many items are handed to a GroupWorker at once; 0 and 1: one
	// at a time. A group is what is not settled of a block of sequence numbers,
	// [g*Group, (g+1)*Group), and is settled in one commit. So a run that is
	// resumed, even after a crash, makes the same groups of the same input.
	Group int

	// Idempotent says that repeating an item does no harm, so nothing is
	// claimed before it is worked on.
	Idempotent bool

	CommitEvery time.Duration // an outcome waits no longer than this for its commit; default 250ms
	CommitBytes int           // of records that wait; default 16 MiB

	// Clock is the API's, which dates the claims; default time.Now.
	Clock func() time.Time

	Mark    int64   // where a resumed run goes on: every item below is settled
	Settled []Range // what is settled beyond Mark
	Next    int64   // the first free sequence number, for items that others give rise to

	// Guard sees every outcome until the run begins to stop; an error ends the
	// run early with that error, and what is not settled stays for the next.
	Guard func(Outcome) error

	// Quiet is called once, when the run begins to stop: whoever waits for
	// permission to call must be let go with ErrReleased.
	Quiet func()
	// Cancel is called when Grace is over, or the context ended: calls in
	// flight must come back now.
	Cancel func(cause error)
	// Grace is how long calls in flight may take after a stop; default 30s.
	Grace time.Duration
}

// withDefaults fills in what is left open.
func (o Options) withDefaults() Options {
	o.InFlight = max(o.InFlight, 1)
	o.Group = max(o.Group, 1)
	if o.Chunk <= 0 {
		o.Chunk = 64
	}
	o.Chunk = (o.Chunk + o.Group - 1) / o.Group * o.Group
	switch {
	case o.RunAhead == 0:
		o.RunAhead = 16 * o.Chunk
	case o.RunAhead > 0 && o.Group > 1: // or a single group that waits would hold up all others
		o.RunAhead = max(o.RunAhead, 4*o.Chunk)
	}
	if o.CommitEvery <= 0 {
		o.CommitEvery = 250 * time.Millisecond
	}
	if o.CommitBytes <= 0 {
		o.CommitBytes = 16 << 20
	}
	if o.Grace <= 0 {
		o.Grace = 30 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}
