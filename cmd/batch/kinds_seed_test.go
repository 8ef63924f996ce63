package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
)

// here runs a command line in this process, which costs less than another one.
func (w *workbench) here(args ...string) result {
	w.t.Helper()
	return inProcess(w.t, program{env: w.secretOnly}, append([]string{"-f", filepath.Join(w.dir, "jobs.yaml"), "--quiet"}, args...)...)
}

// inProcess runs batch in this process, as it is given: by default with the time
// as it is and nothing in its environment.
func inProcess(t *testing.T, p program, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	p.stdin, p.stdout, p.stderr = strings.NewReader(""), &out, &errs
	if p.env == nil {
		p.env = func(string) (string, bool) { return "", false }
	}
	if p.now == nil {
		p.now = time.Now
	}
	code := p.run(t.Context(), append([]string{"batch"}, args...))
	return result{code, out.String(), errs.String()}
}

// secretOnly is the environment of job files that name nothing but the secret.
func (w *workbench) secretOnly(name string) (string, bool) {
	return w.api.Info().KeySecret, name == "TEST_SECRET"
}

// runHere is run in this process.
func (w *workbench) runHere(job string) (summary, result) {
	w.t.Helper()
	r := w.here("run", "--json", job)
	require.NotEmpty(w.t, r.stdout, r.stderr)
	return r.summary(w.t), r
}

