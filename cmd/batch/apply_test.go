package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

const teamJob = `
teams:
  kind: app_apply
  from: {csv: teams.csv}
  key: team
  reconcile_after: 1ms
  request:
    display_name: "{{.team}}"
    processing_mode: "{{.mode}}"
    channel_credentials: []
`

// effects are the operations that took effect, and what they were given.
func (w *workbench) effects() (calls []string) {
	for _, a := range w.api.Accepted() {
		calls = append(calls, a.Operation+" "+a.Body)
	}
	return calls
}

func TestAppsBecomeAsTheRowsSay(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Profile: profile, ExtraFields: true}, quickRetry, teamJob)
			w.write("teams.csv", "team,mode\nEmulated app,CONVERSATION\nSales,DISPATCH\nCare,CONVERSATION\n")
			made := w.batch("plan", "--json", "teams").plan(t)
			assert.Equal(t, map[string]int64{"create": 2}, made.Actions)
			assert.EqualValues(t, 1, made.Skipped, "what is as wanted")
			assert.Empty(t, w.effects(), "a plan reads only")

			s, r := w.run("teams")
			require.Zero(t, r.code, r.stderr)
			assert.EqualValues(t, made.Send, s.Done, "as the plan said")
			assert.EqualValues(t, 1, s.Skipped)
			assert.Len(t, w.effects(), 2)
			refs := w.query("select distinct ref from results where ref <> ''")
			assert.Len(t, refs, 3, "also of what was unchanged")

			s, _ = w.run("teams")
			assert.EqualValues(t, 3, s.Skipped)
			assert.Len(t, w.effects(), 2, "the same rows again change nothing")

			w.write("teams.csv", "team,mode\nEmulated app,CONVERSATION\nSales,CONVERSATION\nCare,CONVERSATION\n")
			planned := w.batch("plan", "--json", "teams")
			made, said := planned.plan(t), planned.stdout
			assert.Equal(t, map[string]int64{"change processing_mode": 1}, made.Actions)
			assert.Contains(t, w.batch("plan", "teams").stdout, "\n    1 row: change processing_mode\n")
			assert.Equal(t, "processing_mode", gjson.Get(said, "first_requests.0.update_mask.0").String())
			s, r = w.run("teams")
			require.Zero(t, r.code, r.stderr)
			assert.EqualValues(t, 1, s.Done)
			assert.Equal(t, `App_UpdateApp {"processing_mode":"CONVERSATION","display_name":"Sales"}`, w.effects()[2])
		})
	}
}

func TestChannelsThatARowDoesNotNameKeepTheirCredentials(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{ExtraFields: true}, quickRetry, `
bot:
  kind: app_apply
  from: {csv: bot.csv}
  key: name
  reconcile_after: 1ms
  request:
    display_name: "{{.name}}"
    channel_credentials:
      - {channel: TELEGRAM, telegram_credentials: {token: "${BOT_TOKEN}"}}
      - {channel: LINE, line_credentials: {token: "${BOT_TOKEN}", secret: "${BOT_TOKEN}"}}
`)
	w.env = []string{"BOT_TOKEN=new-token-of-the-bot"}
	w.write("bot.csv", "name\nEmulated app\n")
	planned := w.batch("plan", "--json", "bot")
	made, said := planned.plan(t), planned.stdout
	assert.Equal(t, map[string]int64{"change channel_credentials": 1}, made.Actions)
	assert.NotContains(t, said, "new-token-of-the-bot")
	assert.NotContains(t, said, "secret-", "nor what other channels have")

	s, r := w.run("bot")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	require.EqualValues(t, 1, s.Done)
	sent := w.api.Accepted()[0].Body
	assert.Equal(t, `["WHATSAPP","RCS","SMS","MMS","MESSENGER","INSTAGRAM","TELEGRAM","VIBERBM","LINE"]`, gjson.Get(sent, "channel_credentials.#.channel").Raw)
	assert.Equal(t, "new-token-of-the-bot", gjson.Get(sent, "channel_credentials.6.telegram_credentials.token").String())
	assert.Contains(t, gjson.Get(sent, "channel_credentials.3.mms_credentials.api_key").String(), "secret-")
	assert.NotContains(t, sent, `"state"`)

	s, _ = w.run("bot")
	assert.EqualValues(t, 1, s.Skipped)
	found := searched(t, filepath.Join(w.dir, "store"))
	assert.Empty(t, found.leaks("new-token-of-the-bot"))
	for place, text := range found {
		assert.NotContains(t, text, "secret-", place)
	}
}

