package emulator

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const somebody = `{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"+461"}]}}`

func TestOptOutsAndOptInsAreRecorded(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for path, name := range map[string]string{"/optouts:register": "opt_out", "/optins:register": "opt_in"} {
		body := c.about(somebody, `"channels":["SMS"]`)
		a := c.call(http.MethodPost, path+"?request_id=r", body)
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		assert.Equal(t, body, a.get(name).Raw)
		assert.Equal(t, "r", a.get("request_id").String())
		assert.Equal(t, body, c.lastAccepted().Body)
		for wrong, status := range map[string]int{
			`{}`: 400, c.about(somebody, `"channels":[]`): 400, c.about(somebody, `"channels":["PIGEON"]`): 400,
			c.about(somebody, `"channels":["SMS"],"x":1`): 400, c.about(`{"contact_id":"x"}`, `"channels":["SMS"]`): 404,
			c.about(`{"contact_id":"x"}`, `"channels":["SMS"],"processing_strategy":"DISPATCH_ONLY"`): 400,
		} {
			assert.Equal(t, status, c.call(http.MethodPost, path, wrong).status, wrong)
		}
	}
	assert.Equal(t, map[string]int{"OPT_OUT": 1, "OPT_IN": 1}, c.e.Callbacks())
	assert.Equal(t, c.e.Callbacks(), c.e.Summary().Callbacks)
}

func TestCapabilityAndTranscodingAreRecorded(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := c.about(somebody, `"request_id":"r"`)
	a := c.call(http.MethodPost, "/capability:query", body)
	require.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "r", a.get("request_id").String())
	assert.Equal(t, body, c.lastAccepted().Body)
	assert.Equal(t, map[string]int{"CAPABILITY": 1}, c.e.Callbacks())
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodPost, "/capability:query", c.about(`{"contact_id":"x"}`, `"request_id":"r"`)).status)
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/capability:query", c.about(`{}`, `"request_id":"r"`)).status)

	whole := `{"app_id":"` + c.info.App + `","app_message":{"text_message":{"text":"\"å\""}},"channels":["SMS","RCS","SMS"]}`
	a = c.call(http.MethodPost, "/messages:transcode", whole)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	assert.JSONEq(t, `{"text_message":{"text":"\"å\""}}`, a.get("transcoded_message.RCS").String())
	assert.Len(t, a.get("transcoded_message").Map(), 2)
	assert.Equal(t, "Transcoding_TranscodeMessage", c.lastAccepted().Operation)
	for _, wrong := range []string{"{}", strings.Replace(whole, "text_message", "text", 1), strings.Replace(whole, c.info.App, "x", 1), strings.Replace(whole, "RCS", "X", 1)} {
		assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/messages:transcode", wrong).status, wrong)
	}
	assert.Equal(t, 2, c.e.AcceptedCount())
}

func TestEventsAreAcceptedEachWithAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 1})
	send := func(event string) answer {
		return c.call(http.MethodPost, "/events:send", c.about(somebody, `"event":`+event))
	}
	ids := make(map[string]bool)
	for _, event := range []string{`{"composing_event":{}}`, `{"comment_reply_event":{"text":"x"}}`, `{"generic_event":{"payload":{}}}`} {
		a := send(event)
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		assert.Equal(t, noon, a.get("accepted_time").Time())
		assert.Equal(t, Identifiers{EventID: a.get("event_id").String()}, c.lastAccepted().Identifiers)
		ids[a.get("event_id").String()] = true
	}
	assert.Len(t, ids, 3)
	for _, event := range []string{`{}`, `{"comment_reply_event":{}}`, `{"app_event":{"composing_event":{}}}`, `{"agent_left_event":{}}`, `{"composing_event":{},"composing_end_event":{}}`} {
		assert.Equal(t, http.StatusBadRequest, send(event).status, event)
	}
	event := `"event":{"composing_event":{}}`
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodPost, "/events:send", c.about(`{"contact_id":"x"}`, event)).status)
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/events:send", c.about(somebody, event+`,"channel_priority_order":["LINE"]`)).status)
	assert.Equal(t, 3, c.e.AcceptedCount())
	assert.Len(t, c.mustIDs("/contacts", "contacts"), 1, "an event makes no contact")

	old := start(t, Options{Profile: ProfileOld})
	newer := old.about(somebody, `"event":{"composing_end_event":{}}`)
	assert.Equal(t, http.StatusBadRequest, old.call(http.MethodPost, "/events:send", newer).status)
}
