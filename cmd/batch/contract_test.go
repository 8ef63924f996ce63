package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// specifications lie next to the repository; they are not part of it.
const specifications = "../../../shared/api"

// specificationFiles are those of each API, by where it begins at the emulator.
// A call that is in several of them has to fit one: the newer or the older.
var specificationFiles = map[string][]string{
	"":              {"conversation-plus.yaml", "conversation.yaml"},
	"/batch":        {"conversationbatch.yaml"},
	"/provisioning": {"provisioning.yaml", "provisioning-conversation.yaml"},
}

// undocumented are the parameters of the query, or what they begin with, that a
// specification says are there without naming them.
var undocumented = map[string]string{"Batch_GetBatchStatusByMetadata": "meta_data."}

// described is an operation as a specification has it.
type described struct {
	routers.Route
	url    *regexp.Regexp // with a group for each parameter of the path
	names  []string       // of these
	values []string       // of these in a call
	text   int            // characters of the path that are no parameter
}

// allDescribed is what the specifications of each API describe, the more exact
// path first; nothing where the files are absent.
var allDescribed = sync.OnceValues(func() (map[string][]described, error) {
	all := map[string][]described{}
	for base, files := range specificationFiles {
		for _, file := range files {
			path := filepath.Join(specifications, file)
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				continue
			}
			doc, err := openapi3.NewLoader().LoadFromFile(path)
			if err != nil {
				return nil, err
			}
			// By 3.1, which they are of, a schema is compiled anew for every call;
			// by 3.0 the same is held, since they have no keyword that is new.
			doc.OpenAPI = "3.0.3"
			all[base] = append(all[base], describe(doc)...)
		}
		slices.SortStableFunc(all[base], func(a, b described) int { return cmp.Compare(b.text, a.text) })
	}
	return all, nil
})

var parameter = regexp.MustCompile(`\{([^}]*)\}`)

func describe(doc *openapi3.T) (all []described) {
	for _, schema := range doc.Components.Schemas {
		for _, name := range []string{"recipient", "event"} {
			if member := schema.Value.Properties[name]; member != nil {
				tellApart(member.Value.OneOf)
			}
		}
	}
	for path, item := range doc.Paths.Map() {
		pattern, names, rest := "^", []string(nil), path
		for _, m := range parameter.FindAllStringSubmatch(path, -1) {
			before, after, _ := strings.Cut(rest, m[0])
			pattern, names, rest = pattern+regexp.QuoteMeta(before)+"([^/]+)", append(names, m[1]), after
		}
		whole := regexp.MustCompile(pattern + regexp.QuoteMeta(rest) + "$")
		for method, operation := range item.Operations() {
			all = append(all, described{
				Route: routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation},
				url:   whole, names: names, text: len(parameter.ReplaceAllString(path, "")),
			})
		}
	}
	return all
}

// tellApart requires of each kind of recipient, or of event, what makes it that
// kind: as written, each fits every object, so that "one of" never holds.
func tellApart(kinds openapi3.SchemaRefs) {
	for _, kind := range kinds {
		kind.Value.Required = slices.Collect(maps.Keys(kind.Value.Properties))
	}
}

// contract passes calls on to an emulator, and holds each and its answer
// against the API's specifications.
type contract struct {
	t    assert.TestingT
	next http.Handler
	all  map[string][]described
}

// underContract puts a contract before an emulator. Where the specifications
// are absent it says so, and everything passes.
func underContract(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	all, err := allDescribed()
	require.NoError(t, err)
	if len(all[""]) == 0 {
		t.Logf("CONTRACT NOT CHECKED: the specifications are absent from %s", specifications)
		return next
	}
	return contract{t, next, all}
}

// ServeHTTP answers a call as the emulator does.
func (c contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/oauth2/") || strings.HasPrefix(r.URL.Path, "/_emulator/") {
		c.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	input := c.judge(r, body)
	answer := &witness{ResponseWriter: w}
	c.next.ServeHTTP(answer, r)
	if input != nil && answer.status == http.StatusOK {
		input.Request.Body = http.NoBody
		err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: answer.status, Header: w.Header(), Body: io.NopCloser(&answer.body), Options: input.Options,
		})
		assert.NoError(c.t, err, "the answer to %s %s is not as the specification says", r.Method, r.URL)
	}
}

// judge says what is wrong with a call. It returns what the specification has
// for one that is right.
func (c contract) judge(r *http.Request, body []byte) *openapi3filter.RequestValidationInput {
	var wrong []error
	for _, d := range c.find(r) {
		input, err := d.holds(r, body)
		if err == nil {
			return input
		}
		wrong = append(wrong, err)
	}
	assert.NoError(c.t, cmp.Or(errors.Join(wrong...), errors.New("it has no such operation")),
		"%s %s is not as the specification says; its body: %s", r.Method, r.URL, body)
	return nil
}

// find returns what the specifications have of the path that a call is for: of
// several that fit the most exact, since contacts:verb is no contact.
func (c contract) find(r *http.Request) (found []described) {
	path, base := r.URL.EscapedPath(), ""
	for prefix := range c.all {
		if prefix != "" && strings.HasPrefix(path, prefix+"/") {
			path, base = strings.TrimPrefix(path, prefix), prefix
		}
	}
	for _, d := range c.all[base] {
		if d.Method == r.Method && d.url.MatchString(path) && (found == nil || found[0].text == d.text) {
			d.values = d.url.FindStringSubmatch(path)[1:]
			found = append(found, d)
		}
	}
	return found
}

