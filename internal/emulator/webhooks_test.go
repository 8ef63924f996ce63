package emulator

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWebhookIsReadBackChangedAndDeleted(t *testing.T) {
	t.Parallel()
	for profile, mask := range map[string]string{ProfileNew: "?update_mask=", ProfileOld: "?update_mask.paths="} {
		c := start(t, Options{Profile: profile})
		whole := webhookBody(c.info.App, `,"secret":"s3cret","client_credentials":{"client_id":"i","client_secret":"cs","endpoint":"https://example.com/token"}`)
		a := c.mustPost("/webhooks", whole)
		id := a.get("id").String()
		assert.Equal(t, Identifiers{AppID: c.info.App, WebhookID: id}, c.lastAccepted().Identifiers)
		assert.JSONEq(t, strings.Replace(whole, "{", `{"id":"`+id+`",`, 1), string(a.body))
		assert.Equal(t, string(a.body), string(c.get("/webhooks/"+id).body))
		assert.Equal(t, `{"webhooks":[`+string(a.body)+`]}`, string(c.get("/apps/"+c.info.App+"/webhooks").body))

		a = c.call(http.MethodPatch, "/webhooks/"+id+mask+"target", strings.Replace(webhookBody(c.info.App, ""), "/hook", "/new", 1))
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		assert.Equal(t, "https://example.com/new", a.get("target").String())
		assert.Equal(t, "s3cret", a.get("secret").String(), "not named")
		a = c.call(http.MethodPatch, "/webhooks/"+id+mask+"secret", webhookBody(c.info.App, `,"id":"`+id+`"`))
		assert.False(t, a.get("secret").Exists(), "named and absent: emptied")
		for name, row := range map[string]struct{ path, body string }{
			"another app":     {id, webhookBody(nobody, "")},
			"another id":      {id, webhookBody(c.info.App, `,"id":"x"`)},
			"no target":       {id, `{"app_id":"` + c.info.App + `","triggers":[]}`},
			"id in the mask":  {id + mask + "id", webhookBody(c.info.App, "")},
			"unknown trigger": {id, strings.Replace(webhookBody(c.info.App, ""), "MESSAGE_DELIVERY", "X", 1)},
		} {
			assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, "/webhooks/"+row.path, row.body).status, name)
		}
		require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/webhooks/"+id, "").status)
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			assert.Equal(t, http.StatusNotFound, c.call(method, "/webhooks/"+id, "").status)
		}
		assert.Equal(t, http.StatusNotFound, c.call(http.MethodPatch, "/webhooks/"+id, webhookBody(c.info.App, "")).status)
		assert.Empty(t, c.get("/apps/"+c.info.App+"/webhooks").get("webhooks").Array())
	}
}

func TestAnAppHasFiveWebhooks(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	var last string
	for range 5 {
		last = c.mustPost("/webhooks", webhookBody(c.info.App, "")).get("id").String()
	}
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/webhooks", webhookBody(c.info.App, "")).status)
	second := c.mustPost("/apps", appBody).get("id").String()
	elsewhere := c.mustPost("/webhooks", webhookBody(second, "")).get("id").String()
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/webhooks/"+last, "").status)
	assert.NotEqual(t, last, c.mustPost("/webhooks", webhookBody(c.info.App, "")).get("id").String())
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/apps/"+second, "").status)
	assert.Equal(t, http.StatusNotFound, c.get("/webhooks/"+elsewhere).status, "it goes with its app")
}

func TestWebhookThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile})
		good, app := webhookBody(c.info.App, ""), `"app_id":"`+c.info.App+`"`
		post := func(body string) answer { return c.call(http.MethodPost, "/webhooks", body) }
		for name, body := range map[string]string{
			"nothing":           "{}",
			"no app":            strings.Replace(good, app+",", "", 1),
			"no target":         `{` + app + `,"triggers":[]}`,
			"empty target":      strings.Replace(good, "https://example.com/hook", "", 1),
			"long target":       strings.Replace(good, "/hook", "/"+strings.Repeat("x", 723), 1), // 743
			"no URL":            strings.Replace(good, "https://", "", 1),
			"the API itself":    strings.Replace(good, "example.com", "conversation-api.eu1tst.sinch.com", 1),
			"id":                webhookBody(c.info.App, `,"id":"x"`),
			"unknown field":     webhookBody(c.info.App, `,"name":"x"`),
			"unknown type":      strings.Replace(good, "HTTP", "FAX", 1),
			"no such trigger":   strings.Replace(good, "MESSAGE_DELIVERY", "UNSPECIFIED_TRIGGER", 1),
			"half a credential": webhookBody(c.info.App, `,"client_credentials":{"client_id":"x"}`),
			"app that is none":  webhookBody("x", ""),
		} {
			assert.Equal(t, http.StatusBadRequest, post(body).status, name)
		}
		assert.Equal(t, http.StatusNotFound, post(webhookBody(nobody, "")).status)
		assert.Zero(t, c.e.AcceptedCount())
		assert.Equal(t, http.StatusOK, post(strings.Replace(good, "/hook", "/"+strings.Repeat("x", 722), 1)).status)

		newer := map[string]string{
			"trigger":        strings.Replace(good, "MESSAGE_DELIVERY", "MESSAGE_SUBMIT", 1),
			"credentials":    webhookBody(c.info.App, `,"client_credentials":{"client_id":"i","client_secret":"s","endpoint":"e","scope":"x"}`),
			"without a list": `{` + app + `,"target":"x"}`,
		}
		for name, body := range newer {
			a := post(body)
			assert.Equal(t, profile == ProfileNew, a.status == http.StatusOK, "%s %s", name, a.body)
			if name == "without a list" && profile == ProfileNew {
				assert.Equal(t, "DISMISS", a.get("target_type").String(), "by default nothing is sent")
			}
		}
		if profile == ProfileOld {
			assert.Equal(t, "HTTP", post(`{`+app+`,"target":"https://example.com","triggers":[]}`).get("target_type").String())
		}
	}
}
