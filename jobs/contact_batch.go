package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

var createContacts = operation("Batch_CreateContacts")

// shownAfter is for how many times reconcile_after the lists may not show a
// contact whose creation the API has taken on.
const shownAfter = 30

// contactBatcher is contactImporter for groups of rows. Those whose contact is
// there are treated one by one; the others are created with one call. The API
// answers that it has taken the call, and creates the contacts in its own time:
// so a row is done when the lists show its contact. Until then its group waits,
// without a worker, and one listing serves all that wait.
type contactBatcher struct {
	*contactImporter

	mu     sync.Mutex
	groups map[int64]*importGroup // that wait, by the number of their first row
}

// Do settles a row as a group of its own.
func (w *contactBatcher) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	outcomes, err := w.DoGroup(ctx, []pipeline.Item{item})
	if err != nil {
		return pipeline.Outcome{}, err
	}
	return outcomes[0], nil
}

// DoGroup settles a group, which may take several turns.
func (w *contactBatcher) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	g, err := w.group(items)
	if err != nil {
		return nil, err
	}
	defer w.match.lock(g.keys()...)()
	for {
		if err := w.confirm(ctx, g); err != nil {
			return nil, err
		}
		if len(g.open()) == 0 {
			break
		}
		if err := w.turn(ctx, g); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	delete(w.groups, items[0].Seq)
	w.mu.Unlock()
	outcomes := make([]pipeline.Outcome, len(items))
	for i, row := range g.rows {
		outcomes[i] = row.out
	}
	return outcomes, nil
}

