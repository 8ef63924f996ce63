package jobs

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// wanted is a thing as a row wants it.
type wanted struct {
	id   string // of the server; empty when the thing is known by what it holds
	body []byte // as the API takes it
}

// thing is something that is on the server.
type thing struct {
	id   string
	body []byte
}

// change is the call that makes a thing as wanted.
type change struct {
	id   string   // what is changed; empty: it is created
	mask []string // the members that differ; none of what is created, or is as wanted
	body []byte
}

// none says that everything is as wanted.
func (c change) none() bool { return c.id != "" && len(c.mask) == 0 }

// things are what an applier makes as rows want it.
type things interface {
	// want is what a row asks for. An error says why the row is invalid.
	want(row sources.Row) (wanted, error)
	// lock keeps rows apart that may mean the same thing.
	lock(w wanted) (unlock func())
	// find returns the things that a row means, as the server has them now,
	// those among them that its lists do not show yet.
	find(ctx context.Context, w wanted) ([]thing, error)
	// decide says what has to be done. An error is *Unsent.
	decide(w wanted, there []thing) (change, error)
	// apply does it.
	apply(ctx context.Context, c change) (client.Response, error)
	// applied takes note of a thing that the lists may not show yet.
	applied(w wanted, id string)
}

// applier makes things as rows want them. No thing is created before it was
// looked for; a row whose call may have taken effect is looked for like any
// other when the server's lists had the time to show what it did.
type applier struct {
	api   *client.Client
	to    things
	after time.Duration // how long the lists may take
	ready time.Time     // from then on they show what earlier processes did

	shown time.Time // from then on they show what calls without an answer did; guarded by the lock of to
}

// newApplier returns once the lists show what earlier processes did.
func newApplier(ctx context.Context, env Env, to things, after time.Duration) (*applier, error) {
	ready := env.LastWork.Add(after)
	if time.Until(ready) > 0 {
		if err := env.Client.Wait(ctx, client.Pause{Why: "the server's lists catch up with the process before", Until: ready}); err != nil {
			return nil, unsettled(err)
		}
	}
	return &applier{api: env.Client, to: to, after: after, ready: ready}, nil
}

// Do settles one row.
func (a *applier) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	row, ok := item.Data.(sources.Row)
	if !ok {
		return pipeline.Outcome{}, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
	}
	w, err := a.to.want(row)
	if err != nil {
		return unsent(item, row, err), nil
	}
	if d := item.Doubt; d != nil {
		if wait := time.Until(later(d.Ended.Add(a.after), a.ready)); wait > 0 {
			return pipeline.Outcome{}, &pipeline.Deferred{For: wait, Doubt: *d}
		}
	}
	defer a.to.lock(w)()
	if err := a.catchUp(ctx); err != nil {
		return pipeline.Outcome{}, unsettled(err)
	}
	there, err := a.to.find(ctx, w)
	if err != nil {
		return a.unknown(item, err)
	}
	c, err := a.to.decide(w, there)
	switch {
	case err != nil:
		return unsent(item, row, err), nil
	case c.none():
		return asWanted(item, c.id), nil
	}
	return a.apply(ctx, item, w, c)
}

// catchUp waits until the lists show what calls of other rows may have created:
// it may be what this row wants.
func (a *applier) catchUp(ctx context.Context) error {
	if time.Until(a.shown) <= 0 {
		return nil
	}
	return a.api.Wait(ctx, client.Pause{Why: "the server's lists show what a call without an answer did", Until: a.shown})
}

// asWanted is the outcome of a row that has nothing to change: by now, when a
// call of it may have taken effect.
func asWanted(item pipeline.Item, id string) pipeline.Outcome {
	if d := item.Doubt; d != nil {
		return pipeline.Outcome{State: pipeline.Done, Attempts: d.Attempts, Ref: id}
	}
	return pipeline.Outcome{State: pipeline.Skipped, Error: unchanged.Reason, Ref: id}
}

// unchanged is the error of a row for which there is nothing to do.
var unchanged = &Unsent{State: pipeline.Skipped, Reason: "unchanged"}

// unknown is what becomes of a row of which nothing can be found out.
func (a *applier) unknown(item pipeline.Item, err error) (pipeline.Outcome, error) {
	out, err := settle(client.Response{}, err)
	if err != nil || item.Doubt == nil {
		return out, err
	}
	d := *item.Doubt
	if d.Looks++; d.Looks > mostLooks { // an outage: the row stays in doubt for the next run
		return pipeline.Outcome{}, fmt.Errorf("look for what may have been created: %s", out.Error)
	}
	return pipeline.Outcome{}, &pipeline.Deferred{For: a.after, Doubt: d}
}

// apply makes the call. A change may be repeated without harm; a creation whose
// answer is lost is looked for later (invariant 5).
func (a *applier) apply(ctx context.Context, item pipeline.Item, w wanted, c change) (pipeline.Outcome, error) {
	d := pipeline.Doubt{Since: a.api.Now()}
	if item.Doubt != nil {
		d = *item.Doubt
	}
	resp, err := a.to.apply(ctx, c)
	out, err := settle(resp, err)
	if err != nil {
		return out, err
	}
	out.Response = string(redact(resp.Body))
	id := cmp.Or(c.id, gjson.GetBytes(resp.Body, "id").String())
	if out.State == pipeline.Done && id == "" {
		out.State, out.Error = pipeline.InDoubt, fmt.Sprintf("the server answered %d without the id of what it created: is the URL a gateway's?", resp.Status)
	}
	lost := out // in case it is
	d.Attempts += out.Attempts
	out.Attempts, out.Ref = d.Attempts, id
	if out.State == pipeline.InDoubt {
		a.shown = time.Now().Add(a.after)
	}
	switch {
	case out.State == pipeline.Done:
		a.to.applied(w, id)
	case out.State == pipeline.InDoubt && d.Calls+1 < mostCalls:
		d.Ended, d.Error, d.Calls = time.Now(), out.Error, d.Calls+1
		return pipeline.Outcome{}, &pipeline.Deferred{For: a.after, Doubt: d, Lost: &lost}
	}
	return out, nil
}
