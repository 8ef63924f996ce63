package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// mostConsents is how many consent records one call takes.
const mostConsents = 1000

func (k *OptoutSync) batched() bool { return k.Mode == modeBatch }

// Group is how many rows one call changes.
func (k *OptoutSync) Group() int {
	if k.batched() {
		return mostConsents
	}
	return 1
}

// Gathers returns, in mode: batch, which rows of the shaped input ask for a
// change. A list has few that do among many, and these are anywhere.
func (k *OptoutSync) Gathers() func(sources.Row) bool {
	if !k.batched() {
		return nil
	}
	return func(row sources.Row) bool { return row.Values[k.change] == consentOut }
}

// Whole returns the call of a group, given what Prepare returned for its rows.
// It does not depend on the run and on which rows these are.
func (k *OptoutSync) Whole(_ string, _ []int64, parts [][]byte, _ time.Time) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	const records = "body.consent_records"
	all := make([]string, len(parts))
	for i, part := range parts {
		all[i] = gjson.GetBytes(part, records+".0").Raw
	}
	first, own := string(parts[0]), gjson.GetBytes(parts[0], records)
	return []byte(first[:own.Index] + "[" + strings.Join(all, ",") + "]" + first[own.Index+len(own.Raw):])
}

// Open returns the worker that makes the changes.
func (k *OptoutSync) Open(ctx context.Context, env Env) (pipeline.Worker, error) {
	clock, err := consentClock(ctx, env)
	if err != nil {
		return nil, err
	}
	return &optoutWorker{kind: k, env: env, clock: clock}, nil
}

// optoutWorker makes the changes of an optout_sync.
type optoutWorker struct {
	kind  *OptoutSync
	env   Env
	clock func() time.Time
}

// Do makes the change of a row.
func (w *optoutWorker) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	outcomes, err := w.DoGroup(ctx, []pipeline.Item{item})
	if err != nil {
		return pipeline.Outcome{}, err
	}
	return outcomes[0], nil
}

// DoGroup makes the changes of a group of rows with one call; rows that ask for
// none are not part of it.
//
// The API may refuse the call because of some of them. Those that it names fail,
// and the others are called again, which does no harm to what was applied. Where
// it names none all of them fail: which are at fault is not searched for by
// halves, since most refusals are of what all rows have, such as the app, and a
// search would make two calls of each row. The next run and a retry make what
// failed anew.
func (w *optoutWorker) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	outcomes := make([]pipeline.Outcome, len(items))
	var left []groupedChange
	for i, item := range items {
		row, ok := item.Data.(sources.Row)
		if !ok {
			return nil, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		c, err := w.kind.changeOf(row)
		if err != nil {
			outcomes[i] = unsent(item, row, err)
			if c.state == changeRelease { // the job has it no more
				c.state = consentIn
				outcomes[i].Records = []pipeline.Record{w.kind.consent(w.env, c, w.clock()).record(item.Seq)}
			}
			continue
		}
		left = append(left, groupedChange{c, item.Seq, &outcomes[i]})
	}
	for len(left) > 0 {
		var err error
		if left, err = w.change(ctx, left); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// groupedChange is a change of a row in a group, and where its outcome goes.
type groupedChange struct {
	consentChange
	seq int64
	out *pipeline.Outcome
}

// change makes a call and returns what is to be called again.
func (w *optoutWorker) change(ctx context.Context, all []groupedChange) (again []groupedChange, err error) {
	changes := make([]consentChange, len(all))
	for i, c := range all {
		changes[i] = c.consentChange
	}
	op, call, err := w.kind.callOf(changes)
	if err != nil {
		return nil, err
	}
	resp, refusal := w.env.Client.Call(ctx, op, call)
	out, err := settle(resp, refusal)
	if err != nil {
		return nil, err
	}
	var e *client.Error
	errors.As(refusal, &e)
	if named := namedRows(e, namedConsent, len(all)); len(named) > 0 {
		for i, c := range all {
			if own := named[i]; own != nil {
				*c.out = out
				c.out.Error = own.Error()
			} else {
				again = append(again, c)
			}
		}
		return again, nil
	}
	out.Ref = gjson.Get(out.Response, "request_id").String() // of a registration: consents have none
	at := w.clock()
	for _, c := range all {
		*c.out = out
		if out.State == pipeline.Done {
			c.out.Records = []pipeline.Record{w.kind.consent(w.env, c.consentChange, at).record(c.seq)}
		}
	}
	return nil, nil
}
