package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Engine runs the items of one run. It is used once.
type Engine struct {
	o Options
	progress

	mark    *mark
	next    int64
	queue   []Item  // claimed, waiting for a worker; the items of a group are side by side
	waiting waiting // claimed and in doubt, waiting for their time
	chunk   []Item  // drawn, waiting for its claim
	working int     // groups that are with a worker

	batch      Commit // what the next commit holds
	batchBytes int
	usual      int // outcomes of the commit before
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
	o = o.withDefaults()
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
	do, err := e.workOn()
	if err != nil {
		return err
	}
	// Work is cancelled by e.cancel alone, so that an outcome that arrives at
	// the moment of the hard stop is kept.
	workCtx, cancelWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelWork(nil)
	feedCtx, stopFeed := context.WithCancel(ctx)
	defer stopFeed()

	work := make(chan []Item)
	results := make(chan worked, e.o.InFlight)
	for range e.o.InFlight {
		go func() {
			for items := range work {
				results <- do(workCtx, items)
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
func (e *Engine) loop(ctx, stop context.Context, work chan<- []Item, results <-chan worked, chunks <-chan drawn, cancelWork context.CancelCauseFunc) {
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
		var toWorker chan<- []Item
		var head []Item
		if len(e.queue) > 0 && !e.stopping && !e.full() {
			toWorker, head = work, e.head()
		}
		var fromFeed <-chan drawn
		if e.chunk == nil && !ended && !e.stopping {
			fromFeed = chunks
		}
		select {
		case toWorker <- head:
			e.queue = e.queue[len(head):]
			e.working++
		case w := <-results:
			e.collect(w, results)
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
			e.noteWaiting(e.waiting.items)
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
	from, to := e.chunk[0].Seq, e.chunk[len(e.chunk)-1].Seq+1
	// A chunk that begins at the mark always goes on, whatever its length,
	// or nothing would ever move the mark.
	ahead := e.o.RunAhead > 0 && from > e.mark.at && to-e.mark.at > int64(e.o.RunAhead)
	if ahead || e.full() {
		return
	}
	todo := e.chunk[:0]
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
	}
	e.submitIfDue()
}

// collect settles what a worker brought back, and what others brought meanwhile:
// a round of the loop for each would cost more than the rest of its bookkeeping.
func (e *Engine) collect(w worked, results <-chan worked) {
	for {
		e.working--
		e.settle(w)
		select {
		case w = <-results:
		default:
			return
		}
	}
}

// settle takes what a worker brought back. All outcomes of a group are kept
// before anything is submitted, so they are in one commit.
func (e *Engine) settle(w worked) {
	if w.err != nil {
		e.leave(w.items, w.err)
		return
	}
	for i := range w.items {
		o := w.outcome(i)
		o.Seq, o.Key = w.items[i].Seq, w.items[i].Key
		e.follow(o.Follow)
		e.keep(*o)
	}
	e.submitIfDue()
	for i := range w.items {
		// Of an item that is still in doubt, the calls were shown when they were lost.
		if o := w.outcome(i); w.items[i].Doubt == nil || o.State != InDoubt {
			e.guard(*o)
		}
	}
}

// follow queues and keeps the items that an outcome gave rise to.
func (e *Engine) follow(items []Item) {
	if len(items) == 0 {
		return
	}
	for i := range items {
		items[i].Seq = e.next
		e.next++
	}
	e.noteKnown(e.next)
	e.batch.Items = append(e.batch.Items, items...)
	// In front of the others: what belongs together is done together, so
	// records of one partition lie in few commits.
	e.queue = append(slices.Clone(items), e.queue...)
}

// leave takes items that come back unsettled.
func (e *Engine) leave(items []Item, err error) {
	var deferred *Deferred
	switch {
	case errors.As(err, &deferred):
		for i := range items {
			items[i].Doubt = &deferred.Doubt
		}
		e.postpone(items, deferred.For)
		if deferred.Lost != nil {
			e.guard(*deferred.Lost)
		}
	case errors.Is(err, ErrReleased):
		e.doubt(items...)
		e.halt(ErrStopped)
	default:
		e.doubt(items...)
		e.halt(err)
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
	e.doubt(e.waiting.take(len(e.waiting.groups))...)
	e.queue, e.chunk = nil, nil
	e.grace.Reset(e.o.Grace)
	if e.o.Quiet != nil {
		e.o.Quiet()
	}
}
