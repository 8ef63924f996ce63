package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// contactImporter makes contacts as rows want them. No contact is created
// before it was looked up, and rows that mean the same contact go one after
// another; a row whose call may have taken effect is looked up like any other
// when the server's lists had the time to show what it did.
type contactImporter struct {
	env   Env
	kind  *ContactImport
	match *contactMatcher
	ready time.Time // from then on the lists show what earlier processes did
}

func newContactImporter(ctx context.Context, env Env, k *ContactImport) (*contactImporter, error) {
	ready := env.LastWork.Add(k.After.Duration())
	if wait := time.Until(ready); !env.LastWork.IsZero() && wait > 0 {
		if err := env.Client.Wait(ctx, client.Pause{Why: "the server's lists catch up with the process before", Until: ready}); err != nil {
			return nil, unsettled(err)
		}
	}
	match, err := newContactMatcher(ctx, env, k.Match, k.After.Duration())
	if err != nil {
		return nil, unsettled(err)
	}
	return &contactImporter{env: env, kind: k, match: match, ready: ready}, nil
}

// Do settles one row.
func (w *contactImporter) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	row, ok := item.Data.(sources.Row)
	if !ok {
		return pipeline.Outcome{}, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
	}
	want, err := w.kind.Prepare(row)
	if err != nil {
		return unsent(item, row, err), nil
	}
	if d := item.Doubt; d != nil {
		if w.kind.InDoubt == inDoubtHold {
			return held(*d, errors.New("it was not repeated")), nil
		}
		if wait := time.Until(later(d.Ended.Add(w.kind.After.Duration()), w.ready)); wait > 0 {
			return pipeline.Outcome{}, &pipeline.Deferred{For: wait, Doubt: *d}
		}
	}
	keys := w.match.keys(want)
	defer w.match.lock(keys)()
	found, err := w.match.find(ctx, want, keys)
	switch {
	case err != nil:
		return w.unknown(item, err)
	case len(found) > 1:
		return pipeline.Outcome{State: pipeline.Failed, Error: fmt.Sprintf("%d contacts match, among them %s and %s: merge them (contact_merge), then retry",
			len(found), found[0].id, found[1].id)}, nil
	case len(found) == 0:
		return w.create(ctx, item, want, keys)
	}
	return w.meet(ctx, item, want, found[0])
}

// unknown is what becomes of a row of which nothing can be found out.
func (w *contactImporter) unknown(item pipeline.Item, err error) (pipeline.Outcome, error) {
	out, err := settle(client.Response{}, err)
	if err != nil || item.Doubt == nil {
		return out, err
	}
	d := *item.Doubt
	if d.Looks++; d.Looks > mostLooks { // an outage: the row stays in doubt for the next run
		return pipeline.Outcome{}, fmt.Errorf("look up a contact that may have been created: %s", out.Error)
	}
	return pipeline.Outcome{}, &pipeline.Deferred{For: w.kind.After.Duration(), Doubt: d}
}

// create makes a contact that is not there.
func (w *contactImporter) create(ctx context.Context, item pipeline.Item, want []byte, keys []string) (pipeline.Outcome, error) {
	d := pipeline.Doubt{Since: w.env.Client.Now()}
	if item.Doubt != nil {
		d = *item.Doubt
	}
	resp, err := w.env.Client.CreateContact(ctx, want)
	out, err := settle(resp, err)
	if err != nil {
		return out, err
	}
	id := gjson.GetBytes(resp.Body, "id").String()
	if out.State == pipeline.Done && id == "" {
		out.State, out.Error = pipeline.InDoubt, fmt.Sprintf("the server answered %d without the id of the contact: is the URL a gateway's?", resp.Status)
	}
	d.Attempts += out.Attempts
	lost := out
	out.Attempts, out.Ref = d.Attempts, id
	switch {
	case out.State == pipeline.Done:
		w.match.created(keys, id)
	case out.State == pipeline.InDoubt && w.kind.InDoubt == inDoubtReconcile && d.Calls+1 < mostCalls:
		d.Ended, d.Error, d.Calls = time.Now(), out.Error, d.Calls+1
		return pipeline.Outcome{}, &pipeline.Deferred{For: w.kind.After.Duration(), Doubt: d, Lost: &lost}
	}
	return out, nil
}

// meet does what the job wants of a contact that is there.
func (w *contactImporter) meet(ctx context.Context, item pipeline.Item, want []byte, is foundContact) (pipeline.Outcome, error) {
	var made bool // by a call of this row whose answer was lost
	attempts := 0
	if item.Doubt != nil {
		made, attempts = true, item.Doubt.Attempts
	}
	out := pipeline.Outcome{State: pipeline.Skipped, Ref: is.id, Attempts: attempts}
	switch {
	case w.kind.OnMatch == "skip":
		out.Error = "there already"
	case w.kind.OnMatch == "fail" && !made:
		out.State, out.Error = pipeline.Failed, "there already, and on_match is fail"
	default:
		return w.update(ctx, out, want, is, made)
	}
	if made {
		out.State, out.Error = pipeline.Done, ""
	}
	return out, nil
}

// update changes what differs. A change may be repeated without harm.
func (w *contactImporter) update(ctx context.Context, out pipeline.Outcome, want []byte, is foundContact, made bool) (pipeline.Outcome, error) {
	mask, body, err := contactChange(want, is.body)
	switch {
	case err != nil:
		return out, err
	case len(mask) == 0 && made:
		out.State = pipeline.Done
		return out, nil
	case len(mask) == 0:
		out.Error = "unchanged"
		return out, nil
	}
	resp, err := w.env.Client.UpdateContact(ctx, is.id, mask, body)
	changed, err := settle(resp, err)
	changed.Ref, changed.Attempts = is.id, changed.Attempts+out.Attempts
	return changed, err
}
