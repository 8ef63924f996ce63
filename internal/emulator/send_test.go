package emulator

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestSendIsAcceptedOnceAndWrittenToTheLedger(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := c.text("+46701234567", "row-1")
	a := c.send(body)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	accepted := c.e.Accepted()
	require.Len(t, accepted, 1)
	assert.Equal(t, Accepted{
		Time: noon, Operation: "Messages_SendMessage", Identifiers: Identifiers{MessageID: a.get("message_id").String()},
		Channel: "SMS", Identity: "46701234567", Metadata: "row-1", Text: "hej", Body: body,
	}, accepted[0])
	assert.Len(t, a.get("message_id").String(), 26)
	assert.Equal(t, noon, a.get("accepted_time").Time())
}

func TestSentMessageIsStoredWithItsContactAndConversation(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 3, Conversations: 3, Messages: 10})
	first := c.send(c.text("+46999999999", "a")).get("message_id").String()
	c.clock.move(time.Second)
	second := c.send(c.text("46999999999", "b")).get("message_id").String()

	ids := c.mustIDs("/messages", "messages")
	require.Len(t, ids, 12)
	assert.Equal(t, []string{second, first}, ids[:2], "newest first")

	m := c.get("/messages/" + first)
	require.Equal(t, http.StatusOK, m.status)
	assert.Equal(t, "TO_CONTACT", m.get("direction").String())
	assert.Equal(t, "a", m.get("metadata").String())
	assert.Equal(t, "hej", m.get("app_message.text_message.text").String())
	assert.Equal(t, "46999999999", m.get("channel_identity.identity").String(), "read back without +")

	contact, talk := m.get("contact_id").String(), m.get("conversation_id").String()
	assert.Equal(t, http.StatusOK, c.get("/contacts/"+contact).status)
	conversation := c.get("/conversations/" + talk)
	assert.Equal(t, contact, conversation.get("contact_id").String())
	assert.Equal(t, noon.Add(time.Second), conversation.get("last_received").Time())
	assert.Equal(t, []string{second, first}, c.mustIDs("/messages?conversation_id="+talk, "messages"))
	assert.Contains(t, c.mustIDs("/contacts?page_size=2", "contacts"), contact)
	assert.Equal(t, []string{contact}, c.mustIDs("/contacts?channel=SMS&identity=%2B46999999999", "contacts"))
	assert.Contains(t, c.mustIDs("/conversations?app_id="+c.info.App, "conversations"), talk)
}

func TestSendToAKnownContactUsesItsConversation(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 20, Conversations: 20, Messages: 100})
	for _, contact := range c.mustList("/contacts", "contacts") {
		id := gjson.Get(contact, "id").String()
		body := fmt.Sprintf(`{"app_id":%q,"recipient":{"contact_id":%q},"message":{"text_message":{"text":"x"}}}`, c.info.App, id)
		sent := c.send(body)
		require.Equal(t, http.StatusOK, sent.status, string(sent.body))
		m := c.get("/messages/" + sent.get("message_id").String())
		assert.Equal(t, id, m.get("contact_id").String())
		assert.Equal(t, gjson.Get(contact, "channel_identities.0.identity").String(), m.get("channel_identity.identity").String())
		talk := c.get("/conversations/" + m.get("conversation_id").String())
		assert.Equal(t, id, talk.get("contact_id").String())
		assert.True(t, talk.get("active").Bool())
	}
	assert.Len(t, c.mustIDs("/contacts", "contacts"), 20, "nobody new")
}

func TestChannelOrderDecidesWhereAMessageGoes(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := fmt.Sprintf(`{"app_id":%q,"recipient":{"identified_by":{"channel_identities":[`+
		`{"channel":"SMS","identity":"461"},{"channel":"WHATSAPP","identity":"462"}]}},`+
		`"channel_priority_order":["RCS","WHATSAPP","SMS"],"message":{"text_message":{"text":"x"}}}`, c.info.App)
	require.Equal(t, http.StatusOK, c.send(body).status)
	assert.Equal(t, "WHATSAPP", c.e.Accepted()[0].Channel)
	assert.Equal(t, "462", c.e.Accepted()[0].Identity)
}

