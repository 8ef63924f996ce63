package emulator

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func eventAt(at time.Time, rest string) string {
	return fmt.Sprintf(`{"accept_time":%q,"app_event":{"generic_event":{"payload":{"n":1.50}}}%s}`, at.Format(time.RFC3339Nano), rest)
}

func TestEventsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	talk, contact := c.mustTalk("461")
	byID := `{"contact_id":"` + contact + `"}`
	inject := func(at time.Time) string {
		return c.mustPost("/conversations/"+talk+":inject-event", eventAt(at, "")).get("event_id").String()
	}
	early := inject(noon.Add(-time.Hour))
	sent := c.mustPost("/events:send", c.about(byID, `"event":{"composing_event":{}}`)).get("event_id").String()
	earlier := inject(noon.AddDate(0, 0, -2))
	assert.Equal(t, Identifiers{EventID: earlier, ConversationID: talk}, c.lastAccepted().Identifiers)
	c.mustPost("/events:send", c.about(somebody, `"event":{"composing_event":{}}`)) // the same number
	for _, query := range []string{"conversation_id=" + talk, "contact_id=" + contact} {
		ids := c.mustIDs("/events?page_size=1&"+query, "events")
		require.Len(t, ids, 4)
		assert.Equal(t, []string{sent, early, earlier}, ids[1:])
	}
	assert.Empty(t, c.mustIDs("/events?contact_id="+nobody, "events"))

	v := c.get("/events/" + early)
	assert.JSONEq(t, fmt.Sprintf(`{"id":%q,"direction":"TO_CONTACT","app_event":{"generic_event":{"payload":{"n":1.50}}},"conversation_id":%q,
		"contact_id":%q,"channel_identity":{"channel":"SMS","identity":"461","app_id":""},"accept_time":"2026-03-01T11:00:00Z",
		"processing_mode":"CONVERSATION"}`, early, talk, contact), string(v.body))

	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/events/"+early, "").status)
	assert.Equal(t, http.StatusNotFound, c.get("/events/"+early).status)
	assert.NotContains(t, c.mustIDs("/events?contact_id="+contact, "events"), early)
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/conversations/"+talk, "").status)
	assert.Empty(t, c.mustIDs("/events?contact_id="+contact, "events"), "it takes its events along")
}

func TestEventOfSomebodyUnknownCanBeGot(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id := c.mustPost("/events:send", c.about(messenger, `"event":{"composing_event":{}}`)).get("event_id").String()
	v := c.get("/events/" + id)
	assert.Equal(t, c.info.App, v.get("channel_identity.app_id").String())
	assert.False(t, v.get("contact_id").Exists())
	assert.False(t, v.get("conversation_id").Exists())
	assert.Equal(t, "7001", c.lastAccepted().Identity)
}

func TestEventsOfDispatchAreNotKept(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Mode: ModeDispatch, DispatchRetentionDays: 7})
	id := c.mustPost("/events:send", c.about(somebody, `"event":{"composing_event":{}}`)).get("event_id").String()
	assert.Equal(t, http.StatusNotFound, c.get("/events/"+id).status)
}

func TestOnlyTheFirstChannelOfAnEventCounts(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	both := `{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"461"},{"channel":"RCS","identity":"462"}]}}`
	for order, want := range map[string]string{`["RCS","SMS"]`: "RCS", `["WHATSAPP","RCS"]`: "SMS", `[]`: "SMS"} {
		a := c.mustPost("/events:send", c.about(both, `"event":{"composing_event":{}},"channel_priority_order":`+order))
		assert.Equal(t, want, c.get("/events/"+a.get("event_id").String()).get("channel_identity.channel").String(), order)
	}
}

func TestEventThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	talk, contact := c.mustTalk("461")
	path := "/conversations/" + talk + ":inject-event"
	good := eventAt(noon, fmt.Sprintf(`,"conversation_id":%q,"contact_id":%q,"processing_mode":"CONVERSATION","channel_identity":%s`,
		talk, contact, identityJSON("MESSENGER", "7", c.info.App)))
	a := c.mustPost(path, good)
	assert.Equal(t, "MESSENGER", c.get("/events/"+a.get("event_id").String()).get("channel_identity.channel").String())
	for name, body := range map[string]string{
		"nothing":         "{}",
		"no event":        `{"accept_time":"2026-03-01T11:00:00Z"}`,
		"contact's event": eventAt(noon, `,"contact_event":{"composing_event":{}}`),
		"ahead":           eventAt(noon.Add(time.Second), ""),
		"long ago":        eventAt(noon.AddDate(0, 0, -31), ""),
		"DISPATCH":        eventAt(noon, `,"processing_mode":"DISPATCH"`),
		"another contact": eventAt(noon, `,"contact_id":"x"`),
		"another talk":    eventAt(noon, `,"conversation_id":"x"`),
		"another app":     eventAt(noon, `,"channel_identity":`+identityJSON("MESSENGER", "7", "x")),
		"two events":      `{"accept_time":"2026-03-01T11:00:00Z","app_event":{"composing_event":{},"composing_end_event":{}}}`,
	} {
		assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, path, body).status, name)
	}
	for query, status := range map[string]int{
		"": 400, "conversation_id=" + talk + "&contact_id=" + contact: 400, "page_size=21&contact_id=" + contact: 400,
		"contact_id=" + contact + "&page_token=x": 400, "contact_id=" + contact: 200,
	} {
		assert.Equal(t, status, c.get("/events?"+query).status, query)
	}
	old := start(t, Options{Profile: ProfileOld})
	for _, path := range []string{"/events?contact_id=x", "/events/x"} {
		assert.Equal(t, http.StatusNotFound, old.get(path).status, path)
	}
}

func TestEventsMoveWithAMergedContact(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	talk, contact := c.mustTalk("461")
	into := c.mustMake(contactJSON("", identityJSON("SMS", "462", "")))
	c.mustPost("/conversations/"+talk+":inject-event", eventAt(noon, ""))
	c.mustPost("/contacts/"+into+":merge", `{"source_id":"`+contact+`"}`)
	events := c.mustList("/events?contact_id="+into, "events")
	require.Len(t, events, 1)
	assert.Equal(t, into, gjson.Get(events[0], "contact_id").Str)
}
