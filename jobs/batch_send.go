package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// GroupsInFlight is how many groups are worked on at once. Each is a thousand
// rows that are in doubt when a process dies, and more would not be faster: an
// app sends slower than a single caller can hand it batches.
const GroupsInFlight = 4

// furthestSend is how far ahead the API schedules a batch.
const furthestSend = 7 * day

// checkBatch compiles the request for the Batch API and reports what is not for
// it. Its keys mean nothing in mode: single.
func (b *BulkSend) checkBatch(c *Checker) {
	if b.Mode != modeBatch {
		for _, key := range []string{"send_after", "batch_size"} {
			if c.Has(key) {
				c.Problem(key, "is for mode: batch")
			}
		}
		return
	}
	if b.Hours != nil && c.Has("send_after") {
		c.Problem("hours", "are when calls are made, and send_after is when the messages are sent: leave one of them out")
	}
	if b.request != nil {
		b.batch = c.batchRequest(b.Request.with("app_id", b.app))
	}
}

// Group is how many rows one call sends.
func (b *BulkSend) Group() int {
	if b.Mode != modeBatch {
		return 1
	}
	return b.Size
}

// Whole returns the body of the call that sends rows of a group, given their
// numbers and what Prepare returned for them: as it would be if it were made now.
func (b *BulkSend) Whole(run string, rows []int64, parts [][]byte, now time.Time) []byte {
	if b.batch == nil {
		return parts[0]
	}
	return b.batch.whole(b.groupToken(run, rows[0]), b.SendAfter.ahead(now), rows, parts)
}

// groupToken is the token of the group that a row belongs to.
func (b *BulkSend) groupToken(run string, row int64) string {
	return batchToken(b.job, run, row/int64(b.Size))
}

// checkSendAfter refuses a time that the API would refuse.
func (b *BulkSend) checkSendAfter(now time.Time) error {
	if t := time.Time(b.SendAfter); t.Sub(now) > furthestSend {
		return fmt.Errorf("send_after is %s: the API takes at most 7 days ahead", t.Format(time.RFC3339))
	}
	return nil
}

// batchSender is the worker of mode: batch.
type batchSender struct {
	kind  *BulkSend
	env   Env
	queue *appQueue
	found *sentBatches
}

// openBatch returns the worker that sends groups of rows. It reads the app
// first, for its queue, and so that the API's clock is known: a claim without a
// time is that of another request, and not looked for.
func (b *BulkSend) openBatch(ctx context.Context, env Env) (pipeline.Worker, error) {
	app, err := env.Client.GetApp(ctx, b.app)
	var e *client.Error
	if err != nil && (!errors.As(err, &e) || !refused(e)) {
		return nil, unsettled(err)
	}
	w := &batchSender{kind: b, env: env, found: newSentBatches(env.Client, b.After.Duration())}
	scheduled := b.SendAfter.ahead(env.Now()) != ""
	if !scheduled { // what is scheduled is not in the queue yet
		messages := env
		messages.InFlight = min(max(env.InFlight, 1), GroupsInFlight) * b.Size
		w.queue = watchQueue(b.AppQueue, messages)
	}
	if err == nil {
		w.queue.seen(app)
	}
	if t := time.Time(b.SendAfter); !t.IsZero() && !scheduled {
		env.Log.Warn("send_after is over: messages are sent at once", "send_after", t.Format(time.RFC3339))
	}
	return w, nil
}

// Do sends a row in a batch of its own.
func (w *batchSender) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	outcomes, err := w.DoGroup(ctx, []pipeline.Item{item})
	if err != nil {
		return pipeline.Outcome{}, err
	}
	return outcomes[0], nil
}

// batchPart is what a call has for one item of a group.
type batchPart struct {
	item int // which of the group
	seq  int64
	body []byte
}

