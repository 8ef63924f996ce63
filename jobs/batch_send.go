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

// Whole returns the body of the call that sends a group, given what Prepare
// returned for its rows: as it would be if it were made now.
func (b *BulkSend) Whole(run string, group int64, parts [][]byte, now time.Time) []byte {
	if b.batch == nil {
		return parts[0]
	}
	return b.batch.whole(batchToken(b.job, run, group), b.SendAfter.ahead(now), parts)
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

// DoGroup sends the rows of a group with one call. Rows that can not be sent
// are not part of it. The items of a group are noted before its call, all of
// them, so when one is in doubt because of a call, all are.
func (w *batchSender) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	outcomes := make([]pipeline.Outcome, len(items))
	var parts [][]byte
	var sent []int // which of items are part of the call
	for i, item := range items {
		row, ok := item.Data.(sources.Row)
		if !ok {
			return nil, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		part, err := w.kind.Prepare(row)
		if err != nil {
			outcomes[i] = unsent(item, row, err)
			continue
		}
		parts, sent = append(parts, part), append(sent, i)
	}
	if len(parts) == 0 {
		return outcomes, nil
	}
	group := items[0].Seq / int64(w.kind.Size)
	body := w.kind.Whole(w.env.RunID, group, parts, w.env.Now())
	token := batchToken(w.kind.job, w.env.RunID, group)
	all, err := w.sender(token, len(parts)).do(ctx, pipeline.Item{Seq: items[0].Seq, Doubt: doubtOf(items)}, body, token)
	if err != nil {
		return nil, err
	}
	for index, i := range sent {
		outcomes[i] = all
		if all.Ref != "" {
			outcomes[i].Ref = fmt.Sprintf("%s:%d", all.Ref, index)
		}
	}
	return outcomes, nil
}

// sender makes the call of one group, of n messages.
func (w *batchSender) sender(token string, n int) *careful {
	var began time.Time
	return &careful{
		mode: w.kind.InDoubt, after: w.kind.After.Duration(), now: w.env.Client.Now, finder: w.found,
		call: func(ctx context.Context, body []byte) (client.Response, error) {
			w.found.calling(1)
			defer w.found.calling(-1)
			if err := w.queue.admit(ctx, n); err != nil {
				return client.Response{}, err
			}
			began = time.Now()
			return w.env.Client.SendBatch(ctx, body)
		},
		id:      func(r client.Response) string { return gjson.GetBytes(r.Body, "batch_id").String() },
		witness: func(string, []byte) { w.found.accepted(token, began) },
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
