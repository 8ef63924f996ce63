package emulator

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestConversationsAreListedByAppOrContact(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 8, Contacts: 6, Conversations: 45, Messages: 200})
	assert.Equal(t, http.StatusBadRequest, c.get("/conversations").status, "one of the two is required")
	query := "/conversations?page_size=7&app_id=" + c.info.App
	all := c.mustList(query, "conversations")
	require.Len(t, all, 45)
	assert.Equal(t, int64(45), c.get(query).get("total_size").Int())

	active, inactive := c.mustIDs(query+"&only_active=true", "conversations"), c.mustIDs(query+"&only_active=false", "conversations")
	assert.Len(t, slices.Concat(active, inactive), 45, "false means the inactive ones alone")
	assert.Equal(t, int64(len(active)), c.get(query+"&only_active=true").get("total_size").Int())

	byContact := 0
	for _, contact := range c.mustIDs("/contacts", "contacts") {
		talks := c.mustList("/conversations?contact_id="+contact, "conversations")
		current := 0
		for _, talk := range talks {
			assert.Equal(t, contact, gjson.Get(talk, "contact_id").String())
			if gjson.Get(talk, "active").Bool() {
				current++
			}
		}
		assert.LessOrEqual(t, current, 1, "a contact has at most one active conversation with an app")
		byContact += len(talks)
	}
	assert.Equal(t, 45, byContact)
	assert.Equal(t, http.StatusNotFound, c.get("/conversations/x").status)
}

func TestLastReceivedIsTheTimeOfTheLatestMessage(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 6, Conversations: 20, Messages: 25})
	none := 0
	for _, talk := range c.mustList("/conversations?app_id="+c.info.App, "conversations") {
		latest := time.Unix(0, 0).UTC()
		if a := c.get("/messages?page_size=1&conversation_id=" + gjson.Get(talk, "id").String()); a.get("messages.#").Int() > 0 {
			latest = a.get("messages.0.accept_time").Time()
		} else {
			none++
		}
		assert.Equal(t, latest, gjson.Get(talk, "last_received").Time())
		id := gjson.Get(talk, "id").String()
		assert.Equal(t, talk, string(c.get("/conversations/"+id).body))
	}
	assert.Positive(t, none, "the test has a conversation without messages")
}

func TestRecentConversationsComeInOrderOfTheirLatestMessage(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 6, Conversations: 30, Messages: 90})
	require.Equal(t, http.StatusOK, c.send(c.text("46701112233", "x")).status)
	query := "/conversations:recent?page_size=7&app_id=" + c.info.App
	newest := c.mustList(query, "conversations")
	require.Len(t, newest, 31)
	last := afterAll.at
	for _, talk := range newest {
		at := gjson.Get(talk, "conversation.last_received").Time()
		assert.LessOrEqual(t, at.UnixNano(), last)
		last = at.UnixNano()
		if m := gjson.Get(talk, "last_message"); m.Exists() {
			assert.Equal(t, at, m.Get("accept_time").Time())
			assert.Equal(t, m.Raw, string(c.get("/messages/"+m.Get("id").String()).body))
		}
	}
	oldest := c.mustList(query+"&order=ASC", "conversations")
	slices.Reverse(oldest)
	assert.Equal(t, newest, oldest)
	for _, talk := range c.mustList(query+"&only_active=true", "conversations") {
		assert.True(t, gjson.Get(talk, "conversation.active").Bool())
	}
	assert.Equal(t, http.StatusBadRequest, c.get("/conversations:recent").status)
}
