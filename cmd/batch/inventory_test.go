package main

import (
	"fmt"
	"io/fs"
	"os"
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

// assertNoSecrets looks for secrets in all that the views of the store show, and
// in its files as they are.
func (w *workbench) assertNoSecrets() {
	w.t.Helper()
	secrets := w.secrets()
	root := filepath.Join(w.dir, "store")
	require.NoError(w.t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, secret := range secrets {
			assert.NotContains(w.t, string(text), secret, path)
		}
		return err
	}))
	var selects []string
	for _, view := range w.queryHere("select view_name from duckdb_views() where not internal and not view_name like '%_changes'") {
		selects = append(selects, fmt.Sprintf("select t::varchar as row from %s t", view["view_name"]))
	}
	rows := w.queryHere(strings.Join(selects, " union all "))
	require.NotEmpty(w.t, rows)
	for _, row := range rows {
		for _, secret := range secrets {
			assert.NotContains(w.t, row["row"], secret)
		}
	}
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

func TestUnknownFieldsOfContactsConversationsAndMessagesAreKept(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{ExtraFields: true}, `
contacts: {kind: contact_export}
conversations: {kind: conversation_export, app: APP}
messages: {kind: message_archive, app: APP, since: 60d, settle: 1ms}
`)
	r := w.here("run", "contacts", "conversations", "messages")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	for _, set := range []string{"contacts", "conversations", "messages"} {
		n := w.queryHere("select count(*) as n, count(*) filter (body like '%of_a_later_version%') as kept from " + set)[0]
		assert.Equal(t, n["n"], n["kept"], set)
		assert.NotEqual(t, float64(0), n["n"])
	}
	bodies := map[string]string{}
	for _, row := range w.queryHere("select id, body from conversations") {
		bodies[row["id"].(string)] = row["body"].(string)
	}
	for _, c := range w.conversations() {
		assert.Equal(t, c.Raw, bodies[c.Get("id").Str], "byte for byte")
	}
}
