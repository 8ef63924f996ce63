package emulator

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestExtraFieldsAreInEverythingAndTakenBack(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile, ExtraFields: true, Contacts: 3, Conversations: 3, Messages: 30})
		plain := start(t, Options{Profile: profile, Contacts: 3, Conversations: 3, Messages: 30})
		has := func(body []byte) { t.Helper(); assert.Equal(t, extraValue, gjson.GetBytes(body, extraField).Raw) }
		_, with := stored(c.e)
		_, without := stored(plain.e)
		for i, m := range with {
			has([]byte(m))
			at := strings.LastIndex(m, `"`+extraField)
			assert.True(t, strings.HasPrefix(without[i], strings.TrimRight(m[:at], ", \n")), "nothing else changes")
		}
		id := c.mustIDs("/contacts", "contacts")[0]
		talk := c.mustIDs("/conversations?only_active=true&app_id="+c.info.App, "conversations")[0]
		hook := c.mustPost("/webhooks", webhookBody(c.info.App, "")).get("id").Str
		paths := []string{"/contacts/" + id, "/conversations/" + talk, "/webhooks/" + hook, "/apps/" + c.info.App}
		for _, path := range paths {
			a := c.get(path)
			has(a.body)
			body := string(a.body)
			if strings.HasPrefix(path, "/apps") {
				body = appJSON(`,"` + extraField + `":` + extraValue)
			}
			assert.Equal(t, http.StatusOK, c.call(http.MethodPatch, path, body).status, body)
			spoilt := strings.Replace(body, "9007199254740993", "9007199254740992", 1)
			require.NotEqual(t, body, spoilt)
			assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, path, spoilt).status, "with the number rounded")
			has(c.get(path).body)
		}
		assert.Contains(t, string(c.told(0)[0].Body), extraField, "a contact that was changed")
		assert.Equal(t, http.StatusBadRequest, plain.call(http.MethodPost, "/contacts", contactJSON(`,"`+extraField+`":`+extraValue, identityJSON("SMS", "1", ""))).status)
	}
}

func TestARecipientMayHaveAnExtraField(t *testing.T) {
	t.Parallel()
	c := start(t, Options{ExtraFields: true})
	body := strings.Replace(c.text("+461", "k"), `}]}}`, `}]},"`+extraField+`":`+extraValue+`}`, 1)
	require.Contains(t, body, extraField)
	require.Equal(t, http.StatusOK, c.send(body).status)
	assert.Equal(t, "461", c.lastAccepted().Identity)
}

// TestCredentialsLoseWhatIsNotSentBack: a list is replaced whole, with what
// the caller does not know of its elements.
func TestCredentialsLoseWhatIsNotSentBack(t *testing.T) {
	t.Parallel()
	c := start(t, Options{ExtraFields: true})
	path := "/apps/" + c.info.App
	first := func() gjson.Result { return c.get(path).get("channel_credentials.0") }
	state := `,"state":{"status":"ACTIVE","description":""}`
	whole := strings.Replace(first().Raw, state, "", 1)
	require.Contains(t, whole, extraField)
	require.Equal(t, http.StatusOK, c.call(http.MethodPatch, path, appJSON("", whole)).status)
	assert.Equal(t, extraValue, first().Get(extraField).Raw)
	require.Equal(t, http.StatusOK, c.call(http.MethodPatch, path, appJSON("", smsCredential)).status)
	assert.False(t, first().Get(extraField).Exists())
}
