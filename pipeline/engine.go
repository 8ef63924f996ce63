package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	Chunk    int // items claimed at a time, and outcomes in one commit; default 64
	RunAhead int // how far beyond the mark items may be claimed; default 16 chunks; <0 unbounded

	// Idempotent says that repeating an item does no harm, so nothing is
	// claimed before it is worked on.
	Idempotent bool

	CommitEvery time.Duration // an outcome waits no longer than this for its commit; default 100ms
	CommitBytes int           // of records that wait; default 32 MiB

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

// Engine runs the items of one run. It is used once.
type Engine struct {
	o Options
	progress

	mark    *mark
	next    int64
	queue   []Item  // claimed, waiting for a worker
	waiting waiting // claimed and in doubt, waiting for their time
	chunk   []Item  // drawn, waiting for its claim
	working int

	batch      Commit // what the next commit holds
	batchBytes int
	due        *time.Timer
	dueSet     bool

	claiming   []Item // items of the claim in the commit under way
	committing bool
	sending    Commit
	commits    chan Commit
	committed  chan error

	stopping bool
	inDoubt  []Claim // items in doubt that a run which stops leaves unsettled
	err      error   // why the run stops
	released bool    // the last commit of a stopped run was tried
	lost     bool    // and it failed
	grace    *time.Timer
}

