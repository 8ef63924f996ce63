package jobs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/pipeline"
	"convbatch/sources"
)

// ContactImport is the kind contact_import: it creates and updates contacts, so
// that there is one for each row. `select key, ref from results` is the map from
// the rows to the ids of their contacts, also of rows that had nothing to change.
//
// A contact is either written out at `request`, or taken as contact_export has it
// (`contact: "{{.body}}"`), which suits contacts with any number of identities:
// what the API is known to take of it is written. Members that it does not have
// stay as they are, and identities are added, never taken away.
type ContactImport struct {
	From    sources.Spec `yaml:"from" doc:"Where the rows come from." required:"true"`
	Key     string       `yaml:"key" doc:"The column that names a row." required:"true" example:"id"`
	Match   string       `yaml:"match" doc:"What a contact of the server is known by: its external_id, or one of the identities of the row." enum:"external_id,identity" default:"external_id"`
	OnMatch string       `yaml:"on_match" doc:"What becomes of a contact that is there: update what differs, skip it, or fail the row." enum:"update,skip,fail" default:"update"`
	Mode    string       `yaml:"mode" doc:"single: one call creates a contact; batch: one call of the Batch API creates those of a group of rows. It answers no ids, so all contacts of the project are listed before and after." enum:"single,batch" default:"single"`
	Size    int          `yaml:"batch_size" doc:"mode: batch: the rows of a group, 1000 at most." min:"1" max:"1000" default:"1000"`
	Request RequestNode  `yaml:"request" doc:"The contact as it should be, in the form of the API; strings are templates over the row's columns."`
	Contact Text         `yaml:"contact" doc:"Instead of request: the contact as JSON, such as the body of the contacts dataset. Identities that belong to an app get the job's." instead:"request" example:"{{.body}}"`
	InDoubt string       `yaml:"in_doubt" doc:"What becomes of a row whose call may have taken effect: reconcile looks the contact up again, hold leaves the row in doubt." enum:"reconcile,hold" default:"reconcile"`
	After   Duration     `yaml:"reconcile_after" doc:"How long the server's lists have to catch up with a contact that was created; in mode: batch with a thousand." default:"10s"`

	app     string
	whole   bool // the contact comes as JSON
	request *Request
	bound   *Bound
}

// Check compiles the request and looks for what can not be right.
func (k *ContactImport) Check(c *Checker) {
	k.app, k.whole = c.App(), c.Has("contact")
	c.Source("from", k.From)
	if k.Mode != modeBatch && c.Has("batch_size") {
		c.Problem("batch_size", "is for mode: batch")
	}
	switch {
	case k.whole == c.Has("request"):
		c.Problem("", "needs either request, or contact, as contact_export has it")
	case k.whole:
		k.request = c.Texts(keyed{"contact", k.Contact})
		return
	}
	k.request = c.Request("request", k.Request)
	keys := k.Request.keys()
	if k.Match == "external_id" && len(keys) > 0 && !slices.Contains(keys, "external_id") {
		c.Problem("request", "has no external_id, by which contacts are matched: give it one, or set match: identity")
	}
	for _, name := range []string{"channel_identities", "language"} {
		if len(keys) > 0 && !slices.Contains(keys, name) {
			c.Problem("request", "has no "+name+", without which the API creates no contact")
		}
	}
	if slices.Contains(keys, "id") {
		c.Problem("request.id", "is the server's to give: contacts are matched by external_id or identity")
	}
}

// Input returns the rows.
func (k *ContactImport) Input() (sources.Spec, string) { return k.From, k.Key }

// Columns binds the request to the columns of the input.
func (k *ContactImport) Columns(columns []sources.Column) (err error) {
	k.bound, err = k.request.Bind(columns)
	return err
}

// Digest changes with the request, the way of matching, the app or the key.
func (k *ContactImport) Digest() string {
	return digest(shortDigest(k.request.Digest(), k.Match, k.OnMatch), k.app, k.Key)
}

// Prepare returns the contact that a row asks for, as it would be created.
func (k *ContactImport) Prepare(row sources.Row) ([]byte, error) {
	body, err := k.bound.Render(nil, row)
	if err == nil && k.whole {
		body, err = writable(gjson.GetBytes(body, "contact").String())
	}
	if err == nil {
		body, err = withApp(body, k.app, k.whole)
	}
	if err == nil {
		err = checkContact(body)
	}
	if err == nil && k.Match == "external_id" && gjson.GetBytes(body, "external_id").String() == "" {
		err = errors.New("external_id is empty, and contacts are matched by it")
	}
	return body, err
}

// Findable is true: a contact is found by what it is matched by.
func (k *ContactImport) Findable([]byte) bool { return true }

// Idempotent is false: a contact that is created twice is there twice.
func (k *ContactImport) Idempotent() bool { return false }

// Once is false: every run makes the contacts as its rows say.
func (k *ContactImport) Once() bool { return false }

// Action says what a run does with a row: which of the three, the server knows.
func (k *ContactImport) Action([]byte) string {
	switch k.OnMatch {
	case "skip":
		return "look up, then create or skip"
	case "fail":
		return "look up, then create or fail"
	}
	return "look up, then create, update or leave as it is"
}

// Group is how many rows are looked up, and those of them created whose contact
// is not there, as one.
func (k *ContactImport) Group() int {
	if k.Mode != modeBatch {
		return 1
	}
	return k.Size
}

// Whole returns the body of the call that creates the contacts of rows, given
// what Prepare returned for them.
func (k *ContactImport) Whole(_ string, _ []int64, parts [][]byte, _ time.Time) []byte {
	if k.Mode != modeBatch {
		return parts[0]
	}
	body := append([]byte(`{"contacts":[`), bytes.Join(parts, []byte{','})...)
	return append(body, "]}"...)
}

func (k *ContactImport) callsBatchAPI() bool { return k.Mode == modeBatch }

// Open returns the worker.
func (k *ContactImport) Open(ctx context.Context, env Env) (pipeline.Worker, error) {
	w, err := newContactImporter(ctx, env, k)
	if err != nil || k.Mode != modeBatch {
		return w, err
	}
	return &contactBatcher{contactImporter: w, groups: map[int64]*importGroup{}}, nil
}
