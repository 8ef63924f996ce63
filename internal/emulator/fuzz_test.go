package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzSend: whatever is sent, the answer is JSON; it counts as accepted exactly
// when the answer says so, and can then be read back as it was sent.
func FuzzSend(f *testing.F) {
	c := start(f, Options{Contacts: 5, Conversations: 5, Messages: 20})
	for _, body := range []string{
		c.text("+46701234567", "row-1"), "{}", "[]", "null", `"`, "", strings.Repeat("[", 5000),
		strings.Replace(c.text("46", "\\u0000\\ud800"), "hej", `\"\u2028`, 1),
		strings.Replace(c.text("46", "k"), `"recipient"`, `"recipient":{"contact_id":"x"},"recipient"`, 1),
		strings.Replace(c.text("46", "k"), `"text_message":{"text":"hej"}`, `"card_message":{"title":"t","choices":[{"text_message":{"text":"a"}}]}`, 1),
		strings.Replace(c.text("46", "k"), `"message_metadata"`, `"processing_strategy":"DISPATCH_ONLY","ttl":"10s","channel_priority_order":["SMS"],"message_metadata"`, 1),
		strings.Replace(c.text("46", "k"), `"message_metadata"`, `"correlation_id":"x","conversation_metadata":{"a":[1]},"message_metadata"`, 1),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		here := *c
		here.t = t
		before := c.e.AcceptedCount()
		a := here.send(body)
		var object map[string]any
		require.NoError(t, json.Unmarshal(a.body, &object), "%d %s", a.status, a.body)
		if a.status != http.StatusOK {
			require.Contains(t, []int{400, 404, 429}, a.status)
			require.Equal(t, before, c.e.AcceptedCount())
			return
		}
		require.Equal(t, before+1, c.e.AcceptedCount())
		require.True(t, json.Valid([]byte(body)))
		accepted := c.e.readEntry(c.e.ledger.snapshot().at(before))
		require.Equal(t, object["message_id"], accepted.MessageID)
		require.Equal(t, body, accepted.Body)
		stored := here.get("/messages/" + accepted.MessageID)
		if stored.status == http.StatusNotFound {
			return // of DISPATCH nothing is kept
		}
		require.True(t, json.Valid(stored.body) || !utf8.ValidString(body), "%s", stored.body)
		require.Equal(t, accepted.Identity, stored.get("channel_identity.identity").String())
		require.Equal(t, accepted.Metadata, stored.get("metadata").String())
		require.Equal(t, accepted.Text, stored.get("app_message.text_message.text").String())
	})
}