func TestDispatchKeepsNothingUnlessToldTo(t *testing.T) {
	t.Parallel()
	for days, want := range map[int]int{0: 0, 7: 1} {
		c := start(t, Options{Mode: ModeDispatch, DispatchRetentionDays: days})
		sent := c.send(c.text("46701234567", "k"))
		require.Equal(t, http.StatusOK, sent.status)
		assert.Len(t, c.e.Accepted(), 1)
		assert.Equal(t, sent.get("message_id").String(), c.e.Accepted()[0].MessageID)
		assert.Len(t, c.mustIDs("/messages?messages_source=DISPATCH_SOURCE", "messages"), want)
		assert.Len(t, c.mustIDs("/messages?messages_source=DISPATCH_SOURCE&channel_identity=46701234567", "messages"), want)
		assert.Empty(t, c.mustIDs("/messages", "messages"), "not in the default source")
		assert.Empty(t, c.mustIDs("/contacts", "contacts"), "no contact is made")
		one := c.get("/messages/" + sent.get("message_id").String() + "?messages_source=DISPATCH_SOURCE")
		assert.Equal(t, map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[want == 1], one.status)
		c.clock.move(8 * 24 * time.Hour)
		assert.Empty(t, c.mustIDs("/messages?messages_source=DISPATCH_SOURCE", "messages"), "outlived")
	}
}

func TestDispatchOnlyOverridesTheAppForOneCall(t *testing.T) {
	t.Parallel()
	c := start(t, Options{DispatchRetentionDays: 1})
	body := strings.Replace(c.text("46701234567", "k"), `"message"`, `"processing_strategy":"DISPATCH_ONLY","message"`, 1)
	require.Equal(t, http.StatusOK, c.send(body).status)
	assert.Empty(t, c.mustIDs("/messages", "messages"))
	assert.Len(t, c.mustIDs("/messages?messages_source=DISPATCH_SOURCE", "messages"), 1)
}

func TestSentMessageShowsUpInListsAfterTheDelay(t *testing.T) {
	t.Parallel()
	c := start(t, Options{ListDelay: time.Minute})
	id := c.send(c.text("46701234567", "k")).get("message_id").String()
	assert.Empty(t, c.mustIDs("/messages", "messages"))
	assert.Equal(t, http.StatusOK, c.get("/messages/"+id).status)
	c.clock.move(time.Minute)
	assert.Equal(t, []string{id}, c.mustIDs("/messages", "messages"))
}

func TestFullQueueIsRefusedAndDrains(t *testing.T) {
	t.Parallel()
	c := start(t, Options{QueueLimit: 2, DrainRate: 1})
	for range 2 {
		require.Equal(t, http.StatusOK, c.send(c.text("461", "k")).status)
	}
	app := c.get("/apps/" + c.info.App)
	assert.Equal(t, int64(2), app.get("queue_stats.outbound_size").Int())
	assert.Equal(t, int64(2), app.get("queue_stats.outbound_limit").Int())
	assert.Equal(t, int64(1), app.get("rate_limits.outbound").Int())
	assert.Equal(t, http.StatusTooManyRequests, c.send(c.text("461", "k")).status)
	c.clock.move(time.Second)
	assert.Equal(t, http.StatusOK, c.send(c.text("461", "k")).status)
	assert.Len(t, c.e.Accepted(), 3)
}

