package emulator

import (
	"fmt"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

const nobody = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

const appBody = `{"display_name":"Second","channel_credentials":[{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"t0p"}}]}`

// mustPost posts what must be taken.
func (c *caller) mustPost(path, body string) answer {
	c.t.Helper()
	a := c.call(http.MethodPost, path, body)
	require.Equal(c.t, http.StatusOK, a.status, string(a.body))
	return a
}

func webhookBody(app, rest string) string {
	return fmt.Sprintf(`{"app_id":%q,"target":"https://example.com/hook","target_type":"HTTP","triggers":["MESSAGE_DELIVERY"]%s}`, app, rest)
}

// injected is a message to be injected, of what the contact said an hour ago.
func injected(contact, rest string) string {
	return fmt.Sprintf(`{"channel_identity":{"channel":"SMS","identity":"+461"},"contact_id":%q,"direction":"TO_APP","accept_time":%q,`+
		`"contact_message":{"text_message":{"text":"hej"}}%s}`, contact, noon.Add(-time.Hour).Format(time.RFC3339), rest)
}

// samplesOfApps calls the operations on apps and webhooks.
func samplesOfApps(c *caller) []sample {
	second := c.mustPost("/apps", appBody).get("id").String()
	third := c.mustPost("/apps", appBody).get("id").String()
	hook := c.mustPost("/webhooks", webhookBody(second, "")).get("id").String()
	return []sample{
		{http.MethodPost, "/apps", appBody, 200},
		{http.MethodPost, "/apps", `{"display_name":"x"}`, 400},
		{http.MethodPatch, "/apps/" + second, `{"display_name":"x","retention_policy":{"ttl_days":7}}`, 200},
		{http.MethodPatch, "/apps/" + second, `{"display_name":"x","retention_policy":{"ttl_days":0}}`, 400},
		{http.MethodPatch, "/apps/" + nobody, `{"display_name":"x"}`, 404},
		{http.MethodDelete, "/apps/" + third, "", 200},
		{http.MethodDelete, "/apps/" + third, "", 404},
		{http.MethodPost, "/webhooks", webhookBody(second, `,"secret":"s"`), 200},
		{http.MethodPost, "/webhooks", webhookBody(third, ""), 404},
		{http.MethodPost, "/webhooks", "{}", 400},
		{http.MethodGet, "/apps/" + second + "/webhooks", "", 200},
		{http.MethodGet, "/apps/" + third + "/webhooks", "", 404},
		{http.MethodGet, "/webhooks/" + hook, "", 200},
		{http.MethodGet, "/webhooks/x", "", 404},
		{http.MethodPatch, "/webhooks/" + hook, webhookBody(second, ""), 200},
		{http.MethodPatch, "/webhooks/" + hook, webhookBody(c.info.App, ""), 400},
		{http.MethodDelete, "/webhooks/" + hook, "", 200},
		{http.MethodDelete, "/webhooks/" + hook, "", 404},
	}
}

// samplesOfPast calls the operations that put something into the past.
func samplesOfPast(c *caller, talk, contact string) []sample {
	path := "/conversations/" + talk
	return []sample{
		{http.MethodPost, path + ":inject-message", injected(contact, ""), 200},
		{http.MethodPost, path + ":inject-message", injected("x", ""), 400},
		{http.MethodPost, "/conversations/x:inject-message", injected(contact, ""), 404},
	}
}

// samplesOfNewer calls the operations that an old server does not have.
func samplesOfNewer(c *caller, talk, contact string) []sample {
	event := fmt.Sprintf(`{"accept_time":%q,"app_event":{"composing_event":{}}}`, noon.Format(time.RFC3339))
	path := "/conversations/" + talk + ":inject-event"
	id := c.mustPost(path, event).get("event_id").String()
	gone := c.mustPost(path, event).get("event_id").String()
	for range 2 {
		c.mustMake(contactBody)
	}
	const fetch, settings = "/messages:fetch-last-message", "/settings"
	return []sample{
		{http.MethodPost, path, event, 200},
		{http.MethodPost, path, `{"app_event":{"composing_event":{}}}`, 400},
		{http.MethodPost, "/conversations/x:inject-event", event, 404},
		{http.MethodGet, "/events?page_size=1&conversation_id=" + talk, "", 200},
		{http.MethodGet, "/events", "", 400},
		{http.MethodGet, "/events/" + id, "", 200},
		{http.MethodGet, "/events/x", "", 404},
		{http.MethodDelete, "/events/" + gone, "", 200},
		{http.MethodDelete, "/events/" + gone, "", 404},
		{http.MethodPost, fetch, `{"contact_ids":["` + contact + `"],"page_size":1000,"view":"WITHOUT_METADATA"}`, 200},
		{http.MethodPost, fetch, `{"channel_identities":["461"],"messages_source":"DISPATCH_SOURCE"}`, 200},
		{http.MethodPost, fetch, `{}`, 400},
		{http.MethodGet, "/contacts:identityConflicts?page_size=20", "", 200},
		{http.MethodGet, "/contacts:identityConflicts?page_size=21", "", 400},
		{http.MethodGet, settings, "", 404},
		{http.MethodPost, settings, `{"contact_settings":{"unified_contact_id_enabled":true}}`, 200},
		{http.MethodPost, settings, `{}`, 400},
		{http.MethodGet, settings, "", 200},
		{http.MethodPatch, settings, `{"contact_settings":{"unified_contact_id_enabled":false}}`, 200},
		{http.MethodPatch, settings, `{"contact_settings":{"unified_contact_id_enabled":1}}`, 400},
		{http.MethodDelete, settings, "", 200},
		{http.MethodDelete, settings, "", 404},
	}
}

// samplesOfRegistrations calls the older way to change who is opted out.
func samplesOfRegistrations(c *caller) []sample {
	return []sample{
		{http.MethodPost, "/optouts:register", c.about(somebody, `"channels":["SMS"]`), 200},
		{http.MethodPost, "/optouts:register", "{}", 400},
		{http.MethodPost, "/optins:register", c.about(somebody, `"channels":["RCS"]`), 200},
		{http.MethodPost, "/optins:register", c.about(`{"contact_id":"x"}`, `"channels":["SMS"]`), 404},
	}
}

// samplesOfConsents reads who is opted out, after samplesOfRegistrations.
func samplesOfConsents(c *caller) []sample {
	path := "/apps/" + c.info.App + "/consents/"
	return []sample{
		{http.MethodGet, path + "OPT_OUT_ALL?page_size=50&page_number=0", "", 200},
		{http.MethodGet, path + "OPT_OUT_SOME", "", 400},
		{http.MethodGet, path + "identities/%2B461", "", 200},
		{http.MethodGet, path + "identities/462", "", 404},
	}
}