const hookJob = `
hooks:
  kind: webhook_apply
  app: APP
  from: {csv: hooks.csv}
  key: url
  reconcile_after: 1ms
  request:
    target: "{{.url}}"
    target_type: HTTP
    triggers: [MESSAGE_DELIVERY, "{{.trigger}}"]
    secret: ${HOOK_SECRET}
    client_credentials: {client_id: batch, client_secret: "${HOOK_CLIENT}", endpoint: "https://hooks.example.com/token"}
`

func TestWebhooksBecomeAsTheRowsSay(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Profile: profile}, quickRetry, hookJob+strings.Replace(hookJob, "hooks:\n", "others:\n", 1))
			w.edit("others:\n    kind: webhook_apply", "others:\n    kind: webhook_apply\n    on_missing: fail")
			w.env = []string{"HOOK_SECRET=first-secret-of-all", "HOOK_CLIENT=client-secret-of-all"}
			w.write("hooks.csv", "url,trigger\nhttps://hooks.example.com/1,MESSAGE_INBOUND\nhttps://hooks.example.com/2,EVENT_INBOUND\n")
			made := w.batch("plan", "--json", "others").plan(t)
			assert.EqualValues(t, 2, made.Failing)
			s, r := w.run("others")
			assert.Equal(t, exitIncomplete, r.code)
			assert.EqualValues(t, 2, s.Failed)
			assert.Contains(t, w.batch("results", "--state", "failed", "others").stdout, "there is no such webhook, and on_missing is fail")
			assert.Empty(t, w.effects())

			s, r = w.run("hooks")
			require.Zero(t, r.code, r.stderr)
			assert.EqualValues(t, 2, s.Done)
			s, _ = w.run("hooks")
			assert.EqualValues(t, 2, s.Skipped)

			w.env[0] = "HOOK_SECRET=second-secret-of-all"
			made = w.batch("plan", "--json", "others").plan(t)
			assert.Equal(t, map[string]int64{"change secret": 2}, made.Actions)
			s, r = w.run("others")
			require.Zero(t, r.code, r.stderr)
			assert.EqualValues(t, 2, s.Done)
			require.Len(t, w.effects(), 4)
			assert.Equal(t, "second-secret-of-all", gjson.Get(w.api.Accepted()[3].Body, "secret").String())
			assert.Empty(t, searched(t, filepath.Join(w.dir, "store")).leaks("first-secret-of-all", "second-secret-of-all", "client-secret-of-all"))
		})
	}
}

// A creation whose answer is lost is looked for: what was created is not
// created again, what was not is.
func TestAnAppIsNotCreatedTwice(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{emulator.FaultResetAfter, emulator.FaultResetBefore, emulator.FaultGarbage, "500"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{{Operation: "App_CreateApp", Kind: kind, Every: 2}}}, quickRetry, teamJob)
			w.write("teams.csv", "team,mode\nSales,DISPATCH\nCare,DISPATCH\nOps,DISPATCH\n")
			s, r := w.run("teams")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, 3, s.Done)
			assert.Len(t, w.effects(), 3)
			assert.Len(t, w.query("select distinct ref from results"), 3)
		})
	}
}