// TestSendIsRefused holds requests that the specification does not allow.
func TestSendIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 1})
	dispatch := start(t, Options{Mode: ModeDispatch, Contacts: 1})
	good := `{"app_id":"` + c.info.App + `","recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"461"}]}},"message":{"text_message":{"text":"x"}}`
	known := c.mustIDs("/contacts", "contacts")[0]
	for _, row := range []struct {
		name, body, field string
		status            int
	}{
		{"no JSON", `{"app_id"`, "body", 400},
		{"no object", `[]`, "body", 400},
		{"nothing in it", `{}`, "app_id", 400},
		{"app that can not be one", strings.Replace(good, c.info.App, "app", 1) + "}", "app_id", 400},
		{"app that nobody has", strings.Replace(good, c.info.App, "01ARZ3NDEKTSV4RRFFQ69G5FAV", 1) + "}", "", 404},
		{"field that does not exist", good + `,"messge_metadata":"x"}`, "messge_metadata", 400},
		{"metadata too long, counted in characters", good + `,"message_metadata":"` + strings.Repeat("å", 1025) + `"}`, "message_metadata", 400},
		{"metadata of another type", good + `,"message_metadata":{"a":1}}`, "message_metadata", 400},
		{"correlation id too long", good + `,"correlation_id":"` + strings.Repeat("x", 129) + `"}`, "correlation_id", 400},
		{"conversation metadata too large", good + `,"conversation_metadata":{"a":"` + strings.Repeat("x", 2048) + `"}}`, "conversation_metadata", 400},
		{"channel property too long", good + `,"channel_properties":{"a":"` + strings.Repeat("x", 1025) + `"}}`, "channel_properties.a", 400},
		{"ttl too short", good + `,"ttl":"2s"}`, "ttl", 400},
		{"ttl without unit", good + `,"ttl":"20"}`, "ttl", 400},
		{"queue of no name", good + `,"queue":"LOW"}`, "queue", 400},
		{"channel of no name", good + `,"channel_priority_order":["PIGEON"]}`, "channel_priority_order", 400},
		{"channel that is not configured", good + `,"channel_priority_order":["WECHAT"]}`, "channel_priority_order", 400},
		{"dispatch with what belongs to a conversation", good + `,"processing_strategy":"DISPATCH_ONLY","correlation_id":"x"}`, "correlation_id", 400},
		{"empty text", strings.Replace(good, `"x"`, `""`, 1) + "}", "message.text_message.text", 400},
		{"two kinds of message", strings.Replace(good, `"text_message"`, `"media_message":{"url":"u"},"text_message"`, 1) + "}", "message", 400},
		{"no recipient at all", strings.Replace(good, `"identified_by"`, `"identified"`, 1) + "}", "recipient.identified", 400},
		{"no identity", strings.Replace(good, `[{"channel":"SMS","identity":"461"}]`, `[]`, 1) + "}", "recipient.identified_by.channel_identities", 400},
		{"empty identity", strings.Replace(good, `"461"`, `""`, 1) + "}", "recipient.identified_by.channel_identities.identity", 400},
		{"contact that nobody has", strings.Replace(good, `"identified_by":{"channel_identities":[{"channel":"SMS","identity":"461"}]}`, `"contact_id":"x"`, 1) + "}", "", 404},
		{"template without a template", strings.Replace(good, `"text_message":{"text":"x"}`, `"template_message":{}`, 1) + "}", "message.template_message", 400},
		{"too many choices", strings.Replace(good, `"text_message":{"text":"x"}`, `"choice_message":{"choices":[`+strings.Repeat(`{"text_message":{"text":"x"}},`, 10)+`{"text_message":{"text":"x"}}]}`, 1) + "}", "message.choice_message.choices", 400},
	} {
		a := c.send(row.body)
		assert.Equal(t, row.status, a.status, row.name)
		assert.NotEmpty(t, a.get("message").String(), row.name)
		if row.field != "" {
			assert.Equal(t, row.field, a.get("details.0.field_violations.0.field").String(), row.name)
		}
	}
	assert.Empty(t, c.e.Accepted(), "a refused request is not accepted")

	a := dispatch.send(fmt.Sprintf(`{"app_id":%q,"recipient":{"contact_id":%q},"message":{"text_message":{"text":"x"}}}`, dispatch.info.App, known))
	assert.Equal(t, http.StatusBadRequest, a.status, "DISPATCH mode takes no contact")
	assert.Equal(t, "recipient.contact_id", a.get("details.0.field_violations.0.field").String())
}

func TestEveryProblemOfARequestIsToldAtOnce(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	a := c.send(`{"app_id":"","recipient":{},"message":{"text_message":{}},"ttl":"x","x":1}`)
	assert.Len(t, a.get("details.0.field_violations").Array(), 5)
}
