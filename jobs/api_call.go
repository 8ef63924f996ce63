package jobs

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"convbatch/client"
)

// APICall is the kind api_call: it calls any operation of the API, once for each
// row. The operation is named by its operationId or, where batch does not know
// that, by `service`, `method` and `path`. The answer is the `response` of
// results, without the secrets of an inventory.
type APICall struct {
	EachRow   `yaml:",inline"`
	Operation `yaml:",inline"`
	Params    RequestNode `yaml:"params" doc:"The parameters of the path, by name; strings are templates over the row's columns."`
	Query     RequestNode `yaml:"query" doc:"The query, by name; what yields nothing is left out."`
	Request   RequestNode `yaml:"request" doc:"The body; strings are templates over the row's columns."`
	Ref       string      `yaml:"ref" doc:"Where the answer has the id of what the call brought about, for results; a path such as id or message.id." example:"message.id"`
	Repeat    bool        `yaml:"idempotent" doc:"With method and path: calling it twice does what calling it once does. GET, PUT and DELETE are so by themselves."`
	Again     bool        `yaml:"again" doc:"Every run does all rows; otherwise a key that was done is skipped by later runs." default:"false"`
	InDoubt   string      `yaml:"in_doubt" doc:"What becomes of a row whose call may have taken effect: hold leaves it in doubt, resend sends it again." enum:"hold,resend" default:"hold"`
}

// Operation names an operation of the API in a job file.
type Operation struct {
	ID      string `yaml:"operation" doc:"The operationId, such as Contact_GetContact." known:"operations" example:"Contact_GetContact"`
	Service string `yaml:"service" doc:"Instead of operation: which API." enum:"conversation,batch,provisioning" default:"conversation"`
	Method  string `yaml:"method" doc:"Instead of operation: the HTTP method." enum:"GET,POST,PUT,PATCH,DELETE" default:"GET"`
	Path    string `yaml:"path" doc:"Instead of operation: the path, such as /v1/projects/{project_id}/contacts/{contact_id}." instead:"operation" example:"/v1/projects/{project_id}/contacts/{contact_id}"`
}

// find returns the operation, or reports why there is none.
func (o Operation) find(c *Checker) (client.Operation, bool) {
	switch {
	case c.Has("operation") == c.Has("path"):
		c.Problem("", "needs either operation, such as Contact_GetContact, or service, method and path")
	case c.Has("operation"):
		for _, key := range []string{"service", "method", "idempotent"} {
			if c.Has(key) {
				c.Problem(key, "goes with path: of an operation it is known")
			}
		}
		op, known := client.LookUp(o.ID)
		if !known {
			c.Problem("operation", fmt.Sprintf("%q is not the id of an operation", o.ID)+hintAt(o.ID, operationIDs()))
		}
		return op, known
	case !strings.HasPrefix(o.Path, "/v1/projects/{project_id}") && !strings.HasPrefix(o.Path, "/v1/projects/{projectId}"):
		c.Problem("path", "begins with /v1/projects/{project_id}; what else stands in braces is a parameter")
	default:
		return client.Operation{
			ID: o.Method + " " + o.Path, Service: o.Service, Method: o.Method, Path: o.Path,
			Body:       o.Method != http.MethodGet,
			Idempotent: slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, o.Method),
		}, true
	}
	return client.Operation{}, false
}

func hintAt(word string, candidates []string) string {
	if hint := didYouMean(word, candidates); hint != "" {
		return "; " + hint
	}
	return ""
}

func operationIDs() []string {
	var ids []string
	for _, op := range client.Operations() {
		ids = append(ids, op.ID)
	}
	return ids
}

func init() {
	register(Kind{Name: "api_call", New: func() Spec { return &APICall{} },
		Doc: "Any operation of the API, once for each row of the input."})
}

// Check finds the operation and compiles the call.
func (k *APICall) Check(c *Checker) {
	op, ok := k.Operation.find(c)
	if !ok {
		return
	}
	op.Idempotent = op.Idempotent || k.Repeat
	checkParameters(c, op, k.Params, k.Query)
	if c.Has("request") && !op.Body {
		c.Problem("request", op.ID+" takes no body")
	}
	k.ref, k.inDoubt, k.once = k.Ref, k.InDoubt, !k.Again
	if op.Method == http.MethodDelete {
		k.missing = missingFails
	}
	if answersSecrets(op) {
		k.Request.warnOfSecrets(c, "request")
	}
	k.calls(c, callParts{operation: op, paramsAt: k.Params, query: k.Query, body: k.Request})
}

// checkParameters holds what the job gives against what the operation takes.
func checkParameters(c *Checker, op client.Operation, params, query RequestNode) {
	given := params.keys()
	for _, name := range op.Parameters() {
		if !slices.Contains(given, name) {
			c.Problem("params", fmt.Sprintf("%s needs the parameter %s", op.ID, name))
		}
	}
	for _, name := range given {
		if !slices.Contains(op.Parameters(), name) {
			c.Problem("params."+name, fmt.Sprintf("%s has no such parameter in its path%s", op.ID, hintAt(name, op.Parameters())))
		}
	}
	if named := op.ID != op.Method+" "+op.Path; named {
		known := append(slices.Clone(op.Query), op.PageParameters()...)
		for _, name := range query.keys() {
			if !slices.Contains(known, name) {
				c.Problem("query."+name, fmt.Sprintf("%s has no such parameter%s", op.ID, hintAt(name, known)))
			}
		}
	}
}
