package main

import (
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

// called are the operations that were called since the counters were reset,
// each once.
func called(w *workbench) []string {
	var ids []string
	for _, call := range w.api.Requests() {
		ids = append(ids, call.Operation)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// mustLoad loads a job file, in which every variable without a default is set
// to something.
func mustLoad(t *testing.T, path string) *jobs.File {
	t.Helper()
	file, err := jobs.Load(path, func(name string) (string, bool) {
		if name == "SINCH_REGION" || strings.HasSuffix(name, "_URL") {
			return "", false
		}
		return "some", true
	})
	require.NoError(t, err)
	return file
}

// lost breaks the connection off when the first call of an operation has taken
// effect.
func lost(operation string) []emulator.Fault {
	return []emulator.Fault{{Operation: operation, Kind: emulator.FaultResetAfter, First: 1}}
}

// circumstances are those under which a job calls all that it says it may.
type circumstances struct {
	options emulator.Options
	before  string   // of rows.csv in a run before
	rows    string   // of rows.csv
	hides   string   // what the path of a list ends with that never shows anything
	first   []string // jobs that have to run before
	job     string
}

// preparing are jobs that others need to have run.
var preparing = map[string]string{
	"contacts":      `{kind: contact_export}`,
	"conversations": `{kind: conversation_export}`,
	"messages":      `{kind: message_archive, app: APP, settle: 1ms}`,
	"optouts":       `{kind: optout_sync, app: APP, from: {csv: rows.csv}, key: phone, channel: SMS, identity: "{{.phone}}"}`,
}

var circumstancesOf = map[string]circumstances{
	"bulk_send": {
		options: emulator.Options{Profile: emulator.ProfileOld, Conversations: 2, Messages: 4, Faults: lost("Messages_SendMessage")},
		rows:    "phone\n+46700000001\n",
		job: `{kind: bulk_send, app: APP, from: {csv: rows.csv}, key: phone, reconcile_after: 1ms,
    request: {recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}, message: {text_message: {text: Hi}}}}`,
	},
	"bulk_send in batches": {
		options: emulator.Options{Faults: lost("Batch_SendBatch")},
		rows:    "phone\n+46700000001\n",
		job: `{kind: bulk_send, mode: batch, app: APP, from: {csv: rows.csv}, key: phone, reconcile_after: 1ms,
    request: {recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}, message: {text_message: {text: Hi}}}}`,
	},
	"message_archive": {
		options: emulator.Options{Profile: emulator.ProfileOld, Conversations: 2, Messages: 4},
		job:     `{kind: message_archive, app: APP}`,
	},
	"contact_import": { // two rows of one contact: the second adds to what the first has made
		rows: "key,id,phone\n1,x,+46700000001\n2,x,+46700000002\n",
		job: `{kind: contact_import, from: {csv: rows.csv}, key: key,
    request: {external_id: "{{.id}}", language: SV, channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}`,
	},
	"contact_import in batches": {
		rows: "key,id,phone\n1,x,+46700000001\n2,x,+46700000002\n",
		job: `{kind: contact_import, mode: batch, from: {csv: rows.csv}, key: key, reconcile_after: 1ms,
    request: {external_id: "{{.id}}", language: SV, channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}`,
	},
	"optout_sync": {
		before: "phone\n46700000001\n",
		rows:   "phone\n46700000002\n",
		job:    `{kind: optout_sync, app: APP, from: {csv: rows.csv}, key: phone, channel: SMS, identity: "{{.phone}}", via: register, most_removed: 100%}`,
	},
	"app_apply": {
		rows:  "key,mode\n1,CONVERSATION\n2,DISPATCH\n",
		hides: "/apps",
		job: `{kind: app_apply, from: {csv: rows.csv}, key: key, reconcile_after: 1ms,
    request: {display_name: New, processing_mode: "{{.mode}}", channel_credentials: []}}`,
	},
	"webhook_apply": {
		rows:  "key,trigger\n1,MESSAGE_INBOUND\n2,MESSAGE_DELIVERY\n",
		hides: "/webhooks",
		job: `{kind: webhook_apply, app: APP, from: {csv: rows.csv}, key: key, reconcile_after: 1ms,
    request: {target: "https://hooks.example.com/1", target_type: HTTP, triggers: ["{{.trigger}}"]}}`,
	},
	"contact_merge": {
		options: emulator.Options{Contacts: 2, Faults: lost("Contact_MergeContact")},
		first:   []string{"contacts"},
		job: `{kind: contact_merge, from: {sql: "select min(id) as a, max(id) as b from contacts"}, key: a,
    into: "{{.a}}", contact: "{{.b}}", reconcile_after: 1ms}`,
	},
	"message_inject": {
		options: emulator.Options{Conversations: 1, Messages: 1, Faults: lost("Conversation_InjectMessage")},
		first:   []string{"messages", "conversations"},
		job: `{kind: message_inject, from: {sql: "select m.id, c.id as talk, c.contact_id, m.body from messages m, conversations c"}, key: id,
    conversation: "{{.talk}}", contact: "{{.contact_id}}", message: "{{.body}}", reconcile_after: 1ms}`,
	},
	"consent_export": {
		rows:  "phone\n46700000001\n",
		first: []string{"optouts"},
		job:   `{kind: consent_export, audit: true}`,
	},
	"conversation_export": {job: `{kind: conversation_export}`},
	"webhook_export":      {job: `{kind: webhook_export}`},
	"channel_export":      {job: `{kind: channel_export}`},
	"provisioning_export": {job: `{kind: provisioning_export}`},
}

// hiding leaves lists empty whose path ends so.
func (w *workbench) hiding(end string) {
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		resp, err := api.RoundTrip(r)
		if err == nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, end) {
			resp.Header.Del("Content-Length")
			resp.Body = io.NopCloser(strings.NewReader(`{"apps":[],"webhooks":[]}`))
		}
		return resp, err
	})
}

// A kind calls the operations that the documents name, all of them, and no
// other. One that calls a single operation is not looked at again: the example
// runs it.
func TestKindsCallWhatTheySay(t *testing.T) {
	t.Parallel()
	for kind, c := range circumstancesOf {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			lines := []string{"job: " + c.job}
			for _, name := range c.first {
				lines = append(lines, name+": "+preparing[name])
			}
			w := newWorkbench(t, c.options, "", strings.Join(lines, "\n"))
			if c.hides != "" {
				w.hiding(c.hides)
			} else {
				w.judged()
			}
			if c.before != "" {
				w.write("rows.csv", c.before)
				require.Zero(t, w.here("run", "job").code)
			}
			w.write("rows.csv", c.rows)
			for _, name := range c.first {
				require.Zero(t, w.here("run", name).code)
			}
			w.api.ResetCounters()
			r := w.here("run", "job")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			job, _ := mustLoad(t, filepath.Join(w.dir, "jobs.yaml")).Job("job")
			assert.ElementsMatch(t, job.Operations(), called(w))
		})
	}
	for _, job := range mustLoad(t, filepath.Join("..", "..", "jobs.example.yaml")).Jobs {
		if n := len(job.Operations()); n != 1 {
			assert.Contains(t, circumstancesOf, job.Kind, "it says that it calls %d operations: let it", n)
		}
	}
}