// queryHere is query in this process.
func (w *workbench) queryHere(sql string) []map[string]any {
	w.t.Helper()
	r := w.here("sql", "--format", "json", sql)
	return r.rows(w.t)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// client speaks to the emulator beside the job, without its latency.
func (w *workbench) client() *client.Client { return newAPI(w.t, w.api.Emulator) }

// list reads a list of the emulator to its end.
func (w *workbench) list(operation string, call client.Call) (all []gjson.Result) {
	w.t.Helper()
	op, known := client.LookUp(operation)
	require.True(w.t, known, operation)
	api := w.client()
	for token := ""; ; {
		page, err := api.List(w.t.Context(), op, op.Next(call, token))
		require.NoError(w.t, err)
		for _, item := range page.Items {
			all = append(all, gjson.ParseBytes(item))
		}
		if token = page.Next; token == "" {
			return all
		}
	}
}

func (w *workbench) conversations() []gjson.Result {
	w.t.Helper()
	return w.list("Conversation_ListConversations", client.Call{Query: url.Values{"app_id": {w.api.Info().App}}})
}

// seed writes n rows made of a list of the emulator: contacts.jsonl with ids of
// contacts, each with another, conversations.jsonl, messages.jsonl with the
// messages and for each a conversation that it is not of, or apps.jsonl with
// apps that have no webhooks.
func (w *workbench) seed(of string, n int) {
	w.t.Helper()
	var rows []any
	switch of {
	case "contacts":
		all := w.list("Contact_ListContacts", client.Call{})
		for i := range n {
			rows = append(rows, map[string]any{"id": all[i].Get("id").Str, "other": all[len(all)-1-i].Get("id").Str})
		}
	case "conversations":
		for _, c := range w.conversations() {
			rows = append(rows, map[string]any{"id": c.Get("id").Str})
		}
	case "messages":
		conversations := w.conversations()
		times := map[string]bool{}
		for m := range w.api.Messages() {
			f := gjson.ParseBytes(m.Body)
			at := f.Get("accept_time").Str
			if times[at] {
				continue // so that a message is known by its time
			}
			times[at] = true
			other := conversations[0]
			if other.Get("id").Str == f.Get("conversation_id").Str {
				other = conversations[1]
			}
			rows = append(rows, map[string]any{
				"body": f.Raw, "id": f.Get("id").Str, "accept_time": at,
				"conversation_id": other.Get("id").Str, "contact_id": other.Get("contact_id").Str,
			})
		}
	case "apps": // new ones, each to have as many webhooks as it may
		create, _ := client.LookUp("App_CreateApp")
		app := ""
		for i := range n {
			if i%5 == 0 {
				r, err := w.client().Call(w.t.Context(), create, client.Call{Body: fmt.Appendf(nil, `{"display_name":"App %d","channel_credentials":[]}`, i)})
				require.NoError(w.t, err)
				app = gjson.GetBytes(r.Body, "id").Str
			}
			rows = append(rows, map[string]any{"app": app, "url": fmt.Sprintf("https://hooks.example.com/%d", i)})
		}
	default:
		require.Fail(w.t, "no list "+of)
	}
	require.GreaterOrEqual(w.t, len(rows), n)
	var b strings.Builder
	for _, row := range rows[:n] {
		b.WriteString(asJSON(w.t, row) + "\n")
	}
	w.write(of+".jsonl", b.String())
}

// webhookSecret stands in every webhook that addWebhooks makes.
const webhookSecret = "webhook-secret-"

// addWebhooks gives the app webhooks with secrets.
func (w *workbench) addWebhooks(n int) {
	w.t.Helper()
	create, _ := client.LookUp("Webhooks_CreateWebhook")
	api := w.client()
	for i := range n {
		_, err := api.Call(w.t.Context(), create, client.Call{Body: []byte(asJSON(w.t, map[string]any{
			"app_id": w.api.Info().App, "target": fmt.Sprintf("https://hooks.example.com/%d", i), "triggers": []string{"MESSAGE_INBOUND"},
			"target_type": "HTTP", "secret": fmt.Sprint(webhookSecret, i),
			"client_credentials": map[string]any{"client_id": "c", "client_secret": fmt.Sprint(webhookSecret, "c", i), "endpoint": "https://id.example.com"},
		}))})
		require.NoError(w.t, err)
	}
}

// optOuts puts n identities on a list each, as those do who answer STOP.
func (w *workbench) optOuts(n int) {
	for i := range n {
		w.api.OptOut([]string{emulator.OptOutAll, emulator.OptOutMarketing}[i%2], number(i)[1:])
	}
}

// oracle names what a job that reads must have: the ids of a list, or of the
// inventory the entries themselves.
func (w *workbench) oracle(of string) (ids []string) {
	w.t.Helper()
	var entries []gjson.Result
	app := w.api.Info().App
	switch of {
	case "contacts":
		entries = w.list("Contact_ListContacts", client.Call{})
	case "conversations":
		entries = w.conversations()
	case "apps":
		entries = w.list("App_ListApps", client.Call{})
	case "webhooks":
		entries = w.list("Webhooks_ListWebhooks", client.Call{Params: map[string]string{"app_id": app}})
	case "messages":
		for m := range w.api.Messages() {
			ids = append(ids, m.ID)
		}
	case "channels": // that the emulator's app has, of those with an operation
		return []string{app + "/MESSENGER", app + "/TELEGRAM"}
	case "inventory":
		return w.inventory()
	case "consents": // who is on each list, and that they were put there
		for _, list := range []string{emulator.OptOutAll, emulator.OptOutMarketing, emulator.OptOutNotification} {
			for _, identity := range w.api.OptedOut(list) {
				ids = append(ids, list+" "+identity, list+" "+identity+" OPERATION_INSERT")
			}
		}
		return ids
	default:
		require.Fail(w.t, "no oracle "+of)
	}
	for _, e := range entries {
		ids = append(ids, e.Get("id").Str)
	}
	return ids
}

// inventory is what the lists of the Provisioning API hold, as it is kept:
// without secrets.
func (w *workbench) inventory() (bodies []string) {
	for item := range w.api.Inventory() {
		byName := strings.HasPrefix(item.List, "/whatsapp/templates/") && !strings.HasSuffix(item.List, "/activities")
		if byName || strings.HasSuffix(item.List, "/suggestedUsernames") || strings.HasSuffix(item.List, "/capabilities") {
			continue // they are in the list of all; or are no inventory, but made when they are asked for
		}
		bodies = append(bodies, withoutSecrets(string(item.Body)))
	}
	return bodies
}

var secretsOfTests = []string{emulator.SecretMark, webhookSecret}

// withoutSecrets puts in the place of each text that begins like a secret of
// the tests what batch puts there.
func withoutSecrets(body string) string {
	for _, mark := range secretsOfTests {
		for {
			before, after, found := strings.Cut(body, `"`+mark)
			if !found {
				break
			}
			_, rest, _ := strings.Cut(after, `"`)
			body = before + `"(not kept)"` + rest
		}
	}
	return body
}
