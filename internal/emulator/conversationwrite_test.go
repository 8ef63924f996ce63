package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func (c *caller) talks(rest string) []string {
	c.t.Helper()
	return c.mustIDs("/conversations?app_id="+c.info.App+rest, "conversations")
}

func TestCreatedConversationTakesOver(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	require.Equal(t, http.StatusOK, c.send(c.text("461", "x")).status)
	before, contact := c.talks("")[0], c.mustIDs("/contacts", "contacts")[0]
	body := fmt.Sprintf(`{"app_id":%q,"contact_id":%q,"metadata":"m","metadata_json":{"a":1.50},"correlation_id":"k"}`, c.info.App, contact)
	a := c.call(http.MethodPost, "/conversations", body)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	id := a.get("id").String()
	assert.JSONEq(t, fmt.Sprintf(`{"id":%q,"app_id":%q,"contact_id":%q,"last_received":"1970-01-01T00:00:00Z","active_channel":"SMS",
		"active":true,"metadata":"m","metadata_json":{"a":1.50},"correlation_id":"k"}`, id, c.info.App, contact), string(a.body))
	assert.Equal(t, Identifiers{ConversationID: id}, c.lastAccepted().Identifiers)
	assert.Equal(t, string(a.body), string(c.get("/conversations/"+id).body))
	assert.False(t, c.get("/conversations/"+before).get("active").Bool(), "one active conversation a contact")
	assert.Len(t, c.mustList("/conversations:recent?app_id="+c.info.App, "conversations"), 2)
	require.Equal(t, http.StatusOK, c.send(c.text("461", "y")).status)
	assert.Len(t, c.mustIDs("/messages?conversation_id="+id, "messages"), 1)
}

func TestConversationThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 1, Conversations: 1})
	contact, talk := c.mustIDs("/contacts", "contacts")[0], c.talks("")[0]
	ids := fmt.Sprintf(`"app_id":%q,"contact_id":%q`, c.info.App, contact)
	for body, status := range map[string]int{
		`{}`: 400, `{` + ids + `,"id":"x"}`: 400, `{` + ids + `,"active":"yes"}`: 400, `{` + ids + `,"active_channel":"PIGEON"}`: 400,
		`{` + ids + `,"metadata":"` + strings.Repeat("x", 1025) + `"}`: 400, `{"app_id":"x","contact_id":"x"}`: 400,
		fmt.Sprintf(`{"app_id":%q,"contact_id":"x"}`, c.info.App): 404,
	} {
		assert.Equal(t, status, c.call(http.MethodPost, "/conversations", body).status, body)
	}
	for path, status := range map[string]int{
		talk + "?update_mask=contact_id": 400, talk + "?update_mask.paths=active": 400, "x": 404,
		talk + "?metadata_update_strategy=PATCH": 400,
	} {
		assert.Equal(t, status, c.call(http.MethodPatch, "/conversations/"+path, "{}").status, path)
	}
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, "/conversations/"+talk, `{"contact_id":"x"}`).status)
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, "/conversations/"+talk, `{"metadata_json":"x"}`).status)
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodPost, "/conversations/x:stop", "").status)
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodDelete, "/conversations/x", "").status)
	assert.Zero(t, c.e.AcceptedCount())

	d := start(t, Options{Contacts: 1, Mode: ModeDispatch})
	body := fmt.Sprintf(`{"app_id":%q,"contact_id":%q}`, d.info.App, d.mustIDs("/contacts", "contacts")[0])
	assert.Equal(t, http.StatusBadRequest, d.call(http.MethodPost, "/conversations", body).status, "DISPATCH has none")
}

func TestConversationMetadataIsReplacedOrPatched(t *testing.T) {
	t.Parallel()
	for profile, mask := range map[string]string{ProfileNew: "?update_mask=metadata_json", ProfileOld: "?update_mask.paths=metadata_json"} {
		c := start(t, Options{Contacts: 1, Conversations: 1, Profile: profile})
		path := "/conversations/" + slices.Concat(c.talks("&only_active=true"), c.talks("&only_active=false"))[0]
		patch := func(query, body string) string {
			a := c.call(http.MethodPatch, path+query, body)
			require.Equal(t, http.StatusOK, a.status, string(a.body))
			assert.Equal(t, string(a.body), string(c.get(path).body))
			return a.get("metadata_json").Raw
		}
		assert.Equal(t, `{"a":{"b":1.50},"c":2}`, patch("", `{"metadata_json":{"a":{"b":1.50},"c":2}}`))
		assert.JSONEq(t, `{"a":{"b":1.50,"d":3}}`,
			patch(mask+"&metadata_update_strategy=MERGE_PATCH", `{"metadata":"no","metadata_json":{"a":{"d":3},"c":null}}`))
		assert.Equal(t, `{}`, patch("?metadata_update_strategy=REPLACE", `{"metadata_json":{}}`))
		assert.Empty(t, patch(mask, "{}"), "named and absent: emptied")
		assert.Empty(t, c.get(path).get("metadata").String(), "the mask did not name it")
	}
}

func TestStoppedConversationIsFollowedByANewOne(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 1, Contacts: 5, Conversations: 20, Messages: 50})
	talk := c.get("/conversations/" + c.talks("&only_active=true")[0])
	id, contact := talk.get("id").String(), talk.get("contact_id").String()
	require.Equal(t, http.StatusOK, c.call(http.MethodPost, "/conversations/"+id+":stop", "").status)
	assert.Equal(t, Identifiers{ConversationID: id}, c.lastAccepted().Identifiers)
	assert.NotContains(t, c.talks("&only_active=true"), id)
	assert.Contains(t, c.talks("&only_active=false"), id)
	body := fmt.Sprintf(`{"app_id":%q,"recipient":{"contact_id":%q},"message":{"text_message":{"text":"x"}}}`, c.info.App, contact)
	sent := c.get("/messages/" + c.send(body).get("message_id").String())
	assert.NotEqual(t, id, sent.get("conversation_id").String())
	assert.Equal(t, contact, sent.get("contact_id").String())
	assert.Len(t, c.talks(""), 21)
}

func TestDeletedConversationTakesItsMessagesWithIt(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 1, Contacts: 5, Conversations: 20, Messages: 200})
	newest := c.mustList("/conversations:recent?app_id="+c.info.App, "conversations")[0]
	id := gjson.Get(newest, "conversation.id").String()
	before, its := c.mustIDs("/messages", "messages"), c.mustIDs("/messages?conversation_id="+id, "messages")
	require.NotEmpty(t, its)
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/conversations/"+id, "").status)
	assert.Equal(t, Identifiers{ConversationID: id}, c.lastAccepted().Identifiers)
	assert.Equal(t, http.StatusNotFound, c.get("/conversations/"+id).status)
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodDelete, "/conversations/"+id, "").status)
	assert.NotContains(t, c.talks(""), id)
	assert.Len(t, c.mustList("/conversations:recent?app_id="+c.info.App, "conversations"), 19)
	assert.Equal(t, http.StatusNotFound, c.get("/messages/"+its[0]).status)
	left := slices.DeleteFunc(before, func(m string) bool { return slices.Contains(its, m) })
	assert.Equal(t, left, c.mustIDs("/messages", "messages"))
	kept, _ := stored(c.e)
	assert.Equal(t, left, kept)
	c.e.AddMessages(300, noon)
	assert.Empty(t, c.mustIDs("/messages?conversation_id="+id, "messages"))
	assert.Len(t, c.mustIDs("/messages", "messages"), len(left)+300, "what arrives goes elsewhere")
}
