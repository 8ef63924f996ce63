package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// contactImporter makes contacts as rows want them. No contact is created
// before it was looked up, and rows that mean the same contact go one after
// another; what a call may have created is looked up when the server's lists
// had the time to show it, by its own row and by every other that means it
// (invariant 5).
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
	match, err := newContactMatcher(ctx, env.Client, k.Match == "identity", k.Mode == modeBatch, k.After.Duration())
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
	if item.Doubt != nil && w.kind.InDoubt == inDoubtHold {
		return held(*item.Doubt, errors.New("it was not repeated")), nil
	}
	keys := w.match.keys(want)
	defer w.match.lock(keys...)()
	out, stale, err := w.settle(ctx, item, want, keys)
	if stale {
		w.match.forget(keys)
		out, _, err = w.settle(ctx, item, want, keys)
	}
	return out, err
}

// settle looks the contacts of a row up and does what is to be done. With stale
// it says that a contact this process remembered is not there any more.
func (w *contactImporter) settle(ctx context.Context, item pipeline.Item, want []byte, keys []string) (out pipeline.Outcome, stale bool, err error) {
	found, err := w.find(ctx, item, want, keys)
	switch {
	case err != nil && item.Doubt != nil:
		out, err = w.creator(keys).unseen(err, *item.Doubt)
	case err != nil:
		out, err = settle(client.Response{}, err)
	case len(found) == 0:
		out, err = w.create(ctx, item, want, keys)
	case len(found) == 1:
		out, err = w.meet(ctx, item, want, keys, found[0])
		stale = found[0].remembered && out.State == pipeline.Failed && out.HTTPStatus == http.StatusNotFound
	default:
		out = ambiguous(found)
	}
	return out, stale, err
}

// ambiguous is the outcome of a row that means several contacts.
func ambiguous(found []foundContact) pipeline.Outcome {
	return pipeline.Outcome{
		State: pipeline.Failed,
		Error: fmt.Sprintf("%d contacts match, %s and %s the first: merge them (contact_merge), then retry", len(found), found[0].id, found[1].id),
	}
}

// find returns the contacts that a row means. A row that is not in doubt itself
// waits for what calls of other rows may have created.
func (w *contactImporter) find(ctx context.Context, item pipeline.Item, want []byte, keys []string) ([]foundContact, error) {
	after := time.Time{}
	if d := item.Doubt; d != nil {
		after = later(d.Ended.Add(w.kind.After.Duration()), w.ready)
	}
	for {
		found, err := w.match.find(ctx, want, keys, after)
		var early *notYet
		if item.Doubt != nil || !errors.As(err, &early) {
			return found, err
		}
		pause := client.Pause{Why: "the server's lists show whether another row's call created the same contact", Until: time.Now().Add(early.wait)}
		if err := w.env.Client.Wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// creator makes the call that must not happen twice.
func (w *contactImporter) creator(keys []string) *careful {
	var made []byte
	return &careful{
		mode: w.kind.InDoubt, after: w.kind.After.Duration(), now: w.env.Client.Now,
		call: func(ctx context.Context, body []byte) (client.Response, error) {
			resp, err := w.env.Client.CreateContact(ctx, body)
			made = resp.Body
			return resp, err
		},
		id:      func(r client.Response) string { return gjson.GetBytes(r.Body, "id").String() },
		witness: func(id string, _ []byte) { w.match.note(keys, id, made) },
	}
}

// create makes a contact that is not there.
func (w *contactImporter) create(ctx context.Context, item pipeline.Item, want []byte, keys []string) (pipeline.Outcome, error) {
	out, err := w.creator(keys).send(ctx, want, item.Doubt)
	var deferred *pipeline.Deferred
	if errors.As(err, &deferred) || err == nil && out.State == pipeline.InDoubt {
		w.match.suspect(keys)
	}
	return out, err
}

// meet does what the job wants of a contact that is there. One that a call of
// this row may have created is as good as created by it.
func (w *contactImporter) meet(ctx context.Context, item pipeline.Item, want []byte, keys []string, is foundContact) (pipeline.Outcome, error) {
	out := pipeline.Outcome{State: pipeline.Skipped, Ref: is.id}
	if item.Doubt != nil {
		out.State, out.Attempts = pipeline.Done, item.Doubt.Attempts
	}
	switch {
	case w.kind.OnMatch == "update":
		return w.update(ctx, out, want, keys, is)
	case item.Doubt != nil:
	case w.kind.OnMatch == "fail":
		out.State, out.Error = pipeline.Failed, "there already, and on_match is fail"
	default:
		out.Error = "there already"
	}
	return out, nil
}

// update changes what differs. A change may be repeated without harm. The list
// of identities is changed as a whole: it is read once more where another row
// may have added to it since.
func (w *contactImporter) update(ctx context.Context, out pipeline.Outcome, want []byte, keys []string, is foundContact) (pipeline.Outcome, error) {
	mask, body := contactChange(want, is.body)
	if (w.match.identity || is.remembered) && slices.Contains(mask, "channel_identities") {
		defer w.match.lock("id:" + is.id)()
		resp, err := w.env.Client.GetContact(ctx, is.id)
		if err != nil {
			return settle(resp, err)
		}
		mask, body = contactChange(want, resp.Body)
	}
	if len(mask) == 0 {
		if out.State == pipeline.Skipped {
			out.Error = "unchanged"
		}
		return out, nil
	}
	resp, err := w.env.Client.UpdateContact(ctx, is.id, mask, body)
	changed, err := settle(resp, err)
	changed.Ref, changed.Attempts = is.id, changed.Attempts+out.Attempts
	if err == nil && changed.State == pipeline.Done {
		w.match.note(keys, is.id, resp.Body)
	}
	return changed, err
}
