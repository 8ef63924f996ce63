package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// EachRow is what the kinds have in common that make one call for each row and
// leave its answer in results. A kind embeds it, and its Check says which call
// that is.
type EachRow struct {
	From sources.Spec `yaml:"from" doc:"Where the rows come from." required:"true"`
	Key  string       `yaml:"key" doc:"The column that names a row." required:"true" example:"id"`

	call    rowCall
	inDoubt string // what becomes of a row whose call may have taken effect; hold unless the kind asks
	after   Duration
	once    bool   // a key that was done is not done again by later runs
	missing string // of deletions: what an answer 404 means
	ref     string // where the answer has the id of what the call brought about; "" for nowhere
	proof   bool   // an answer without it is not the API's
	// look finds what a call whose answer was lost has brought about; see
	// finder. Without it nothing can be found.
	look func(ctx context.Context, env Env, call client.Call, d pipeline.Doubt) (id string, err error)
}

// What an answer 404 to a deletion means.
const (
	missingFails = "fail" // a wrong id, region or project
	missingDone  = "done" // it is gone, which is what was wanted
)

// callParts says which call a kind makes.
type callParts struct {
	operation client.Operation
	params    []keyed           // of the path, by the names that the job has for them
	names     map[string]string // these → the API's
	paramsAt  RequestNode       // or else they stand at params
	fixed     url.Values        // of the query, the same for every row
	masked    bool              // it changes the members that its body has, and no other
	query     RequestNode
	body      RequestNode              // stands at request
	finish    func(*client.Call) error // of what the templates made; may be nil
}

// calls compiles the call of the kind and reports what is wrong with it.
func (e *EachRow) calls(c *Checker, p callParts) {
	c.Source("from", e.From)
	e.call = rowCall{operation: p.operation, project: c.Project(), app: c.App(), names: p.names, fixed: p.fixed, masked: p.masked, finish: p.finish}
	e.call.params.request = c.Texts(p.params...)
	if p.params == nil {
		e.call.params.request = c.Request("params", p.paramsAt)
	}
	e.call.query.request = c.Request("query", p.query)
	e.call.body.request = c.Request("request", p.body)
}

// Input returns the rows.
func (e *EachRow) Input() (sources.Spec, string) { return e.From, e.Key }

// Columns binds the call to the columns of the input.
func (e *EachRow) Columns(columns []sources.Column) error { return e.call.bind(columns) }

// Digest changes with the call, the app or the key.
func (e *EachRow) Digest() string { return digest(e.call.digest(), e.call.app, e.Key) }

// Once says whether a key that was done stays so for ever.
func (e *EachRow) Once() bool { return e.once }

// Idempotent says that doing a row twice does no harm and ends alike. Of a
// deletion the second answer is another: that it may have happened is kept in
// mind as it is for what must not happen twice.
func (e *EachRow) Idempotent() bool { return e.call.operation.Idempotent && e.missing == "" }

// Findable is whether there is somewhere to look.
func (e *EachRow) Findable([]byte) bool { return e.call.operation.Idempotent || e.look != nil }

// Prepare returns the call of a row as JSON: method, path and body.
func (e *EachRow) Prepare(row sources.Row) ([]byte, error) {
	call, err := e.call.render(row)
	if err != nil {
		return nil, err
	}
	return e.call.show(call)
}

// Open returns the worker that makes the calls.
func (e *EachRow) Open(_ context.Context, env Env) (pipeline.Worker, error) {
	began := time.Now() // the processes before this one ended earlier
	return pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
		row, ok := item.Data.(sources.Row)
		if !ok {
			return pipeline.Outcome{}, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		call, err := e.call.render(row)
		if err != nil {
			return unsent(item, row, err), nil
		}
		if e.call.operation.Idempotent {
			return e.repeatable(ctx, env, item, call)
		}
		out, err := e.careful(env, began, call).do(ctx, item, nil, "")
		return e.named(out), err
	}), nil
}

// repeatable makes a call that may be repeated. Of a deletion that may have
// happened before an answer 404 says that it has.
func (e *EachRow) repeatable(ctx context.Context, env Env, item pipeline.Item, call client.Call) (pipeline.Outcome, error) {
	resp, err := e.call.make(ctx, env.Client, call)
	var refusal *client.Error
	if errors.As(err, &refusal) && e.missing != "" && refusal.Intent == client.Failed && refusal.Status == http.StatusNotFound {
		switch {
		case refusal.Unsure || item.Doubt != nil:
			return wasGone(refusal, "it was gone: an earlier call whose answer was lost deleted it"), nil
		case e.missing == missingDone:
			return wasGone(refusal, "it was not there"), nil
		}
	}
	out, err := settle(resp, err)
	return e.named(out), err
}

// wasGone is the outcome of a deletion of what is not there.
func wasGone(e *client.Error, why string) pipeline.Outcome {
	return pipeline.Outcome{State: pipeline.Done, HTTPStatus: e.Status, Attempts: e.Attempts, Error: why}
}

// named adds the id that the answer has, where it says one.
func (e *EachRow) named(out pipeline.Outcome) pipeline.Outcome {
	if out.State == pipeline.Done && out.Ref == "" && e.ref != "" {
		out.Ref = gjson.Get(out.Response, e.ref).String()
	}
	return out
}

// careful makes the call of one row that must not happen twice.
func (e *EachRow) careful(env Env, began time.Time, call client.Call) *careful {
	c := &careful{
		mode: e.inDoubt, after: e.after.Duration(), now: env.Client.Now,
		call: func(ctx context.Context, _ []byte) (client.Response, error) {
			return e.call.make(ctx, env.Client, call)
		},
	}
	if c.mode == "" {
		c.mode = inDoubtHold
	}
	if e.proof {
		c.id = e.refOf
	}
	if e.look != nil {
		c.finder = finderFunc(func(ctx context.Context, d pipeline.Doubt) (string, error) {
			// A call may take effect after it ended, and a look see it later still.
			ended := later(d.Ended, began)
			if wait := time.Until(ended.Add(e.after.Duration())); wait > 0 {
				return "", &notYet{wait}
			}
			return e.look(ctx, env, call, d)
		})
	}
	return c
}

func (e *EachRow) refOf(r client.Response) string {
	return gjson.GetBytes(r.Body, e.ref).String()
}

// finderFunc finds what the call of one row has brought about.
type finderFunc func(ctx context.Context, d pipeline.Doubt) (string, error)

func (f finderFunc) find(ctx context.Context, _ []byte, _ string, d pipeline.Doubt) (string, error) {
	return f(ctx, d)
}
