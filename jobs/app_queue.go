package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
)

const (
	// How often the queue is looked at while it is full.
	soonestReading = 5 * time.Second
	latestReading  = time.Minute
	// freshReading is how long a reading counts: others may send by the app too.
	freshReading = time.Minute
)

// appQueue keeps sends from filling the queue in which an app's messages wait
// for their channel: it lets a number of them through, reads the app, and when
// there is little room waits until the queue has drained a little. Many
// goroutines may use one.
type appQueue struct {
	api      *client.Client
	app      string
	inFlight int // sends that may be on the wire at once, and so not yet be counted
	log      *slog.Logger

	blind atomic.Bool // nothing can be read: sends are not held

	mu      sync.Mutex
	budget  int64     // sends until the next reading
	expires time.Time // when there is another in any case
	reading *reading  // nil when nobody reads
}

// reading is one look at the app, for all who wait for it.
type reading struct {
	done chan struct{} // closed when err is settled
	err  error
}

// watchQueue returns the queue of the job's app, nil when the job ignores it.
func watchQueue(mode string, env Env) *appQueue {
	if mode == "ignore" {
		return nil
	}
	return &appQueue{api: env.Client, app: env.App, inFlight: max(env.InFlight, 1), log: env.Log}
}

// admit returns nil when n messages may be sent by one call. An error says that
// it must not be made, because the run is stopping or ends. A nil queue admits
// everything.
func (q *appQueue) admit(ctx context.Context, n int) error {
	for q != nil && !q.blind.Load() {
		r, leads := q.take(n)
		switch {
		case r == nil:
			return nil
		case leads:
			q.read(ctx, r)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", pipeline.ErrReleased, context.Cause(ctx))
		}
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// take takes n sends from the budget, the last of them on credit, and returns
// nil, or the reading to wait for, which the caller may have to make.
func (q *appQueue) take(n int) (r *reading, leads bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.reading != nil:
		return q.reading, false
	case q.budget > 0 && time.Now().Before(q.expires):
		q.budget -= int64(n)
		return nil, false
	}
	q.reading = &reading{done: make(chan struct{})}
	return q.reading, true
}

// read finds out how many messages may be sent, for all who wait for r.
func (q *appQueue) read(ctx context.Context, r *reading) {
	budget, err := q.room(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.budget, q.expires, q.reading = budget, time.Now().Add(freshReading), nil
	r.err = err
	close(r.done)
}

// room reads the app until there is room in its queue, and returns how many
// messages may be sent. Where it can not be read it gives up watching: a full
// queue then answers 429, which holds sends as well.
func (q *appQueue) room(ctx context.Context) (int64, error) {
	for {
		app, err := q.api.GetApp(ctx, q.app)
		var e *client.Error
		switch {
		case errors.As(err, &e) && e.Intent != client.Failed:
			return 0, unsettled(err)
		case err != nil:
			q.giveUp(slog.LevelWarn, err.Error())
			return 0, nil
		case q.blank(app):
			return 0, nil
		}
		budget, wait := q.plan(app)
		if wait == 0 {
			return budget, nil
		}
		err = q.api.Wait(ctx, client.Pause{
			Why:   fmt.Sprintf("the app's queue has too little room: %d of %d places are taken", app.QueueSize, app.QueueLimit),
			Until: time.Now().Add(wait),
		})
		if err != nil {
			return 0, unsettled(err)
		}
	}
}

// blank gives up watching when the app does not tell, as on older servers.
func (q *appQueue) blank(app client.App) bool {
	if app.QueueLimit > 0 {
		return false
	}
	q.giveUp(slog.LevelInfo, "the server does not say how full it is")
	return true
}

// seen takes an app that was read for other reasons, before the first send, as
// the first reading.
func (q *appQueue) seen(app client.App) {
	if q == nil || q.blank(app) {
		return
	}
	if budget, wait := q.plan(app); wait == 0 {
		q.budget, q.expires = budget, time.Now().Add(freshReading)
	}
}

// plan says how many messages may be sent until the next reading or, where
// there is no room for any, how long to wait for it.
//
// A reserve stays free, for sends on the wire that are not counted yet, and half
// of the rest is left to others who send by the app. Little room counts as none,
// or each message would be read about as the queue lets one out.
func (q *appQueue) plan(app client.App) (budget int64, wait time.Duration) {
	atOnce := int64(q.inFlight)
	reserve := min(max(app.QueueLimit/100, 2*atOnce), app.QueueLimit/2)
	room := app.QueueLimit - app.QueueSize - reserve
	least := max(min(atOnce, (app.QueueLimit-reserve)/2), 1)
	switch {
	case room >= least:
		return max(room/2, least), 0
	case app.OutboundRate <= 0:
		return 0, latestReading
	}
	seconds := float64(max(reserve, least)-room) / app.OutboundRate // until there is room for as much again
	return 0, min(max(time.Duration(seconds*float64(time.Second)), soonestReading), latestReading)
}

func (q *appQueue) giveUp(level slog.Level, why string) {
	q.blind.Store(true)
	q.log.Log(context.Background(), level, "the app's queue is not watched; when it is full, sends wait by its 429", "reason", why)
}
