package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
)

// secrets are all that the emulator's account has.
func (w *workbench) secrets() []string {
	w.t.Helper()
	secrets := []string{emulator.SecretMark, webhookSecret, w.api.Info().KeySecret}
	get, _ := client.LookUp("App_GetApp")
	resp, err := w.client().Call(w.t.Context(), get, client.Call{Params: map[string]string{"app_id": w.api.Info().App}})
	require.NoError(w.t, err)
	of := regexp.MustCompile(`secret-[0-9a-f]{16}`).FindAllString(string(resp.Body), -1)
	require.GreaterOrEqual(w.t, len(of), 8)
	return append(secrets, of...)
}

// assertNoSecrets looks for secrets in all that the store holds.
func (w *workbench) assertNoSecrets() {
	w.t.Helper()
	found := searched(w.t, filepath.Join(w.dir, "store"))
	assert.Greater(w.t, len(found), 10)
	assert.Empty(w.t, found.leaks(w.secrets()...))
}

const inventoryJobs = `
apps: {kind: app_export}
webhooks: {kind: webhook_export}
channels: {kind: channel_export}
provisioning: {kind: provisioning_export}
`

func TestTheInventoryIsKeptWholeWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{ExtraFields: true}, inventoryJobs)
	w.addWebhooks(3)
	for _, job := range []string{"apps", "webhooks", "channels", "provisioning"} {
		s, r := w.runHere(job)
		require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		assert.Equal(t, s.Rows, s.Done)
	}
	w.assertNoSecrets()
	assert.Len(t, w.queryHere("select id from whatsapp_accounts"), 1)
	assert.Len(t, w.queryHere("select id from rcs_questionnaires"), 4)
	assert.Len(t, w.queryHere("select id from channels"), 2)

	// Fields that no specification has are kept with the others.
	app := gjson.Parse(w.queryHere("select body from apps")[0]["body"].(string))
	assert.True(t, app.Get("of_a_later_version").Exists())
	for _, credential := range app.Get("channel_credentials").Array() {
		assert.True(t, credential.Get("of_a_later_version").Exists(), "%s", credential)
		assert.NotEmpty(t, credential.Get("channel").Str)
	}
	assert.Contains(t, app.Raw, `"claimed_identity":"account-`, "what an account is called is no secret")
	for _, hook := range w.queryHere("select target, body from webhooks") {
		body := gjson.Parse(hook["body"].(string))
		assert.True(t, body.Get("of_a_later_version").Exists())
		assert.Equal(t, hook["target"], body.Get("target").Str)
		assert.Equal(t, "(not kept)", body.Get("client_credentials.client_secret").Str)
	}
	got := map[string]int{}
	for _, row := range w.queryHere(w.entriesOf("provisioning")) {
		got[row["body"].(string)]++
	}
	want := map[string]int{}
	for _, body := range w.inventory() {
		want[body]++
	}
	assert.Equal(t, want, got, "byte for byte, but for the secrets")
	for body := range got {
		assert.Contains(t, body, "notYetSpecified")
	}
}

func TestWhatAnAccountDoesNotHaveIsNotedAndNoFailure(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{DeniedGroups: []string{"whatsapp:400", "kakaotalk", "rcs:404"}}, inventoryJobs)
	s, r := w.runHere("provisioning")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, s.Rows, s.Done)
	noted := map[string]int{}
	for _, row := range w.queryHere("select key, http_status, error from results where job = 'provisioning' and error <> ''") {
		assert.Contains(t, row["error"], "not there, or not for this account")
		group, _, _ := strings.Cut(row["key"].(string), "_")
		noted[fmt.Sprint(group, row["http_status"])]++
	}
	assert.Equal(t, map[string]int{"whatsapp400": 6, "kakaotalk403": 2, "rcs404": 6}, noted)
	assert.NotEmpty(t, w.queryHere("select id from bundles"))
	assert.Empty(t, w.queryHere("select id from whatsapp_senders"))
}

