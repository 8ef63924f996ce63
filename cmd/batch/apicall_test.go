package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
)

func TestAChangeIsAboutTheMembersOfTheRowsRequestAlone(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		w := kindBench(t, emulator.Options{Profile: profile}, `
update:
  kind: conversation_update
  from: {csv: rows.csv}
  key: id
  conversation: "{{.id}}"
  metadata: merge
  request: {active_channel: "{{.channel}}", metadata_json: {reviewed: "{{.by}}"}}
`)
		ids := w.idsOfConversations(profile)
		w.write("rows.csv", "id,channel,by\n"+ids[0]+",RCS,Ada\n"+ids[1]+",,Bo\n")
		before := w.conversation(ids[1])
		_, r := w.runHere("update")
		require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		first, second := w.conversation(ids[0]), w.conversation(ids[1])
		assert.Equal(t, "RCS", first.Get("active_channel").Str)
		assert.Equal(t, before.Get("active_channel").Raw, second.Get("active_channel").Raw, "a template that yields nothing changes nothing")
		assert.Equal(t, "Bo", second.Get("metadata_json.reviewed").Str)
		assert.Equal(t, before.Get("metadata").Raw, second.Get("metadata").Raw)
		before.Get("metadata_json").ForEach(func(key, value gjson.Result) bool {
			assert.Equal(t, value.Raw, second.Get("metadata_json."+key.Str).Raw, "merged with what is there")
			return true
		})
	}
}

func TestARowThatChangesNothingIsSkipped(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{}, `
update:
  kind: conversation_update
  from: {csv: rows.csv}
  key: id
  conversation: "{{.id}}"
  request: {active_channel: "{{.channel}}"}
`)
	w.write("rows.csv", "id,channel\n"+w.idsOfConversations("")[0]+",\n")
	s, r := w.runHere("update")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 1, s.Skipped)
	assert.Contains(t, w.queryHere("select error from results")[0]["error"], "there is nothing to change")
	assert.Empty(t, w.ledger("Conversation_UpdateConversation"))
	assert.Contains(t, w.here("plan", "update").stdout, "0 to send, 0 invalid, 0 suppressed, 1 skipped")
}

// idsOfConversations lists them on servers of any age.
func (w *workbench) idsOfConversations(profile string) (ids []string) {
	w.t.Helper()
	call := client.Call{Query: map[string][]string{"app_id": {w.api.Info().App}}}
	if profile == emulator.ProfileOld {
		call.Query.Set("only_active", "false")
	}
	for _, c := range w.list("Conversation_ListConversations", call) {
		ids = append(ids, c.Get("id").Str)
	}
	require.NotEmpty(w.t, ids)
	return ids
}

func (w *workbench) conversation(id string) gjson.Result {
	w.t.Helper()
	get, _ := client.LookUp("Conversation_GetConversation")
	resp, err := w.client().Call(w.t.Context(), get, client.Call{Params: map[string]string{"conversation_id": id}})
	require.NoError(w.t, err)
	return gjson.ParseBytes(resp.Body)
}

const createCall = `
create:
  kind: api_call
  from: {csv: rows.csv}
  key: id
  OPERATION
  request:
    external_id: "{{.id}}"
    language: EN_US
    channel_identities: [{channel: SMS, identity: "46700000{{.id}}"}]
`

func TestACallOfAnyOperationIsRepeatedOnlyWhenItMayBe(t *testing.T) {
	t.Parallel()
	for operation, want := range map[string]map[string]int{
		"operation: Contact_CreateContact\n  ref: id":                                         {"done": 2, "in_doubt": 2},
		"operation: Contact_CreateContact\n  in_doubt: resend\n  ref: id":                     {"done": 4},
		"{method: POST, path: P}":                                                             {"done": 2, "in_doubt": 2},
		"{method: POST, path: P, idempotent: true, ref: id}":                                  {"done": 4},
		"{method: POST, path: P, service: conversation, idempotent: true, ref: no.such.part}": {"done": 4},
		"{method: POST, path: P, ref: no.such.part}":                                          {"done": 2, "in_doubt": 2},
		"{method: POST, path: P, in_doubt: resend, ref: no.such.part}":                        {"done": 4},
	} {
		operation = strings.Trim(strings.ReplaceAll(strings.ReplaceAll(operation, ", ", "\n  "), "path: P", "path: \"/v1/projects/{project_id}/contacts\""), "{}")
		w := kindBench(t, emulator.Options{}, strings.Replace(createCall, "OPERATION", operation, 1))
		require.NoError(t, w.api.SetFaults([]emulator.Fault{{Operation: "Contact_CreateContact", Kind: emulator.FaultResetAfter, First: 2}}))
		w.write("rows.csv", "id\n1\n2\n3\n4\n")
		_, r := w.runHere("create")
		require.Equal(t, want, w.states("create"), "%s: %s%s", operation, r.stdout, r.stderr)
		created := 4
		if want["in_doubt"] == 0 { // the first two were called again
			created = 6
		}
		assert.Len(t, w.ledger("Contact_CreateContact"), created, operation)
		for _, row := range w.queryHere("select ref from results where state = 'done'") {
			assert.Equal(t, strings.Contains(operation, "ref: id"), row["ref"] != nil && row["ref"] != "", operation)
		}
	}
}

func TestACallWithoutItsParameterIsInvalid(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{}, `
get:
  kind: api_call
  from: {csv: rows.csv}
  key: id
  operation: Contact_GetContact
  params: {contact_id: "{{.contact}}"}
`)
	id := w.list("Contact_ListContacts", client.Call{})[0].Get("id").Str
	w.write("rows.csv", "id,contact\n1,\n2,..\n3,"+id+"\n")
	_, r := w.runHere("get")
	assert.Equal(t, exitIncomplete, r.code)
	assert.Equal(t, map[string]int{"invalid": 2, "done": 1}, w.states("get"))
	rows := w.queryHere("select error, response from results order by key")
	assert.Contains(t, rows[0]["error"], "line 2: contact_id is empty")
	assert.Contains(t, rows[1]["error"], "line 3: ")
	assert.Equal(t, id, gjson.Get(rows[2]["response"].(string), "id").Str)
}

// The API's answers have the credentials of apps in them.
func TestWhatACallOrAListBringsHasNoSecretsOfTheInventory(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{}, `
get:
  kind: api_call
  from: {csv: rows.csv}
  key: id
  operation: App_GetApp
  params: {app_id: APP}
list: {kind: api_list, operation: App_ListApps, into: my_apps}
hooks: {kind: api_list, path: "/v1/projects/{project_id}/apps/{app_id}/webhooks", params: {app_id: APP}, list: webhooks, into: my_hooks}
rcs: {kind: api_list, operation: RcsSendersController_listSenders_v1, into: my_senders}
`)
	w.addWebhooks(2)
	w.write("rows.csv", "id\n1\n")
	r := w.here("run", "get", "list", "hooks", "rcs")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	for query, want := range map[string]int{"my_apps": 1, "my_hooks": 2, "my_senders": 4} {
		rows := w.queryHere("select body from " + query)
		assert.Len(t, rows, want)
		for _, row := range rows {
			assert.Contains(t, row["body"], "(not kept)")
		}
	}
	assert.Contains(t, w.queryHere("select response from results where job = 'get'")[0]["response"], "(not kept)")
	w.assertNoSecrets()
}