// DoGroup sends the rows of a group with one call. Rows that can not be sent
// are not part of it, and those that the API refuses by name are left out of
// another. Only one call of a group is ever accepted: when the batch of an
// earlier one is found, the rows that it had are done, and the others were not
// sent.
func (w *batchSender) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	outcomes := make([]pipeline.Outcome, len(items))
	token, doubt := w.kind.groupToken(w.env.RunID, items[0].Seq), doubtOf(items)
	looks := doubt != nil && w.kind.InDoubt != inDoubtResend
	var found *sentBatch
	if looks {
		batch, held, err := w.look(ctx, token, items, *doubt)
		switch {
		case err != nil:
			return nil, err
		case held != nil:
			return slices.Repeat([]pipeline.Outcome{*held}, len(items)), nil
		}
		found = batch
	}
	var rest []batchPart
	for i, item := range items {
		if ref := found.ref(item.Seq); ref != "" {
			outcomes[i] = pipeline.Outcome{State: pipeline.Done, Attempts: doubt.Attempts, Ref: ref}
			continue
		}
		row, ok := item.Data.(sources.Row)
		if !ok {
			return nil, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		if looks {
			item.Doubt = nil // it was not sent: now that is known
		}
		part, err := w.kind.Prepare(row)
		switch {
		case err != nil:
			outcomes[i] = unsent(item, row, err)
		case found != nil:
			outcomes[i] = leftOut(found.id)
		default:
			rest = append(rest, batchPart{i, item.Seq, part})
		}
	}
	for refused := 0; len(rest) > 0; refused++ {
		var err error
		if rest, err = w.send(ctx, token, rest, doubt, outcomes, refused < mostRefused); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// leftOut is the outcome of a row that the call of its group went out without,
// in a process that died before it could say why.
func leftOut(batch string) pipeline.Outcome {
	return pipeline.Outcome{
		State: pipeline.Failed,
		Error: "not sent: batch " + batch + " of its group went out without it, since the API had refused it or it was suppressed then; `batch retry` sends it",
	}
}

// look finds the batch of a group in doubt; nil when nothing was sent. held is
// what becomes of all its rows when that can not be told.
func (w *batchSender) look(ctx context.Context, token string, items []pipeline.Item, d pipeline.Doubt) (found *sentBatch, out *pipeline.Outcome, err error) {
	if w.kind.InDoubt == inDoubtHold {
		all := held(d, errors.New("it was not repeated"))
		return nil, &all, nil
	}
	rows := make(batchRows, len(items))
	for i, item := range items {
		rows[i] = item.Seq
	}
	found, err = w.found.find(ctx, token, rows, d)
	if err == nil {
		return found, nil, nil
	}
	all, err := w.caller().unseen(err, d)
	return nil, &all, err
}

// send makes a call for rows, and settles them. It returns those that are to be
// sent with another, because the API refused others by name, if that is asked
// for.
func (w *batchSender) send(ctx context.Context, token string, parts []batchPart, d *pipeline.Doubt, outcomes []pipeline.Outcome, again bool) (rest []batchPart, err error) {
	batch := sentBatch{}
	var bodies [][]byte
	for _, p := range parts {
		batch.rows, bodies = append(batch.rows, p.seq), append(bodies, p.body)
	}
	var refused *client.Error
	var began time.Time
	caller := w.caller()
	caller.call = func(ctx context.Context, body []byte) (resp client.Response, err error) {
		w.found.calling(1)
		defer w.found.calling(-1)
		if err := w.queue.admit(ctx, len(parts)); err != nil {
			return resp, err
		}
		began = time.Now()
		resp, err = w.env.Client.SendBatch(ctx, body)
		errors.As(err, &refused)
		return resp, err
	}
	caller.witness = func(id string, _ []byte) { w.found.accepted(token, id, began) }
	all, err := caller.send(ctx, w.kind.Whole(w.env.RunID, batch.rows, bodies, w.env.Now()), d)
	if err != nil {
		return nil, err
	}
	var named map[int]*client.Error
	if again {
		named = namedRows(refused, namedRecipient, len(parts))
	}
	batch.id = all.Ref
	all = refusedWhole(all, refused, len(parts))
	for i, p := range parts {
		if len(named) > 0 && named[i] == nil {
			rest = append(rest, p)
			continue
		}
		out := all
		switch {
		case named[i] != nil:
			out.Error = named[i].Error()
		case batch.id != "":
			out.Ref = batch.ref(p.seq)
		}
		outcomes[p.item] = out
	}
	return rest, nil
}

// caller makes calls, once it has one to make.
func (w *batchSender) caller() *careful {
	return &careful{
		mode: w.kind.InDoubt, after: w.kind.After.Duration(), now: w.env.Client.Now,
		id: func(r client.Response) string { return gjson.GetBytes(r.Body, "batch_id").String() },
	}
}

// doubtOf is what is known of the call of a group; nil when there was none.
func doubtOf(items []pipeline.Item) *pipeline.Doubt {
	var all *pipeline.Doubt
	for _, item := range items {
		d := item.Doubt
		switch {
		case d == nil:
		case all == nil:
			first := *d
			all = &first
		case d.Since.Before(all.Since): // as a zero time is: it is not known
			all.Since = d.Since
		}
	}
	return all
}
