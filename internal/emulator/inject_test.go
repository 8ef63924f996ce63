package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// mustTalk makes a contact with a conversation.
func (c *caller) mustTalk(number string) (talk, contact string) {
	c.t.Helper()
	contact = c.mustMake(contactJSON("", identityJSON("SMS", number, "")))
	body := fmt.Sprintf(`{"app_id":%q,"contact_id":%q}`, c.info.App, contact)
	return c.mustPost("/conversations", body).get("id").String(), contact
}

// list is where messages of a conversation are found on any server.
func listOf(talk string) string { return "/messages?page_size=20&conversation_id=" + talk }

func TestInjectedMessageTakesItsPlaceInLists(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile})
		talk, contact := c.mustTalk("461")
		require.Equal(t, http.StatusOK, c.send(c.text("461", "sent")).status)
		body := injected(contact, `,"metadata":"m"`)
		a := c.mustPost("/conversations/"+talk+":inject-message", body)
		assert.JSONEq(t, "{}", string(a.body), "no id is answered")
		app := strings.NewReplacer("TO_APP", "TO_CONTACT", "contact_message", "app_message", "T11:", "T10:").Replace(injected(contact, ""))
		c.mustPost("/conversations/"+talk+":inject-message", app)

		messages := c.mustList(listOf(talk), "messages")
		require.Len(t, messages, 3)
		assert.False(t, gjson.Get(messages[0], "injected").Bool(), "what was sent is newer")
		in := gjson.Parse(messages[1])
		assert.True(t, in.Get("injected").Bool())
		assert.Equal(t, noon.Add(-time.Hour), in.Get("accept_time").Time())
		assert.Equal(t, []string{"TO_APP", contact, talk, "m", "461", "hej"}, []string{
			in.Get("direction").Str, in.Get("contact_id").Str, in.Get("conversation_id").Str, in.Get("metadata").Str,
			in.Get("channel_identity.identity").Str, in.Get("contact_message.text_message.text").Str,
		})
		assert.Equal(t, "TO_CONTACT", gjson.Get(messages[2], "direction").Str)
		assert.Equal(t, "hej", gjson.Get(messages[2], "app_message.text_message.text").Str)

		lines := c.e.Accepted()
		line := lines[len(lines)-2]
		assert.Equal(t, Identifiers{MessageID: in.Get("id").Str, ConversationID: talk}, line.Identifiers)
		assert.Equal(t, body, line.Body)
		assert.JSONEq(t, messages[1], string(c.get("/messages/"+line.MessageID).body))
	}
}

func TestInjectedMessageKeepsItsSender(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	talk, contact := c.mustTalk("461")
	c.mustPost("/conversations/"+talk+":inject-message", injected(contact, `,"sender_id":"46700","processing_mode":"CONVERSATION","conversation_id":"`+talk+`"`))
	c.mustPost("/conversations/"+talk+":inject-message", injected(contact, ""))
	messages := c.mustList(listOf(talk), "messages")
	require.Len(t, messages, 2)
	assert.Equal(t, "46700", gjson.Get(messages[1], "sender_id").Str)
	assert.False(t, gjson.Get(messages[0], "sender_id").Exists())
}

// TestWhatWasReadCanBeInjected carries every message to another project.
func TestWhatWasReadCanBeInjected(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		from := start(t, Options{Profile: profile, Messages: 600, Start: noon.AddDate(0, 0, -20), End: noon})
		c := start(t, Options{Profile: profile, Seed: 9})
		talk, contact := c.mustTalk("461")
		_, bodies := stored(from.e)
		for _, body := range slices.Backward(bodies) { // of one instant the later stays the later
			m := gjson.Parse(body)
			side := map[string]string{"TO_APP": "contact_message", "TO_CONTACT": "app_message"}[m.Get("direction").Str]
			request := fmt.Sprintf(`{"channel_identity":{"channel":"SMS","identity":"461"},"contact_id":%q,"direction":%q,"accept_time":%q,%q:%s}`,
				contact, m.Get("direction").Str, m.Get("accept_time").Str, side, m.Get(side).Raw)
			c.mustPost("/conversations/"+talk+":inject-message", request)
		}
		got := c.mustList(listOf(talk), "messages")
		require.Len(t, got, len(bodies))
		for i, body := range bodies {
			for _, field := range []string{"accept_time", "direction", "app_message", "contact_message"} {
				want, is := gjson.Get(body, field), gjson.Get(got[i], field)
				if field == "accept_time" {
					assert.Equal(t, want.Time(), is.Time())
					continue
				}
				assert.Equal(t, want.Raw, is.Raw)
			}
		}
	}
}

func TestInjectionThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile})
		talk, contact := c.mustTalk("461")
		good := injected(contact, "")
		at := noon.Add(-time.Hour).Format(time.RFC3339)
		when := func(to time.Time) string { return strings.Replace(good, at, to.Format(time.RFC3339Nano), 1) }
		for name, body := range map[string]string{
			"nothing":              "{}",
			"both messages":        injected(contact, `,"app_message":{"text_message":{"text":"x"}}`),
			"no message":           strings.Replace(good, `,"contact_message":{"text_message":{"text":"hej"}}`, "", 1),
			"the other direction":  strings.Replace(good, "TO_APP", "TO_CONTACT", 1),
			"no direction":         strings.Replace(good, "TO_APP", "UNDEFINED_DIRECTION", 1),
			"two types":            strings.Replace(good, `{"text_message"`, `{"media_message":{"url":"u"},"text_message"`, 1),
			"no such type":         strings.Replace(good, "text_message", "card_message", 1),
			"not a time":           strings.Replace(good, at, "yesterday", 1),
			"ahead":                when(noon.Add(time.Nanosecond)),
			"thirty days ago":      when(noon.AddDate(0, 0, -30)),
			"another contact":      injected(c.mustMake(contactBody), ""),
			"no contact":           strings.Replace(good, `"contact_id":"`+contact+`",`, "", 1),
			"no identity":          strings.Replace(good, `"channel_identity":{"channel":"SMS","identity":"+461"},`, "", 1),
			"identity without app": strings.Replace(good, "SMS", "MESSENGER", 1),
			"long metadata":        injected(contact, `,"metadata":"`+strings.Repeat("x", 1025)+`"`),
			"read-only id":         injected(contact, `,"id":"x"`),
			"read-only injected":   injected(contact, `,"injected":true`),
			"of DISPATCH":          injected(contact, `,"processing_mode":"DISPATCH"`),
			"another conversation": injected(contact, `,"conversation_id":"x"`),
		} {
			assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/conversations/"+talk+":inject-message", body).status, name)
		}
		assert.Equal(t, http.StatusNotFound, c.call(http.MethodPost, "/conversations/"+nobody+":inject-message", good).status)
		assert.Empty(t, c.mustList(listOf(talk), "messages"))
		for _, to := range []time.Time{noon, noon.AddDate(0, 0, -30).Add(time.Nanosecond)} {
			c.mustPost("/conversations/"+talk+":inject-message", when(to))
		}
		newer := c.call(http.MethodPost, "/conversations/"+talk+":inject-message", injected(contact, `,"sender_id":"x"`))
		assert.Equal(t, profile == ProfileNew, newer.status == http.StatusOK)
	}
	dispatch := start(t, Options{Mode: ModeDispatch})
	assert.Equal(t, http.StatusNotFound, dispatch.call(http.MethodPost, "/conversations/x:inject-message", injected("x", "")).status)
}
