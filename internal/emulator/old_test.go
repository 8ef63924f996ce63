package emulator

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOldServerDoesNotKnowWhatIsNewer(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Profile: ProfileOld, Contacts: 2, Conversations: 3, Messages: 60})
	talk := c.mustIDs("/conversations?only_active=false&app_id="+c.info.App, "conversations")[0]
	for name, row := range map[string]struct {
		path   string
		status int
	}{
		"times":                    {"/messages?start_time=2026-01-01T00:00:00Z&conversation_id=" + talk, 400},
		"filter by channel":        {"/messages?channel=SMS&conversation_id=" + talk, 400},
		"pages of a thousand":      {"/messages?page_size=21&conversation_id=" + talk, 400},
		"messages of everybody":    {"/messages", 400},
		"messages of an app":       {"/messages?app_id=" + c.info.App, 400},
		"dispatch without an app":  {"/messages?messages_source=DISPATCH_SOURCE", 400},
		"dispatch with an app":     {"/messages?messages_source=DISPATCH_SOURCE&app_id=" + c.info.App, 200},
		"messages of a thread":     {"/messages?page_size=20&conversation_id=" + talk, 200},
		"contacts by external id":  {"/contacts?external_id=crm-1", 400},
		"contacts":                 {"/contacts", 200},
		"conversations of all":     {"/conversations?app_id=" + c.info.App, 400},
		"conversations by channel": {"/conversations?only_active=true&active_channel=SMS&app_id=" + c.info.App, 400},
		"recent conversations":     {"/conversations:recent?app_id=" + c.info.App, 404},
		"apps":                     {"/apps", 200},
	} {
		assert.Equal(t, row.status, c.get(row.path).status, name)
	}
	newer := strings.Replace(c.text("461", "x"), `"message"`, `"correlation_id":"x","message"`, 1)
	assert.Equal(t, http.StatusBadRequest, c.send(newer).status)
	assert.Equal(t, http.StatusOK, c.send(c.text("461", "x")).status)
	assert.False(t, c.get("/apps/"+c.info.App).get("queue_stats").Exists())
}

func TestOldServerGivesEveryMessageByConversation(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Profile: ProfileOld, Contacts: 5, Conversations: 17, Messages: 700})
	var got []string
	for _, active := range []string{"true", "false"} {
		for _, talk := range c.mustIDs("/conversations?page_size=20&only_active="+active+"&app_id="+c.info.App, "conversations") {
			got = append(got, c.mustList("/messages?page_size=20&conversation_id="+talk, "messages")...)
		}
	}
	_, want := stored(c.e)
	slices.Sort(got)
	slices.Sort(want)
	assert.Equal(t, want, got)
}