// New returns an Engine with the defaults filled in.
func New(o Options) *Engine {
	o.InFlight = max(o.InFlight, 1)
	if o.Chunk <= 0 {
		o.Chunk = 64
	}
	if o.RunAhead == 0 {
		o.RunAhead = 16 * o.Chunk
	}
	if o.CommitEvery <= 0 {
		o.CommitEvery = 100 * time.Millisecond
	}
	if o.CommitBytes <= 0 {
		o.CommitBytes = 32 << 20
	}
	if o.Grace <= 0 {
		o.Grace = 30 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Engine{
		o:        o,
		progress: progress{known: o.Next},
		mark:     newMark(o.Mark, o.Settled),
		next:     o.Next,
		// One commit is under way at a time, so neither channel ever blocks its sender.
		commits:   make(chan Commit, 1),
		committed: make(chan error, 1),
	}
}

// Run works until the source has ended and everything is settled (nil), until
// stop is done and the calls in flight came back (ErrStopped), or until
// something ends the run: an error of the source, the sink, the guard or a
// worker. When ctx ends, calls in flight are cancelled at once; their outcomes
// are still committed.
func (e *Engine) Run(ctx context.Context, stop context.Context) error {
	// Work is cancelled by e.cancel alone, so that an outcome that arrives at
	// the moment of the hard stop is kept.
	workCtx, cancelWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelWork(nil)
	feedCtx, stopFeed := context.WithCancel(ctx)
	defer stopFeed()

	work := make(chan Item)
	results := make(chan worked, e.o.InFlight)
	for range e.o.InFlight {
		go func() {
			for item := range work {
				out, err := e.o.Worker.Do(workCtx, item)
				results <- worked{item, out, err}
			}
		}()
	}
	chunks := make(chan drawn)
	fed := make(chan struct{})
	go func() { defer close(fed); e.feed(feedCtx, chunks) }()
	commitsDone := make(chan struct{})
	go func() { defer close(commitsDone); e.commitLoop(context.WithoutCancel(ctx)) }()

	e.due, e.grace, e.waiting.timer = stopped(), stopped(), stopped()
	e.loop(ctx, stop, work, results, chunks, cancelWork)

	stopFeed()
	close(work)
	close(e.commits)
	<-fed
	<-commitsDone
	e.due.Stop()
	e.grace.Stop()
	e.waiting.timer.Stop()
	return e.err
}

// stopped is a timer that does not run.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// loop is the one goroutine that owns the engine's state.
func (e *Engine) loop(ctx, stop context.Context, work chan<- Item, results <-chan worked, chunks <-chan drawn, cancelWork context.CancelCauseFunc) {
	ended := false // the source has no more
	hard, soft := ctx.Done(), stop.Done()
	cancel := func(cause error) {
		if e.o.Cancel != nil {
			e.o.Cancel(cause)
		}
		cancelWork(cause)
	}
	for {
		e.advance()
		if e.finished(ended) {
			return
		}
		var toWorker chan<- Item
		var head Item
		if len(e.queue) > 0 && !e.stopping && !e.full() {
			toWorker, head = work, e.queue[0]
		}
		var fromFeed <-chan drawn
		if e.chunk == nil && !ended && !e.stopping {
			fromFeed = chunks
		}
		select {
		case toWorker <- head:
			e.queue = e.queue[1:]
			e.working++
		case w := <-results:
			e.working--
			e.settle(w)
		case d := <-fromFeed:
			e.chunk = d.items
			if errors.Is(d.err, io.EOF) {
				ended = true
			} else if d.err != nil {
				e.halt(fmt.Errorf("draw items: %w", d.err))
			}
		case err := <-e.committed:
			e.acknowledge(err)
		case <-e.due.C:
			e.dueSet = false
			e.submit()
		case <-e.waiting.timer.C:
			e.queue = append(e.waiting.ripe(time.Now()), e.queue...)
			e.noteWaiting(len(e.waiting.items))
		case <-soft:
			soft = nil
			e.halt(ErrStopped)
		case <-e.grace.C:
			cancel(errors.New("the call did not come back within the grace after the stop"))
		case <-hard:
			hard = nil
			e.halt(ErrStopped)
			cancel(context.Cause(ctx))
		}
	}
}

// advance takes the drawn chunk on: its settled items become outcomes, the
// others are claimed, or queued at once where no claim is needed.
func (e *Engine) advance() {
	if e.chunk == nil || e.stopping || len(e.queue) >= e.o.Chunk || e.claiming != nil {
		return
	}
	if len(e.chunk) == 0 {
		e.chunk = nil
		return
	}
	from, to := e.chunk[0].Seq, e.chunk[len(e.chunk)-1].Seq+1
	// A chunk that begins at the mark always goes on, whatever its length,
	// or nothing would ever move the mark.
	ahead := e.o.RunAhead > 0 && from > e.mark.at && to-e.mark.at > int64(e.o.RunAhead)
	if ahead || e.full() {
		return
	}
	var todo []Item
	for _, item := range e.chunk {
		if item.Settled != nil {
			e.keep(*item.Settled)
		} else {
			todo = append(todo, item)
		}
	}
	e.chunk = nil
	switch {
	case len(todo) == 0:
	case e.o.Idempotent:
		e.queue = append(e.queue, todo...)
	default:
		// Invariant 2: the items stay here until their claim is on disk.
		e.claiming = todo
		e.batch.Claim = &Claim{Range{from, to}, e.o.Clock().UTC()}
		e.submit()
	}
}

// settle takes what a worker brought back.
func (e *Engine) settle(w worked) {
	var deferred *Deferred
	switch {
	case errors.As(w.err, &deferred):
		w.item.Doubt = &deferred.Doubt
		e.postpone(w.item, deferred.For)
		if deferred.Lost != nil {
			e.guard(*deferred.Lost)
		}
	case errors.Is(w.err, ErrReleased):
		e.doubt(w.item)
		e.halt(ErrStopped)
	case w.err != nil:
		e.doubt(w.item)
		e.halt(w.err)
	default:
		w.outcome.Seq, w.outcome.Key = w.item.Seq, w.item.Key
		for i := range w.outcome.Follow {
			w.outcome.Follow[i].Seq = e.next
			e.next++
		}
		e.noteKnown(e.next)
		e.batch.Items = append(e.batch.Items, w.outcome.Follow...)
		// In front of the others: what belongs together is done together, so
		// records of one partition lie in few commits.
		if len(w.outcome.Follow) > 0 {
			e.queue = append(slices.Clone(w.outcome.Follow), e.queue...)
		}
		e.keep(w.outcome)
		if w.item.Doubt == nil || w.outcome.State != InDoubt { // else its calls were shown when they were lost
			e.guard(w.outcome)
		}
	}
}

// guard shows the guard what came of a call. What a stop cuts off would look
// like an outage.
func (e *Engine) guard(o Outcome) {
	if e.o.Guard == nil || e.stopping {
		return
	}
	if err := e.o.Guard(o); err != nil {
		e.halt(err)
	}
}

func (e *Engine) keep(o Outcome) {
	if o.FinishedAt.IsZero() {
		o.FinishedAt = time.Now().UTC()
	}
	e.mark.settle(o.Seq)
	e.count(o)
	for _, r := range o.Records {
		e.batchBytes += r.Size
	}
	o.Follow = nil // they are in the commit's items
	e.batch.Outcomes = append(e.batch.Outcomes, o)
	e.submitIfDue()
}

// submitIfDue submits a batch that is large enough, and sees to it that a
// smaller one does not wait beyond its time.
func (e *Engine) submitIfDue() {
	if len(e.batch.Outcomes) >= e.o.Chunk && !e.slow() || e.batchBytes >= e.o.CommitBytes {
		e.submit()
	} else if !e.dueSet && !e.empty() {
		e.dueSet = true
		e.due.Reset(e.o.CommitEvery)
	}
}

// slow says that commits wait for their time or size, not for a number of
// outcomes: so it is where outcomes bring records, whose segments ought to be large.
func (e *Engine) slow() bool { return e.batchBytes > 0 || e.o.Idempotent }

// full says that so much waits for the commit under way that workers must wait too.
func (e *Engine) full() bool {
	return e.committing && (len(e.batch.Outcomes) >= 8*max(e.o.Chunk, 1024) || e.batchBytes >= e.o.CommitBytes)
}

// submit hands the batch to the committer, unless a commit is under way: then
// acknowledge comes back here.
func (e *Engine) submit() {
	if e.committing || e.empty() || e.failedCommit() {
		return
	}
	e.batch.Mark = e.mark.at
	e.sending, e.batch, e.batchBytes = e.batch, Commit{}, 0
	e.committing = true
	if e.dueSet {
		e.dueSet = false
		e.due.Stop()
	}
	e.commits <- e.sending
}

func (e *Engine) empty() bool {
	return len(e.batch.Outcomes) == 0 && e.batch.Claim == nil && !e.batch.Release
}

// acknowledge takes the result of the commit under way.
func (e *Engine) acknowledge(err error) {
	e.committing = false
	if err != nil {
		e.commitFailed(err)
		return
	}
	e.noteMark(e.sending.Mark)
	if e.sending.Claim != nil {
		e.queue = append(e.queue, e.claiming...)
		e.claiming = nil
	}
	e.sending = Commit{}
	if e.batch.Claim != nil {
		e.submit()
	} else {
		e.submitIfDue()
	}
}

// halt begins the stop: nothing new is begun, those who wait are let go, calls
// in flight have the grace. The first reason is the one that is reported,
// except that a cause beats a mere stop.
func (e *Engine) halt(err error) {
	if e.err == nil || errors.Is(e.err, ErrStopped) && !errors.Is(err, ErrStopped) {
		e.err = err
	}
	if e.stopping {
		return
	}
	e.stopping = true
	e.doubt(e.queue...)
	e.doubt(e.waiting.all()...)
	e.queue, e.chunk = nil, nil
	e.grace.Reset(e.o.Grace)
	if e.o.Quiet != nil {
		e.o.Quiet()
	}
}
