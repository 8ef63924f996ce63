package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// Env is what a job of any kind works with.
type Env struct {
	Client  *client.Client
	Project string
	Region  string // of the API
	App     string
	RunID   string
	// LastWork is when a process worked on the job last; zero when none did. It
	// is now where a process died and left no word.
	LastWork time.Time
	// InFlight is how many items may be worked on at once.
	InFlight int
	Now      func() time.Time
	Log      *slog.Logger

	// Archived returns the ids of the messages in the store, of this app, that
	// were accepted at from or later and before to.
	Archived func(ctx context.Context, from, to time.Time) (map[string]struct{}, error)
	// Newest returns a time after that of every message in the store, of this
	// app; the zero time when there is none.
	Newest func(ctx context.Context) (time.Time, error)
	// Pruned returns the time before which messages were removed from the store:
	// they must not be brought again. The zero time when none were.
	Pruned func() (time.Time, error)
	// Has says whether the store has anything of a dataset, which is less work
	// than a query that finds nothing; nil where that is not known.
	Has func(dataset string) (bool, error)
	// Query runs a read-only query over the views of the store, as they are
	// when it begins, and calls row with each row in order: its values are those
	// of database/sql, a list is []any, a struct map[string]any. An error of row
	// ends it and is returned. Memory does not depend on the number of rows.
	Query func(ctx context.Context, query string, row func(values []any) error) error
}

// Pusher is a kind that makes one item of each row of its input.
type Pusher interface {
	Spec
	// Input says where the rows come from and which column is their key.
	Input() (from sources.Spec, key string)
	// Columns checks that the input has what the job asks for. All that is
	// missing is reported at once.
	Columns(columns []sources.Column) error
	// Digest identifies what would be sent for a row: it changes when the
	// job's request or key does.
	Digest() string
	// Prepare returns the request of a row as it would be sent. An error says
	// why the row is invalid, unless it is *Unsent.
	Prepare(row sources.Row) ([]byte, error)
	// Findable says whether what such a request brings about could be found
	// again, were its answer lost.
	Findable(request []byte) bool
	// Open returns the worker; the Data of its items are sources.Row.
	Open(ctx context.Context, env Env) (pipeline.Worker, error)
	// Idempotent says that doing a row twice does no harm.
	Idempotent() bool
	// Once says that a key which was done, or is in doubt, since an earlier run
	// is not done again.
	Once() bool
}

// Readier is a Pusher that has to learn something of the store or the API
// before it can prepare a row. Ready is called before the first row of a run,
// or of a plan.
type Readier interface {
	Ready(ctx context.Context, env Env) error
}

// Shaper is a Pusher whose items are not the rows of its input as they come.
// Shape is called, after Ready, when the input is taken down; Columns gets the
// columns of what it returns.
type Shaper interface {
	Shape(ctx context.Context, rows sources.Rows) (sources.Rows, error)
}

// Gatherer is a Pusher whose calls take many rows, while for some rows none is
// made. Gathers returns which rows need one: they come before the others when
// the input is taken down, so that its calls are as few as can be. It is called
// after Columns; nil leaves the rows in their order.
type Gatherer interface {
	Gathers() func(row sources.Row) bool
}

// Finisher is a Pusher that has something left to do once every row of a run is
// settled. keep puts records into the store, beside those of rows; what it was
// given stays there whatever comes after. A run whose process dies meanwhile
// goes on with Finish, from its beginning.
type Finisher interface {
	Finish(ctx context.Context, env Env, keep func([]pipeline.Record) error) error
}

// Actor is a Pusher whose rows do one thing or another. Action says in a few
// words which a prepared request does, for example "create".
type Actor interface {
	Action(request []byte) string
}

// ClientOptions are how the client treats the calls of the job.
func (j Job) ClientOptions() []client.Option {
	options := []client.Option{client.LogWith("job", j.Name)}
	if spec, ok := j.Spec.(interface{ clientOptions() []client.Option }); ok {
		options = append(options, spec.clientOptions()...)
	}
	return options
}

// Puller is a kind whose items are windows or pages of a listing.
type Puller interface {
	Spec
	// Begin decides what a new run covers. last is the Data of the last
	// completed run, nil for the first.
	Begin(ctx context.Context, env Env, last json.RawMessage) (Beginning, error)
	// Digest identifies what a run is about: an unfinished run goes on only
	// with the job it was begun for.
	Digest(env Env) string
	// Open returns the worker. stored are the items of a resumed run that
	// were kept so far; their Data are json.RawMessage.
	Open(ctx context.Context, env Env, stored []pipeline.Item) (pipeline.Worker, error)
}

// Beginning is what a new run of a Puller covers.
type Beginning struct {
	Items []pipeline.Item
	Data  json.RawMessage // handed to the next run when this one is completed
}

func (b *Beginning) add(w window) error {
	item, err := w.item()
	item.Seq = int64(len(b.Items))
	b.Items = append(b.Items, item)
	return err
}

// settle turns what the client brought back into the outcome of an item. An
// error means that the item is not settled (see pipeline.Worker).
func settle(resp client.Response, err error) (pipeline.Outcome, error) {
	out := pipeline.Outcome{
		State: pipeline.Done, HTTPStatus: resp.Status, Attempts: resp.Attempts, Response: string(resp.Body),
	}
	if err == nil {
		return out, nil
	}
	var e *client.Error
	if !errors.As(err, &e) {
		return out, err
	}
	out = pipeline.Outcome{HTTPStatus: e.Status, Attempts: e.Attempts, ErrorCode: e.Code, Error: e.Error()}
	switch e.Intent {
	case client.Failed:
		out.State = pipeline.Failed
	case client.InDoubt:
		out.State = pipeline.InDoubt // invariant 5: it is not repeated
	default:
		return out, unsettled(err)
	}
	return out, nil
}

// unsettled marks an error of a call that was certainly not sent because the
// run is stopping.
func unsettled(err error) error {
	var e *client.Error
	if errors.As(err, &e) && e.Intent == client.NotSent {
		return fmt.Errorf("%w: %w", pipeline.ErrReleased, err)
	}
	return err
}

var appID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// checkApp reports an app that is missing or can not be one.
func checkApp(c *Checker, what string) {
	switch {
	case c.App() == "":
		c.Problem("app", "is missing: a job of this kind needs "+what)
	case !appID.MatchString(c.App()):
		c.Problem("app", "is not the id of an app: 26 letters and digits, as the dashboard shows it")
	}
}
