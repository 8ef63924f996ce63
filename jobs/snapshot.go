package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
)

// snapshot is what the kinds have in common that read lists whole: each run
// brings a picture of what was there, in datasets that keep all of them. Its
// items are parts of lists, each of which gives rise to the next; what belongs
// to an entry of a list may be a list itself.
type snapshot struct {
	scope string           // the part of the project that is read, such as an app; "" for all
	more  string           // what is read besides the lists that the kind is about
	lists map[string]*list // by the name that steps have for them
	first []step           // what a run begins with
}

// ofApps reads what belongs to apps: to the job's, or to all of the project.
// below are the steps for an app, whose id they find as app_id.
func (s *snapshot) ofApps(app string, below func(app step) []step) {
	s.scope, s.first = app, []step{{List: "apps"}}
	if app != "" {
		s.first = below(step{Params: map[string]string{"app_id": app}})
	}
	s.lists = map[string]*list{"apps": {operation: operation("App_ListApps"), below: func(_ step, body []byte) []step {
		return below(step{Params: map[string]string{"app_id": gjson.GetBytes(body, "id").String()}})
	}}}
}

// Digest changes with the project, the region and what of them is read, so that
// the snapshots of two accounts stand side by side in one store. The
// Provisioning API is one for all regions. That of a part is that of the whole,
// a / and the part; see Dataset.Part.
func (s *snapshot) Digest(env Env) string {
	whole := env.Project
	for _, l := range s.lists {
		if l.own == nil && l.operation.Service != "provisioning" { // as that of apps is
			whole = env.Project + "/" + env.Region
		}
	}
	whole += s.more
	if s.scope == "" {
		return whole
	}
	return whole + "/" + s.scope
}

// list is one list of a snapshot, or one thing that is got.
type list struct {
	operation client.Operation
	dataset   string // that its entries go to; "" for none
	query     url.Values
	// row makes the record's row of an entry, and returns its id; entries with
	// the same id are kept once a run.
	row func(r *snapshotReader, s step, body []byte) (row any, id string, err error)
	key string // how SQL has that id of a row; id when empty
	// below are the steps that an entry gives rise to; may be nil.
	below func(s step, body []byte) []step
	// older are the steps that take the place of the list on a server that does
	// not take its parameters; may be nil.
	older func(s step) []step
	// mayLack says that an account, or an app, may well not have it: the answer
	// that says so is noted and not a failure.
	mayLack bool
	// mayGo says that what it belongs to was listed before, and may be gone
	// since: an answer 404 is noted and not a failure.
	mayGo    bool
	redacted bool // its entries are kept without their secrets
	// then are the steps that follow once the list is read to its end; may be nil.
	then func(s step) []step
	// log says that the dataset is a log and has no folders of runs. An entry of
	// which row makes nil is no news.
	log bool
	// lacking is said when the server refuses to show the list; may be nil.
	lacking error
	// own is done in place of reading a list; may be nil.
	own func(ctx context.Context, r *snapshotReader, s step) (pipeline.Outcome, error)
}

// step is one item of a snapshot: a part of a list. It is kept in the ledger as
// JSON.
type step struct {
	List   string            `json:"list"`
	Params map[string]string `json:"params,omitempty"` // of the path, and what the list asks for besides
	Token  string            `json:"token,omitempty"`  // go on here
	Read   int               `json:"read,omitempty"`   // entries before it
	Begun  int               `json:"begun,omitempty"`  // how often it was begun again, its token refused
}

// as is a step of another list, with the parameters of s.
func (s step) as(list string) step { return step{List: list, Params: s.Params} }

// with is s with a parameter more.
func (s step) with(key, value string) step {
	params := maps.Clone(s.Params)
	if params == nil {
		params = map[string]string{}
	}
	params[key] = value
	return step{List: s.List, Params: params}
}

// String names the step to people; it is the key of its row in results.
func (s step) String() string {
	words := []string{s.List}
	for _, key := range slices.Sorted(maps.Keys(s.Params)) {
		words = append(words, key+"="+s.Params[key])
	}
	if s.Token != "" {
		words = append(words, fmt.Sprintf("from entry %d", s.Read))
	}
	return strings.Join(words, " ")
}

// shown is String for logs and errors: it names nobody (invariant 6).
func (s step) shown() string {
	if _, of := s.Params["identity"]; !of {
		return s.String()
	}
	shown := s
	shown.Params = s.with("identity", "…").Params
	return shown.String()
}

// named is what the list belongs to; "" for a list of the project.
func (s step) named() string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(s.Params)) {
		names = append(names, s.Params[key])
	}
	return strings.Join(names, "/")
}

func (s step) item() (pipeline.Item, error) {
	data, err := json.Marshal(s)
	return pipeline.Item{Key: s.String(), Data: json.RawMessage(data)}, err
}

func items(steps []step) ([]pipeline.Item, error) {
	var all []pipeline.Item
	for _, s := range steps {
		item, err := s.item()
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, nil
}

// Begin returns what a run begins with.
func (s *snapshot) Begin(context.Context, Env, json.RawMessage) (b Beginning, err error) {
	b.Items, err = items(s.first)
	for i := range b.Items {
		b.Items[i].Seq = int64(i)
	}
	return b, err
}

// Open returns the worker. What a run that goes on has stored is not stored
// again, whatever the server makes of its page tokens.
func (s *snapshot) Open(ctx context.Context, env Env, stored []pipeline.Item) (pipeline.Worker, error) {
	r := &snapshotReader{snapshot: s, env: env, seen: map[string]*seen{}, begun: new(seen)}
	for _, item := range stored {
		if begun, err := stepOf(item); err != nil {
			return nil, err
		} else if begun.Token == "" {
			r.begun.add(begun.String())
		}
	}
	for _, l := range s.lists {
		if l.dataset == "" || r.seen[l.dataset] != nil {
			continue
		}
		ids := new(seen)
		r.seen[l.dataset] = ids
		if len(stored) == 0 || l.log {
			continue
		}
		query := fmt.Sprintf(`SELECT %s FROM "%s_history" WHERE run_id = '%s'`, cmp.Or(l.key, "id"), l.dataset, env.RunID)
		if err := env.Query(ctx, query, func(values []any) error { ids.add(fmt.Sprint(values[0])); return nil }); err != nil {
			return nil, fmt.Errorf("look up what the run has stored: %w", err)
		}
	}
	return r, nil
}

// snapshotOf is a dataset that each run brings anew.
func snapshotOf(name string, row any) Dataset {
	return Dataset{Name: name, Row: row, PartitionBy: "run_id", Snapshot: true}
}

// snapshotByApp is snapshotOf what a run may also bring of one app alone; row has
// a column app_id.
func snapshotByApp(name string, row any) Dataset {
	d := snapshotOf(name, row)
	d.Part = "app_id"
	return d
}
