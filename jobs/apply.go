package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// ApplyRows is what the kinds have in common that make settings of the account as
// rows want them: apps, webhooks. There are dozens of these, not millions, so
// they are listed afresh before each row, and rows go one after another.
type ApplyRows struct {
	From      sources.Spec `yaml:"from" doc:"Where the rows come from." required:"true"`
	Key       string       `yaml:"key" doc:"The column that names a row." required:"true" example:"id"`
	ID        Text         `yaml:"id" doc:"The id that the server gave; a template. Without it a row is matched by what it holds."`
	Request   RequestNode  `yaml:"request" doc:"The body in the form of the API; strings are templates over the row's columns, secrets are variables of the environment." required:"true"`
	OnMissing string       `yaml:"on_missing" doc:"What becomes of a row that nothing on the server matches." enum:"create,fail" default:"create"`
	After     Duration     `yaml:"reconcile_after" doc:"How long the server's lists have to catch up with what was created." default:"10s"`

	sort   *sortOfThing
	app    string  // the job's
	perRow bool    // each row says which app its thing belongs to
	parts  rowCall // its params are the id, its body is the request
	api    *client.Client

	before map[string][]thing // by app, where they belong to one: what was there when the rows were prepared

	turn sync.Mutex          // of the row that is worked on
	made map[string][]string // ids, by what they are matched by; guarded by turn
}

// sortOfThing is what tells one sort of thing from another.
type sortOfThing struct {
	name                      string
	list, get, create, update client.Operation
	param                     string   // of the path of get and update
	match                     string   // the member that a thing is known by, beside its id
	needs                     []string // members without which none is created
	along                     []string // members that servers ask for with every change
	ofApp                     bool     // each belongs to an app, and is listed with it
}

// check compiles the request and reports what is wrong with it.
func (k *ApplyRows) check(c *Checker, sort *sortOfThing) {
	k.sort, k.app = sort, c.App()
	c.Source("from", k.From)
	k.perRow = slices.Contains(k.Request.keys(), "app_id")
	request := k.Request
	if sort.ofApp && k.app != "" {
		request = request.with("app_id", k.app)
	}
	k.parts = rowCall{project: c.Project()}
	k.parts.params.request, k.parts.body.request = c.Texts(keyed{"id", k.ID}), c.Request("request", request)
	keys := request.keys()
	if slices.Contains(keys, "id") {
		c.Problem("request.id", "is the server's to give: write id: beside the request")
	}
	if len(keys) > 0 && !k.ID.given() && !slices.Contains(keys, sort.match) {
		c.Problem("request", fmt.Sprintf("has no %s, by which a %s is matched: give it one, or write id: beside the request", sort.match, sort.name))
	}
	if sort.ofApp && len(keys) > 0 && !slices.Contains(keys, "app_id") {
		c.Problem("app", "is missing: a "+sort.name+" belongs to an app, which is named here or as the request's app_id")
	}
	k.Request.warnOfSecrets(c, "request")
}

// Input returns the rows.
func (k *ApplyRows) Input() (sources.Spec, string) { return k.From, k.Key }

// Columns binds the templates to the columns of the input.
func (k *ApplyRows) Columns(columns []sources.Column) error { return k.parts.bind(columns) }

// Digest changes with the request, the ids, the app or the key.
func (k *ApplyRows) Digest() string {
	return digest(shortDigest(k.parts.digest(), k.OnMissing), k.app, k.Key)
}

// Findable is true: what was created is found by what it is matched by.
func (k *ApplyRows) Findable([]byte) bool { return true }

// Idempotent is false: what is created twice is there twice.
func (k *ApplyRows) Idempotent() bool { return false }

// Once is false: every run makes things as its rows say.
func (k *ApplyRows) Once() bool { return false }

// Ready looks at what is there, so that Prepare can compare. That an app is not
// there is said of its rows.
func (k *ApplyRows) Ready(ctx context.Context, env Env) error {
	apps, err := k.appsOfRows(ctx, env)
	if err != nil {
		return fmt.Errorf("look at the apps: %w", err)
	}
	k.before = map[string][]thing{}
	for _, app := range apps {
		there, err := k.sort.of(ctx, env.Client, app)
		var e *client.Error
		switch {
		case err == nil:
			k.before[app] = there
		case !k.sort.ofApp || !errors.As(err, &e) || e.Status != http.StatusNotFound:
			return fmt.Errorf("look at the %ss that are there: %w", k.sort.name, err)
		}
	}
	return nil
}

// appsOfRows are the apps that things of rows may belong to: one that has no
// name for things that belong to none.
func (k *ApplyRows) appsOfRows(ctx context.Context, env Env) ([]string, error) {
	switch {
	case !k.sort.ofApp:
		return []string{""}, nil
	case !k.perRow:
		return []string{k.app}, nil
	}
	all, err := env.Client.ListApps(ctx)
	var ids []string
	for _, app := range all {
		ids = append(ids, app.ID)
	}
	return ids, err
}

// Prepare returns the call of a row as JSON, without the secrets in it, by what
// was there when Ready looked.
func (k *ApplyRows) Prepare(row sources.Row) ([]byte, error) {
	w, err := k.want(row)
	if err != nil {
		return nil, err
	}
	app := k.sort.appOf(w.body)
	there, known := k.before[app]
	if !known {
		return nil, &Unsent{State: pipeline.Failed, Reason: "the project has no app " + app}
	}
	c, err := k.decide(w, k.sort.matching(there, w))
	switch {
	case err != nil:
		return nil, err
	case c.none():
		return nil, unchanged
	}
	op, call := k.sort.call(c)
	call.Body = redact(call.Body)
	return shownCall(op, k.parts.project, call, c.mask)
}

// Action says what a prepared request does: create, or change which members.
func (k *ApplyRows) Action(request []byte) string {
	var names []string
	for _, name := range gjson.GetBytes(request, "update_mask").Array() {
		names = append(names, name.String())
	}
	if len(names) == 0 {
		return "create"
	}
	return "change " + listed(names)
}

// Open returns the worker.
func (k *ApplyRows) Open(ctx context.Context, env Env) (pipeline.Worker, error) {
	k.api, k.made = env.Client, map[string][]string{}
	return newApplier(ctx, env, k, k.After.Duration())
}