func TestARowThatFitsSeveralAppsFails(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickRetry, teamJob+`
doubles:
  kind: api_call
  from: {csv: doubles.csv}
  key: n
  operation: App_CreateApp
  ref: id
  request: {display_name: Sales, channel_credentials: []}
chosen:
  kind: app_apply
  from: {csv: chosen.csv}
  key: id
  id: "{{.id}}"
  request: {processing_mode: CONVERSATION}
`)
	w.write("doubles.csv", "n\n1\n2\n")
	w.write("teams.csv", "team,mode\nSales,CONVERSATION\n")
	_, r := w.run("doubles")
	require.Zero(t, r.code, r.stderr)
	made := w.batch("plan", "--json", "teams").plan(t)
	assert.EqualValues(t, 1, made.Failing)
	s, r := w.run("teams")
	assert.Equal(t, exitIncomplete, r.code)
	assert.EqualValues(t, 1, s.Failed)
	text := w.batch("results", "--format", "csv", "--state", "failed", "teams").stdout
	assert.Contains(t, text, "2 apps match, among them ")
	assert.Contains(t, text, "write id: with the one that is meant")

	// With an id there is no doubt which is meant.
	id := fmt.Sprint(w.query("select ref from results where job = 'doubles' and key = '2'")[0]["ref"])
	w.write("chosen.csv", "id\n"+id+"\n01ARZ3NDEKTSV4RRFFQ69G5FAV\n")
	s, _ = w.run("chosen")
	assert.EqualValues(t, 1, s.Done)
	assert.EqualValues(t, 1, s.Failed)
	assert.Equal(t, id, w.api.Accepted()[2].AppID)
	assert.Contains(t, w.batch("results", "--format", "csv", "--state", "failed", "chosen").stdout, "there is no app with the id 01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

// Invariant 6 for what the request itself carries: a server that repeats what
// it is sent, in answers and in refusals, brings none of it into what is kept
// or said.
func TestTheSecretsOfARequestAreNowhere(t *testing.T) {
	t.Parallel()
	for kind, job := range map[string]string{
		"webhook_apply": hookJob,
		"api_call": strings.NewReplacer("kind: webhook_apply", "kind: api_call\n  operation: Webhooks_CreateWebhook",
			"  reconcile_after: 1ms\n", "", "request:", "request:\n    app_id: APP").Replace(hookJob),
	} {
		t.Run(kind, func(t *testing.T) { t.Parallel(); secretsAreNowhere(t, job) })
	}
}

func secretsAreNowhere(t *testing.T, job string) {
	t.Helper()
	w := newWorkbench(t, emulator.Options{}, quickRetry, job)
	var refusals atomic.Int64
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/webhooks") || refusals.Add(1) > 2 {
			return api.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		said := map[string]any{"status": "INVALID_ARGUMENT", "message": strings.Repeat("x", 300) + string(body)}
		return badRequest(asJSON(t, said)), err
	})
	secrets := []string{"s3cr3t/0123456789 of=the+hook", "0987654321~client&secret"}
	w.env = []string{"HOOK_SECRET=" + secrets[0], "HOOK_CLIENT=" + secrets[1]}
	var csv strings.Builder
	csv.WriteString("url,trigger\n")
	for i := range 4 {
		fmt.Fprintf(&csv, "https://hooks.example.com/%d,EVENT_INBOUND\n", i)
	}
	w.write("hooks.csv", csv.String())
	said := places{}
	for _, line := range [][]string{
		{"validate"}, {"plan", "hooks"}, {"plan", "--json", "hooks"}, {"run", "hooks"}, {"results", "--format", "jsonl", "hooks"},
		{"plan", "hooks"}, {"retry", "--json", "hooks"}, {"status", "--json"}, {"sql", "--format", "jsonl", "select * from results"},
	} {
		r := w.batch(append([]string{"--log-level", "debug"}, line...)...)
		require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%v: %s%s", line, r.stdout, r.stderr)
		said["standard output"] += r.stdout
		said["standard error"] += r.stderr
	}
	require.Contains(t, said["standard output"], "[redacted]", "something was repeated")
	require.Contains(t, said["standard output"], "(not kept)", "and shown without its secrets")
	assert.Len(t, w.effects(), 4)
	found := searched(t, filepath.Join(w.dir, "store"))
	found["standard output"], found["standard error"] = said["standard output"], said["standard error"]
	assert.Empty(t, found.leaks(secrets...))
	for place, text := range found {
		assert.NotContains(t, text, "s3cr3t", place)
	}
}

func TestASecretFromAColumnIsWarnedOf(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickRetry, hookJob)
	w.env = []string{"HOOK_SECRET=a", "HOOK_CLIENT=b"}
	assert.Empty(t, w.batch("validate").stderr)
	w.edit("${HOOK_SECRET}", `"{{.secret}}"`)
	w.edit("client_secret: \"${HOOK_CLIENT}\"", "client_secret: in-the-file")
	w.edit("      target_type: HTTP\n", "")
	r := w.batch("validate")
	assert.Zero(t, r.code)
	assert.Contains(t, r.stderr, "jobs.hooks.request.secret: the secret comes from the input")
	assert.Contains(t, r.stderr, "jobs.hooks.request.client_credentials.client_secret: the secret stands in the file")
	assert.Contains(t, r.stderr, "jobs.hooks.request: has no target_type")
	assert.NotContains(t, r.stderr, "in-the-file", "which is not shown")
}