// group returns what is known of a group, which is new to this process at first.
func (w *contactBatcher) group(items []pipeline.Item) (*importGroup, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.groups[items[0].Seq]; g != nil {
		return g, nil
	}
	g := &importGroup{}
	for _, item := range items {
		row, ok := item.Data.(sources.Row)
		if !ok {
			return nil, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		r := &importRow{item: item}
		want, err := w.kind.Prepare(row)
		switch {
		case err != nil:
			r.settle(unsent(item, row, err))
		case item.Doubt != nil && w.kind.InDoubt == inDoubtHold:
			r.settle(held(*item.Doubt, errors.New("it was not repeated")))
		default:
			r.want, r.keys = want, w.match.keys(want)
		}
		if d := item.Doubt; d != nil {
			g.after = later(d.Ended.Add(w.kind.After.Duration()), w.ready)
		}
		g.rows = append(g.rows, r)
	}
	w.groups[items[0].Seq] = g
	return g, nil
}

// confirm settles the rows that are on their way, as soon as the lists show them.
func (w *contactBatcher) confirm(ctx context.Context, g *importGroup) error {
	var sent []*importRow
	for _, r := range g.rows {
		if r.sent {
			sent = append(sent, r)
		}
	}
	if len(sent) == 0 {
		return nil
	}
	lag := w.kind.After.Duration()
	if wait := time.Until(g.after); wait > 0 {
		return g.wait(wait, w.env.Client.Now())
	}
	if err := w.match.index.fresh(ctx, g.after); err != nil {
		return w.unlisted(err, g)
	}
	missing := false
	err := w.each(sent, func(r *importRow) error {
		found, err := w.created(ctx, r)
		switch {
		case err != nil:
			return unsettled(err)
		case len(found) > 1:
			r.settle(ambiguous(found))
		case len(found) == 1:
			r.out.Ref = found[0].id
			r.settle(r.out)
		case time.Since(g.taken) > shownAfter*lag:
			r.out.State = pipeline.InDoubt
			r.out.Error = fmt.Sprintf("the API took the call for it, and has not shown the contact for %s: a later run looks again", time.Since(g.taken).Round(time.Second))
			r.settle(r.out)
		}
		return nil
	})
	for _, r := range sent {
		missing = missing || r.sent
	}
	if err == nil && missing {
		g.after = time.Now().Add(lag)
		return g.wait(lag, w.env.Client.Now())
	}
	return err
}

// created returns the contacts of a row that was created. An external_id names
// one by itself; what an identity names has to be seen.
func (w *contactBatcher) created(ctx context.Context, r *importRow) ([]foundContact, error) {
	if ids := w.match.index.of(r.keys); len(ids) == 0 || len(ids) == 1 && !w.match.identity {
		found := make([]foundContact, len(ids))
		for i, id := range ids {
			found[i].id = id
		}
		return found, nil
	}
	return w.match.find(ctx, r.want, r.keys, time.Time{})
}

// unlisted is the error of a group when a listing brought nothing.
func (w *contactBatcher) unlisted(err error, g *importGroup) error {
	var early *notYet
	if errors.As(err, &early) {
		return g.wait(early.wait, w.env.Client.Now())
	}
	return fmt.Errorf("list the contacts: %w", unsettled(err))
}

// turn does what can be done for the rows that are left: it treats those whose
// contact is there, and creates the others. Of rows that have a key in common
// only the first has its turn, so the others find what has come of it.
func (w *contactBatcher) turn(ctx context.Context, g *importGroup) error {
	rows, after := apart(g.open()), g.after
	for _, r := range rows {
		_, _, after = w.match.remembered(r.keys, after)
	}
	if wait := time.Until(after); wait > 0 {
		return g.wait(wait, w.env.Client.Now())
	}
	if err := w.match.index.fresh(ctx, after); err != nil {
		return w.unlisted(err, g)
	}
	if err := w.each(rows, func(r *importRow) error { return w.lookUp(ctx, r) }); err != nil {
		return err
	}
	absent := slices.DeleteFunc(rows, func(r *importRow) bool { return !r.absent })
	for refused := 0; len(absent) > 0; refused++ {
		var err error
		if absent, err = w.create(ctx, g, absent, refused < mostRefused); err != nil {
			return err
		}
	}
	return nil
}

// lookUp settles a row whose contact is there, or says that it is absent.
func (w *contactBatcher) lookUp(ctx context.Context, r *importRow) error {
	found, err := w.match.find(ctx, r.want, r.keys, time.Time{})
	if err != nil {
		return w.unseen(r, err)
	}
	r.absent = len(found) == 0
	switch {
	case r.absent:
	case len(found) > 1:
		r.settle(ambiguous(found))
	default:
		out, err := w.meet(ctx, r.item, r.want, r.keys, found[0])
		if err != nil {
			return err
		}
		if found[0].remembered && out.State == pipeline.Failed && out.HTTPStatus == http.StatusNotFound {
			w.match.forget(r.keys) // it is not there any more: the next turn looks anew
			return nil
		}
		r.settle(out)
	}
	return nil
}

// unseen is what becomes of a row whose look-up failed.
func (w *contactBatcher) unseen(r *importRow, failure error) error {
	r.absent = false
	var out pipeline.Outcome
	var err error
	if r.item.Doubt == nil {
		out, err = settle(client.Response{}, failure)
	} else {
		out, err = w.creator(r.keys).unseen(failure, *r.item.Doubt)
	}
	var early *pipeline.Deferred
	switch {
	case err == nil:
		r.settle(out)
	case errors.As(err, &early):
		r.item.Doubt = &early.Doubt
	}
	return err
}

// create makes the call for rows. It returns those that are to be created with
// another, because the API refused others by name, if that is asked for.
func (w *contactBatcher) create(ctx context.Context, g *importGroup, rows []*importRow, again bool) (rest []*importRow, err error) {
	var bodies [][]byte
	var items []pipeline.Item
	for _, r := range rows {
		bodies, items = append(bodies, r.want), append(items, r.item)
	}
	var refused *client.Error
	caller := &careful{
		mode: w.kind.InDoubt, after: w.kind.After.Duration(), now: w.env.Client.Now,
		call: func(ctx context.Context, body []byte) (client.Response, error) {
			resp, err := w.env.Client.Call(ctx, createContacts, client.Call{Body: body})
			errors.As(err, &refused)
			return resp, err
		},
	}
	all, err := caller.send(ctx, w.kind.Whole("", nil, bodies, time.Time{}), doubtOf(items))
	var lost *pipeline.Deferred
	switch {
	case errors.As(err, &lost):
		for _, r := range rows {
			r.item.Doubt = &lost.Doubt
			w.match.suspect(r.keys)
		}
		g.after = lost.Doubt.Ended.Add(w.kind.After.Duration())
		return nil, err
	case err != nil:
		return nil, err
	case all.State == pipeline.Done:
		return nil, w.took(g, rows, all)
	}
	var named map[int]*client.Error
	if again {
		named = namedRows(refused, namedContact, len(rows))
	}
	all = refusedWhole(all, refused, len(rows))
	for i, r := range rows {
		out := all
		switch {
		case all.State == pipeline.InDoubt:
			w.match.suspect(r.keys)
		case len(named) > 0 && named[i] == nil:
			rest = append(rest, r)
			continue
		case named[i] != nil:
			out.Error = named[i].Error()
		}
		r.settle(out)
	}
	return rest, nil
}

// took sends a group to wait for what the API took on.
func (w *contactBatcher) took(g *importGroup, rows []*importRow, out pipeline.Outcome) error {
	lag := w.kind.After.Duration()
	g.taken = time.Now()
	g.after = g.taken.Add(lag)
	for _, r := range rows {
		r.sent, r.out = true, out
		w.match.suspect(r.keys)
	}
	return g.wait(lag, w.env.Client.Now())
}

// each does something for all rows, as many at a time as the job may have calls
// in flight, shared by the groups. Its error is the first of them.
func (w *contactBatcher) each(rows []*importRow, do func(*importRow) error) error {
	errs := make([]error, len(rows))
	room := make(chan struct{}, max(1, w.env.InFlight/GroupsInFlight))
	var all sync.WaitGroup
	for i, r := range rows {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			errs[i] = do(r)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