// A list that ends in a refusal is not one that the account does not have.
func TestAListThatIsRefusedInTheMiddleIsNoSnapshot(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{}, "list: {kind: api_list, operation: Contact_ListContacts, into: people}")
	require.NoError(t, w.api.SetFaults([]emulator.Fault{{Operation: "Contact_ListContacts", Kind: emulator.FaultForbidden, After: 2, First: 1}}))
	s, r := w.runHere("list")
	require.Equal(t, exitFailed, r.code)
	assert.Contains(t, s.Message, "read Contact_ListContacts: ")
	s, r = w.runHere("list")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, 100, w.queryHere("select count(distinct id) as n from people")[0]["n"])
}

// What nobody knows yet is kept whatever it belongs to, byte for byte.
func TestUnknownFieldsOfContactsConversationsAndMessagesAreKept(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{ExtraFields: true}, `
contacts: {kind: contact_export}
conversations: {kind: conversation_export, app: APP}
messages: {kind: message_archive, app: APP, since: 60d, settle: 1ms}
apps: {kind: app_export}
webhooks: {kind: webhook_export}
`)
	w.addWebhooks(3)
	r := w.here("run", "contacts", "conversations", "messages", "apps", "webhooks")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	served := map[string][]gjson.Result{
		"contacts":      w.list("Contact_ListContacts", client.Call{}),
		"conversations": w.conversations(),
		"apps":          w.list("App_ListApps", client.Call{}),
		"webhooks":      w.list("Webhooks_ListWebhooks", client.Call{Params: map[string]string{"app_id": w.api.Info().App}}),
	}
	for m := range w.api.Messages() {
		served["messages"] = append(served["messages"], gjson.ParseBytes(m.Body))
	}
	for set, entries := range served {
		kept := map[string]string{}
		for _, row := range w.queryHere("select id, body from " + set) {
			kept[row["id"].(string)] = row["body"].(string)
		}
		require.NotEmpty(t, entries, set)
		assert.Len(t, kept, len(entries), set)
		for _, e := range entries {
			body := kept[e.Get("id").Str]
			assert.Contains(t, body, "of_a_later_version", set)
			if set == "apps" || set == "webhooks" { // their secrets are not kept
				assertSameBut(t, e, gjson.Parse(body))
				continue
			}
			assert.Equal(t, e.Raw, body, set)
		}
	}
}

// assertSameBut asserts that what is kept is what was served, member for member,
// but for the secrets.
func assertSameBut(t *testing.T, served, kept gjson.Result) {
	t.Helper()
	if !served.IsObject() && !served.IsArray() {
		if kept.Str != "(not kept)" {
			assert.Equal(t, served.Raw, kept.Raw)
		}
		return
	}
	names := func(v gjson.Result) (names []string) {
		v.ForEach(func(key, _ gjson.Result) bool {
			names = append(names, key.Str)
			return true
		})
		return names
	}
	assert.Equal(t, names(served), names(kept))
	values := kept.Array()
	if served.IsObject() {
		values = nil
		kept.ForEach(func(_, v gjson.Result) bool {
			values = append(values, v)
			return true
		})
	}
	i := 0
	served.ForEach(func(_, v gjson.Result) bool {
		assertSameBut(t, v, values[i])
		i++
		return true
	})
}

// Whether the conversations of an app were read alone or with all others, each
// is shown once, as the latest run found it.
func TestAnExportOfOneAppAndOneOfAllShowEachEntryOnce(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{}, `
conversations: {kind: conversation_export}
conversations-of-one: {kind: conversation_export, app: APP}
webhooks: {kind: webhook_export}
webhooks-of-one: {kind: webhook_export, app: APP}
channels: {kind: channel_export}
channels-of-one: {kind: channel_export, app: APP}
`)
	w.addWebhooks(2)
	for _, order := range [][]string{{"", "-of-one"}, {""}, {"-of-one"}} {
		for _, set := range []string{"conversations", "webhooks", "channels"} {
			var last string
			for _, which := range order {
				s, r := w.runHere(set + which)
				require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
				last = s.RunID
			}
			n := w.queryHere("select count(*) as n, count(distinct id) as ids, count(*) filter (run_id = '" + last + "') as latest from " + set)[0]
			assert.NotZero(t, n["ids"], set)
			assert.Equal(t, n["ids"], n["n"], set)
			assert.Equal(t, n["n"], n["latest"], "the emulator has one app: %s", set)
		}
	}
}
