package jobs

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/sources"
)

// APIList is the kind api_list: it reads any list of the API whole into a dataset
// of the job's own, each run a snapshot. Secrets of apps, webhooks and the
// Provisioning API are taken out.
type APIList struct {
	snapshot
	Operation `yaml:",inline"`
	Params    RequestNode `yaml:"params" doc:"The parameters of the path, by name."`
	Query     RequestNode `yaml:"query" doc:"The query, by name, without what pages are asked for with."`
	List      string      `yaml:"list" doc:"With path: the key of the answer's array; . when the answer is the array." example:"contacts"`
	Paging    string      `yaml:"paging" doc:"With path: how further pages are asked for." enum:"page_token,pageToken,none" default:"page_token"`
	PageSize  int         `yaml:"page_size" doc:"Entries a page; the most that the operation has by default." min:"1" max:"1000" example:"100"`
	Into      string      `yaml:"into" doc:"The dataset: a view of batch sql." required:"true" example:"approved_templates"`
	ID        string      `yaml:"id" doc:"The member of an entry that names it; an entry without is named by what it holds." default:"id"`
}

func init() {
	register(Kind{Name: "api_list", New: func() Spec { return &APIList{} },
		Doc: "Any list of the API, into a dataset of its own; each run is a snapshot."})
}

var (
	datasetName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	viewName    = regexp.MustCompile(`_(history|changes|diff)$`)
)

// isView says that `batch sql` has a view of that name.
func isView(name string) bool {
	return name == "runs" || name == "results" || slices.ContainsFunc(Datasets(), func(d Dataset) bool { return d.Name == name })
}

// Check finds the operation and says what is read.
func (k *APIList) Check(c *Checker) {
	switch {
	case !datasetName.MatchString(k.Into):
		c.Problem("into", "is not the name of a dataset: a small letter, then small letters, digits and _")
	case viewName.MatchString(k.Into):
		c.Problem("into", "ends like a view that every dataset has: _history, _changes and _diff are for those")
	case isView(k.Into):
		c.Problem("into", "is the dataset of another kind: give the list a name of its own")
	}
	op, ok := k.Operation.find(c)
	if !ok {
		return
	}
	op = k.paged(c, op)
	checkParameters(c, op, k.Params, k.Query)
	call := rowCall{operation: op, project: c.Project()}
	call.params.request, call.query.request = c.constant("params", k.Params), c.constant("query", k.Query)
	rendered, err := call.constant()
	if err != nil {
		c.Problem("params", err.Error())
	}
	k.scope = shortDigest(call.digest(), op.ListKey, k.ID) + "/" + k.Into
	k.first = []step{{List: op.ID, Params: rendered.Params}}
	k.lists = map[string]*list{op.ID: {operation: op, dataset: k.Into, query: rendered.Query, row: k.row, redacted: answersSecrets(op)}}
}

// paged adds to the operation how its list is read.
func (k *APIList) paged(c *Checker, op client.Operation) client.Operation {
	known := k.Operation.ID != ""
	for _, key := range []string{"list", "paging"} {
		if known && c.Has(key) {
			c.Problem(key, "goes with path: of an operation it is known")
		}
	}
	switch {
	case op.Method != http.MethodGet:
		c.Problem("", fmt.Sprintf("%s is no list: it is a %s; api_call makes such calls", op.ID, op.Method))
	case known && op.ListKey == "":
		c.Problem("operation", op.ID+" is no list: api_call makes such calls")
	case !known && k.List == "":
		c.Problem("list", "is missing: the key of the array in the answer")
	}
	if !known {
		op.ListKey = k.List
		op.Paging = map[string]client.Paging{"page_token": client.SnakeCase, "pageToken": client.CamelCase}[k.Paging]
	}
	if k.PageSize > 0 {
		op.PageSize = k.PageSize
	}
	return op
}

// Datasets is the one of the job.
func (k *APIList) Datasets() []Dataset {
	return []Dataset{snapshotOf(k.Into, Resource{})}
}

func (k *APIList) row(r *snapshotReader, s step, body []byte) (any, string, error) {
	row := resource(r, s.named(), body)
	if id := gjson.GetBytes(body, k.ID); id.Exists() {
		row.ID = id.String()
	}
	return row, row.ID, nil
}

// constant compiles a part of a call that no row has a say in.
func (c *Checker) constant(key string, r RequestNode) *Request {
	request := c.Request(key, r)
	if request != nil && len(request.columns) > 0 {
		c.Problem(key, "uses the column "+request.columns[0]+", and a list has no rows")
		return nil
	}
	return request
}

// constant makes a call that no row has a say in.
func (c *rowCall) constant() (client.Call, error) {
	if err := c.bind(nil); err != nil {
		return client.Call{Query: url.Values{}}, err
	}
	return c.render(sources.Row{})
}