// holds holds a call against an operation: path, query and body.
func (d described) holds(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	call := r.Clone(context.Background())
	call.Body = io.NopCloser(bytes.NewReader(body))
	input := &openapi3filter.RequestValidationInput{
		Request: call, Route: &d.Route, PathParams: map[string]string{}, QueryParams: r.URL.Query(),
		Options: &openapi3filter.Options{
			MultiError: true, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true, IncludeResponseStatus: true,
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	}
	for i, name := range d.names {
		value, err := url.PathUnescape(d.values[i])
		if err != nil {
			return nil, err
		}
		input.PathParams[name] = value
	}
	for name := range input.QueryParams {
		known := func(p *openapi3.ParameterRef) bool {
			return p.Value.In == openapi3.ParameterInQuery && p.Value.Name == name
		}
		more := undocumented[d.Operation.OperationID]
		if !slices.ContainsFunc(slices.Concat(d.PathItem.Parameters, d.Operation.Parameters), known) && (more == "" || !strings.HasPrefix(name, more)) {
			return nil, fmt.Errorf("%s has no parameter %s", d.Operation.OperationID, name)
		}
	}
	return input, openapi3filter.ValidateRequest(context.Background(), input)
}

// witness keeps what is answered.
type witness struct {
	http.ResponseWriter
	status int // 0 while nothing is answered
	body   bytes.Buffer
}

func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *witness) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *witness) Write(b []byte) (int, error) {
	w.status = cmp.Or(w.status, http.StatusOK)
	w.body.Write(b)
	return w.ResponseWriter.Write(b)
}

// judged puts the specifications between batch and the emulator: every call of
// this workbench is held against them, and so is every success that it is
// answered. It returns the account as it is reached then.
func (w *workbench) judged() emulator.Info {
	w.t.Helper()
	judge := httptest.NewServer(underContract(w.t, w.api.Emulator))
	w.t.Cleanup(judge.Close)
	w.write("jobs.yaml", strings.ReplaceAll(w.read("jobs.yaml"), w.api.URL(), judge.URL))
	return w.api.Emulator.Info(judge.URL)
}

// complaints counts what a contract has to say.
type complaints int

func (n *complaints) Errorf(string, ...any) { *n++ }

func TestTheContractSeesWhatIsNotAsItSays(t *testing.T) {
	t.Parallel()
	all, err := allDescribed()
	require.NoError(t, err)
	if len(all[""]) == 0 {
		t.Logf("CONTRACT NOT CHECKED: the specifications are absent from %s", specifications)
		return
	}
	const send, hi = "/v1/projects/p/messages:send", `"recipient":{"contact_id":"c"},"message":{"text_message":{"text":"hi"}}`
	answers := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	for _, call := range []struct {
		right              bool
		method, path, body string
		status             int
		answer             string
	}{
		{true, "POST", send, `{"app_id":"a",` + hi + `}`, 200, `{"message_id":"m","accepted_time":"2026-03-01T12:00:00Z"}`},
		{true, "POST", send, `{"app_id":"a",` + hi + `}`, 503, `<html>`}, // what is no success is not looked at
		{true, "GET", "/v1/projects/p/contacts?page_size=20&external_id=1", "", 200, `{"contacts":[],"next_page_token":""}`},
		{true, "PATCH", "/v1/projects/p/contacts/c?update_mask.paths=email", `{}`, 400, `{}`}, // as older servers have it
		{true, "GET", "/batch/v1/projects/p/messages?meta_data.a=b", "", 200, `[]`},
		{true, "GET", "/provisioning/v1/projects/p/rcs/senders?pageSize=100", "", 404, `{}`},

		{false, "POST", send, `{` + hi + `}`, 200, `{"message_id":"m"}`},                        // no app
		{false, "POST", send, `{"app_id":1,` + hi + `}`, 200, `{"message_id":"m"}`},             // a number
		{false, "POST", send, ``, 200, `{"message_id":"m"}`},                                    // no body
		{false, "POST", send + "?x=1", `{"app_id":"a",` + hi + `}`, 200, `{}`},                  // an unknown parameter
		{false, "PUT", send, `{"app_id":"a",` + hi + `}`, 200, `{}`},                            // another method
		{false, "POST", "/v1/projects/p/messages:sent", `{"app_id":"a",` + hi + `}`, 200, `{}`}, // another path
		{false, "GET", "/v1/projects/p/contacts:identityConflicts?page_size=21", "", 200, `{}`}, // too large
		{false, "DELETE", "/v1/projects/p/contacts/c", `{}`, 200, `{}`},                         // a body
		{false, "GET", "/v1/projects/p/rcs/senders", "", 200, `{}`},                             // of another API
		{false, "GET", "/v1/projects/p/contacts", "", 200, `{"contacts":{}}`},                   // the answer is another
	} {
		var seen complaints
		r := httptest.NewRequest(call.method, call.path, strings.NewReader(call.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		contract{&seen, answers(call.status, call.answer), all}.ServeHTTP(w, r)
		assert.Equal(t, call.right, seen == 0, "%s %s %s", call.method, call.path, call.body)
		assert.Equal(t, call.status, w.Code)
		assert.Equal(t, call.answer, w.Body.String(), "it passes as it is")
	}
}
