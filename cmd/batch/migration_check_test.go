package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

// differences are the rows that the checks of the document find fault with.
func (m *migration) differences() (all []map[string]string) {
	m.t.Helper()
	for query := 1; query <= 2; query++ {
		rows := m.rows(m.done(stepCheck, query))
		assert.NotEmpty(m.t, rows)
		for _, row := range rows {
			assert.NotEqual(m.t, "0", row["old"])
			if row["old"] != row["new"] {
				all = append(all, row)
			}
		}
	}
	for query := 3; query <= 4; query++ {
		all = append(all, m.rows(m.done(stepCheck, query))...)
	}
	return all
}

// bodiesOf are the messages of a side as it has them.
func bodiesOf(api *emulator.Server) (bodies []string) {
	for message := range api.Messages() {
		bodies = append(bodies, string(message.Body))
	}
	return bodies
}

// assertArchiveIsWhole asserts that the archive has every message of the old
// side byte for byte, and with it the fields that nobody knows.
func (m *migration) assertArchiveIsWhole() {
	m.t.Helper()
	r := m.batch("-f", "old.yaml", "sql", "--format", "json", "select body from messages where app_id = '"+m.old.Info().App+"'")
	require.Zero(m.t, r.code, r.stderr)
	var archived []string
	for _, row := range gjson.Parse(r.stdout).Array() {
		archived = append(archived, row.Get("body").Str)
	}
	bodies := bodiesOf(m.old)
	slices.Sort(archived)
	slices.Sort(bodies)
	require.Equal(m.t, bodies, archived)
	for _, body := range archived {
		require.Equal(m.t, "9007199254740993", gjson.Get(body, "of_a_later_version.level").Raw)
	}
}

// assertContactMap asserts that contact-map.csv leads from each contact of the
// old side to the one of the new side that is the same.
func (m *migration) assertContactMap() {
	m.t.Helper()
	there := map[string]string{}
	for _, c := range onServer(m.t, m.api) {
		there[c.Get("id").Str] = m.carried(c)
	}
	rows := map[string]string{}
	for _, row := range m.rows(m.read("contact-map.csv")) {
		rows[row["old_id"]] = row["new_id"]
	}
	for _, c := range onServer(m.t, m.old) {
		assert.Equal(m.t, m.carried(c), there[rows[c.Get("id").Str]])
	}
	assert.Len(m.t, rows, 200)
}

// carried is what of a contact is the same on both sides.
func (m *migration) carried(c gjson.Result) string {
	m.t.Helper()
	same := map[string]any{}
	for _, name := range []string{"display_name", "email", "external_id", "metadata", "language", "channel_priority", "channel_identities"} {
		same[name] = m.onNew(c.Get(name).Raw)
	}
	if same["language"] == `"UNSPECIFIED"` {
		same["language"] = `"EN_US"`
	}
	text, err := json.Marshal(same)
	require.NoError(m.t, err)
	return string(text)
}

// onNew is a text of the old side with the app of the new.
func (m *migration) onNew(text string) string {
	return strings.ReplaceAll(text, m.old.Info().App, m.api.Info().App)
}

// assertMigrated compares the two sides.
func (m *migration) assertMigrated() {
	m.t.Helper()
	var old, carried []string
	for _, c := range onServer(m.t, m.old) {
		old = append(old, m.carried(c))
	}
	for _, c := range onServer(m.t, m.api) {
		carried = append(carried, m.carried(c))
	}
	assertSame(m.t, old, carried, "contacts")
	for _, list := range consentLists {
		assert.NotEmpty(m.t, m.old.OptedOut(list))
		assertSame(m.t, m.old.OptedOut(list), m.api.OptedOut(list), list)
	}
	m.assertHistory(m.assertConversations())
}

// assertConversations asserts that each conversation is there once, and returns
// which was which: the old id by the new one.
func (m *migration) assertConversations() map[string]string {
	m.t.Helper()
	identities := func(api *emulator.Server) map[string]string {
		of := map[string]string{}
		for _, c := range onServer(m.t, api) {
			of[c.Get("id").Str] = m.onNew(c.Get("channel_identities").Raw)
		}
		return of
	}
	oldContacts, newContacts, conversations := identities(m.old), identities(m.api), map[string]gjson.Result{}
	list := func(api *emulator.Server) []gjson.Result { return (&workbench{t: m.t, api: api}).conversations() }
	for _, c := range list(m.old) {
		conversations[c.Get("id").Str] = c
	}
	was := map[string]string{}
	for _, c := range list(m.api) {
		id := c.Get("metadata_json.migrated_from").Str
		is, there := conversations[id]
		require.True(m.t, there, "%s is there twice, or never was", id)
		delete(conversations, id)
		assert.Equal(m.t, is.Get("active").Bool(), c.Get("active").Bool())
		assert.Equal(m.t, is.Get("metadata").Str, c.Get("metadata").Str)
		assert.Equal(m.t, oldContacts[is.Get("contact_id").Str], newContacts[c.Get("contact_id").Str])
		was[c.Get("id").Str] = id
	}
	assert.Empty(m.t, conversations, "not carried")
	return was
}

// fact is what of a message is the same on both sides, and the old id of its
// conversation.
func (m *migration) fact(conversation, body string) string {
	m.t.Helper()
	message := gjson.Parse(body)
	identity := message.Get("channel_identity")
	content, err := json.Marshal([]any{message.Get("app_message").Value(), message.Get("contact_message").Value()})
	require.NoError(m.t, err)
	return m.onNew(strings.Join([]string{
		conversation, message.Get("accept_time").Time().String(), message.Get("direction").Str,
		identity.Get("channel").Str, identity.Get("identity").Str, identity.Get("app_id").Str,
		message.Get("metadata").Str, message.Get("sender_id").Str, string(content),
	}, "\n"))
}

// assertHistory asserts that the messages of the last weeks are there, each once
// and in its conversation, and no other.
func (m *migration) assertHistory(was map[string]string) {
	m.t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, body := range bodiesOf(m.old) {
		if at := gjson.Get(body, "accept_time").Time(); !at.Before(m.since) {
			fact := m.fact(gjson.Get(body, "conversation_id").Str, body)
			want[fact]++
			require.Equal(m.t, 1, want[fact], "messages of the test are told apart")
		}
	}
	for _, body := range bodiesOf(m.api) {
		got[m.fact(was[gjson.Get(body, "conversation_id").Str], body)]++
	}
	assert.Greater(m.t, len(want), 400)
	assert.Equal(m.t, want, got)
}

// assertRequestsPerContact asserts what the times of the document are computed
// from, of the run that found most contacts as they were.
func (m *migration) assertRequestsPerContact() {
	m.t.Helper()
	identities := 0
	for _, c := range onServer(m.t, m.old) {
		identities += len(c.Get("channel_identities").Array())
	}
	r := m.batch("-f", "new.yaml", "sql", "select arg_max(requests, started_at) as requests from runs where job = 'import-contacts'")
	require.Zero(m.t, r.code, r.stderr)
	assert.Equal(m.t, fmt.Sprint(1+identities+2), m.rows(r.stdout)[0]["requests"], "what the server can, a look-up for each identity, one change and one contact more")
}
