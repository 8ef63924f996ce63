package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
)

// covered are the operations that a test proves: all but those that change
// something by the Provisioning API, which the emulator does not answer.
func covered() (all []client.Operation) {
	for _, op := range client.Operations() {
		if op.Service != "provisioning" || op.Method == http.MethodGet {
			all = append(all, op)
		}
	}
	return all
}

// proof is the test that proves an operation, in docs/COVERAGE.md.
func proof(op client.Operation) string { return "TestEveryOperation/" + op.ID }

// listed says that api_list reads the operation, and not api_call.
func listed(op client.Operation) bool { return op.Method == http.MethodGet && op.ListKey != "" }

// Every operation can be called from a job file: api_list reads the lists,
// api_call makes every other call. What is called is that operation and no
// other, as the specification has it, and the row is done.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	for _, op := range covered() {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Contacts: 20, Conversations: 10, Messages: 100, DrainRate: 1}, "", "")
			w.judged()
			world := world{w, w.client()}
			for _, id := range before[op.ID] {
				world.call(id)
			}
			w.write("jobs.yaml", w.read("jobs.yaml")+"  each: "+world.job(op)+"\n")
			w.api.ResetCounters()
			r := w.here("run", "--json", "each")
			s := r.summary(t)
			for _, call := range w.api.Requests() {
				assert.Equal(t, op.ID, call.Operation)
			}
			assert.NotEmpty(t, w.api.Requests(), "%s%s", r.stdout, r.stderr)
			if code := absent[op.ID]; code != "" {
				assert.Equal(t, exitIncomplete, r.code)
				assert.Equal(t, []map[string]any{{"http_status": 404.0, "error_code": code}}, w.query("select http_status, error_code from results"))
				return
			}
			require.Equal(t, exitDone, r.code, "%s%s%v", r.stdout, r.stderr, w.later("select state, error from results"))
			assert.EqualValues(t, 1, s.Done)
			if listed(op) {
				assert.Positive(t, s.Records)
			}
		})
	}
}

// world is an account in which there is something to call every operation with.
type world struct {
	*workbench
	api *client.Client
}

// job is a job that calls an operation, as YAML in the form of JSON.
func (w world) job(op client.Operation) string {
	job := map[string]any{"kind": "api_call", "from": map[string]string{"csv": "rows.csv"}, "key": "key", "operation": op.ID}
	params, columns, values := map[string]string{}, []string{"key"}, []string{"a row"}
	for _, name := range op.Parameters() {
		value := w.thing(op, name)
		columns, values = append(columns, name), append(values, value)
		params[name] = `{{index . "` + name + `"}}`
		if listed(op) {
			params[name] = value
		}
	}
	w.write("rows.csv", strings.Join(columns, ",")+"\n"+strings.Join(values, ",")+"\n")
	if listed(op) {
		job = map[string]any{"kind": "api_list", "into": "whatever", "operation": op.ID}
	}
	if op.ID == "Batch_GetBatchStatusByMetadata" { // the names of its parameters are the caller's
		delete(job, "operation")
		job["service"], job["path"], job["list"], job["paging"], job["id"] = op.Service, op.Path, op.ListKey, "none", "batch_id"
	}
	job["params"] = params
	for key, text := range map[string]string{"query": queries[op.ID], "request": requests[op.ID]} {
		if text != "" {
			job[key] = json.RawMessage(w.fill(op, text))
		}
	}
	text, err := json.Marshal(job)
	require.NoError(w.t, err)
	return string(text)
}

// call calls an operation as the emulator's client would, and returns what is answered.
func (w world) call(id string) gjson.Result {
	w.t.Helper()
	op, known := client.LookUp(id)
	require.True(w.t, known, id)
	call := client.Call{Params: map[string]string{}, Body: []byte(w.fill(op, requests[id]))}
	for _, name := range op.Parameters() {
		call.Params[name] = w.thing(op, name)
	}
	gjson.Parse(w.fill(op, queries[id])).ForEach(func(key, value gjson.Result) bool {
		if call.Query == nil {
			call.Query = map[string][]string{}
		}
		call.Query.Set(key.String(), value.String())
		return true
	})
	resp, err := w.api.Call(w.t.Context(), op, call)
	require.NoError(w.t, err, id)
	return gjson.ParseBytes(resp.Body)
}

var placeholder = regexp.MustCompile(`<(\w+)>`)

// fill puts things where their names stand in <>.
func (w world) fill(op client.Operation, text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string { return w.thing(op, strings.Trim(name, "<>")) })
}

// thing finds, or makes, what something in a call is the name of.
func (w world) thing(op client.Operation, name string) string {
	w.t.Helper()
	if name == "senderId" && strings.Contains(op.Path, "/rcs/") {
		name = "rcsSenderId"
	}
	find := things()[name]
	require.NotNil(w.t, find, "%s: what is %s?", op.ID, name)
	value := find(w)
	require.NotEmpty(w.t, value, "%s: there is no %s", op.ID, name)
	return value
}
