package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// smsCredential and lineCredential are credentials, as JSON.
const smsCredential = `{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"t0p"}}`

func lineCredential(number int) string {
	return fmt.Sprintf(`{"channel":"LINE","line_credentials":{"token":"t","secret":"s"},"credential_ordinal_number":%d}`, number)
}

func appJSON(rest string, credentials ...string) string {
	return `{"display_name":"x","channel_credentials":[` + strings.Join(credentials, ",") + `]` + rest + `}`
}

func TestCreatedAppHasTheDefaultsOfItsServer(t *testing.T) {
	t.Parallel()
	for profile, mode := range map[string]string{ProfileNew: ModeDispatch, ProfileOld: ModeConversation} {
		c := start(t, Options{Profile: profile})
		a := c.mustPost("/apps", appJSON("", smsCredential))
		id := a.get("id").String()
		assert.Equal(t, Identifiers{AppID: id}, c.lastAccepted().Identifiers)
		assert.Equal(t, mode, a.get("processing_mode").String())
		assert.Equal(t, "NONE", a.get("conversation_metadata_report_view").String())
		assert.JSONEq(t, `{"retention_type":"MESSAGE_EXPIRE_POLICY","ttl_days":180}`, a.get("retention_policy").Raw)
		assert.JSONEq(t, `{"retention_type":"MESSAGE_EXPIRE_POLICY","ttl_days":0}`, a.get("dispatch_retention_policy").Raw)
		assert.Equal(t, "t0p", a.get("channel_credentials.0.static_bearer.token").String(), "answers have what was written")
		assert.Equal(t, profile == ProfileNew, a.get("channel_credentials.0.state").Exists())
		assert.Equal(t, string(a.body), string(c.get("/apps/"+id).body))
		assert.Equal(t, []string{c.info.App, id}, strs(c.get("/apps").get("apps.#.id")))

		assert.Equal(t, http.StatusNotFound, c.send(strings.ReplaceAll(c.text("461", "k"), c.info.App, id)).status, "messages go through the first app")
		scoped := c.mustPost("/contacts", contactJSON("", identityJSON("MESSENGER", "7001", id)))
		assert.Equal(t, id, scoped.get("channel_identities.0.app_id").String())

		require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/apps/"+id, "").status)
		assert.Equal(t, http.StatusNotFound, c.get("/apps/"+id).status)
		assert.Equal(t, []string{c.info.App}, strs(c.get("/apps").get("apps.#.id")))
		assert.Equal(t, http.StatusOK, c.get("/contacts/"+scoped.get("id").String()).status, "contacts stay")
		assert.NotEqual(t, id, c.mustPost("/apps", appBody).get("id").String())
	}
}

func TestUpdateOfAnAppReplacesListsWhole(t *testing.T) {
	t.Parallel()
	for profile, mask := range map[string]string{ProfileNew: "?update_mask=", ProfileOld: "?update_mask.paths="} {
		c := start(t, Options{Profile: profile})
		path := "/apps/" + c.mustPost("/apps", appJSON(`,"smart_conversation":{"enabled":true}`, smsCredential, `{"channel":"TELEGRAM","telegram_credentials":{"token":"t"}}`)).get("id").String()
		a := c.call(http.MethodPatch, path, appJSON("", smsCredential))
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		assert.Equal(t, []string{"SMS"}, strs(a.get("channel_credentials.#.channel")), "what is not sent back is lost")
		assert.True(t, a.get("smart_conversation.enabled").Bool(), "what is not given stays")

		a = c.call(http.MethodPatch, path+mask+"retention_policy", `{"display_name":"not named","retention_policy":{"ttl_days":7}}`)
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		assert.Equal(t, int64(7), a.get("retention_policy.ttl_days").Int())
		assert.Equal(t, "x", a.get("display_name").String())
		a = c.call(http.MethodPatch, path+mask+"retention_policy", `{"display_name":"x"}`)
		assert.Equal(t, int64(180), a.get("retention_policy.ttl_days").Int(), "named and absent: the default")

		for _, path := range []string{path + mask + "display_name", path + mask + "id", path + mask + "rate_limits"} {
			assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, path, `{"display_name":null}`).status, path)
		}
	}
	old := start(t, Options{Profile: ProfileOld})
	assert.Equal(t, http.StatusBadRequest, old.call(http.MethodPatch, "/apps/"+old.info.App, `{}`).status, "it requires the name")
	assert.Equal(t, http.StatusBadRequest, old.call(http.MethodPatch, "/apps/"+old.info.App+"?update_mask.paths=message_search", `{"display_name":"x"}`).status)
	newer := start(t, Options{})
	assert.Equal(t, http.StatusOK, newer.call(http.MethodPatch, "/apps/"+newer.info.App, `{}`).status)
}

func TestAppThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	newer := map[string]bool{}
	good := []string{
		appJSON(""), appJSON("", smsCredential), appJSON("", `{"channel":"SMS","callback_secret":"`+strings.Repeat("x", 256)+`"}`),
		appJSON(`,"processing_mode":"DISPATCH","dispatch_retention_policy":{"ttl_days":7,"retention_type":"MESSAGE_EXPIRE_POLICY"}`),
		appJSON(`,"retention_policy":{"retention_type":"PERSIST_RETENTION_POLICY"},"conversation_metadata_report_view":"FULL"`),
		appJSON("", `{"channel":"WECHAT","wechat_credentials":{"app_id":"a","app_secret":"b","token":"c","aes_key":"d"}}`),
		appJSON("", `{"channel":"MMS","mms_credentials":{"account_id":"a","api_key":"b","basic_auth":{"username":"u","password":"p"}}}`),
	}
	for _, body := range []string{
		appJSON("", lineCredential(0), lineCredential(255)),
		appJSON("", `{"channel":"LINE","line_enterprise_credentials":{"line_japan":{"token":"a","secret":"b"},"is_default":true}}`),
		appJSON("", `{"channel":"INSTAGRAM","instagram_credentials":{"token":"a"}}`),
		appJSON(`,"message_retry_settings":{"retry_duration":30},"delivery_report_based_fallback":{"delivery_report_waiting_time":10}`),
		appJSON(`,"callback_settings":{"secret_for_overridden_callback_urls":"x"},"message_search":{"enabled":true},"persist_message_status":{"enabled":true}`),
	} {
		newer[body] = true
		good = append(good, body)
	}
	bad := []string{
		`{}`, `{"display_name":"x"}`, `{"channel_credentials":[]}`, `{"display_name":"","channel_credentials":[]}`,
		appJSON(`,"id":"x"`), appJSON(`,"rate_limits":{}`), appJSON(`,"queue_stats":{}`), appJSON(`,"processing_mode":"BOTH"`),
		appJSON(`,"retention_policy":{"ttl_days":0}`), appJSON(`,"retention_policy":{"ttl_days":3651}`), appJSON(`,"retention_policy":{"ttl_days":1.5}`),
		appJSON(`,"retention_policy":{"retention_type":"NEVER"}`), appJSON(`,"dispatch_retention_policy":{"ttl_days":8}`),
		appJSON(`,"dispatch_retention_policy":{"retention_type":"PERSIST_RETENTION_POLICY"}`), appJSON(`,"smart_conversation":true`),
		appJSON(`,"message_retry_settings":{"retry_duration":29}`), appJSON(`,"message_retry_settings":{"retry_duration":3601}`),
		appJSON(`,"delivery_report_based_fallback":{"delivery_report_waiting_time":259201}`),
		appJSON("", `{}`), appJSON("", `{"channel":"PIGEON"}`), appJSON("", smsCredential, smsCredential),
		appJSON("", `{"channel":"SMS","static_bearer":{"token":"x"}}`), appJSON("", `{"channel":"MMS"}`), appJSON("", `{"channel":"TELEGRAM"}`),
		appJSON("", `{"channel":"SMS","callback_secret":"`+strings.Repeat("x", 257)+`"}`),
		appJSON("", `{"channel":"SMS","state":{"status":"ACTIVE"}}`), appJSON("", `{"channel":"SMS","channel_known_id":"x"}`),
		appJSON("", lineCredential(1), lineCredential(1)), appJSON("", lineCredential(256)), appJSON("", `{"channel":"SMS","credential_ordinal_number":1}`),
	}
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile})
		for _, body := range good {
			require.True(t, json.Valid([]byte(body)), body)
			want := http.StatusOK
			if profile == ProfileOld && newer[body] {
				want = http.StatusBadRequest
			}
			a := c.call(http.MethodPost, "/apps", body)
			assert.Equal(t, want, a.status, "%s %s", body, a.body)
		}
		before := c.e.AcceptedCount()
		for _, body := range bad {
			assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/apps", body).status, body)
		}
		assert.Equal(t, before, c.e.AcceptedCount())
	}
}

func TestWhatTheFirstAppSaysHolds(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 60, Start: noon.AddDate(0, 0, -20), End: noon})
	path := "/apps/" + c.info.App
	change := func(body string) {
		t.Helper()
		require.Equal(t, http.StatusOK, c.call(http.MethodPatch, path, body).status)
	}
	all := len(c.mustIDs("/messages?page_size=100", "messages"))
	change(`{"retention_policy":{"ttl_days":10}}`)
	kept := len(c.mustIDs("/messages?page_size=100", "messages"))
	assert.InDelta(t, all/2, kept, 8)
	change(`{"retention_policy":{"ttl_days":10,"retention_type":"PERSIST_RETENTION_POLICY"}}`)
	assert.Len(t, c.mustIDs("/messages?page_size=100", "messages"), all)

	toRCS := strings.Replace(c.text("461", "k"), `"message"`, `"channel_priority_order":["RCS"],"message"`, 1)
	assert.Equal(t, http.StatusOK, c.send(toRCS).status)
	change(`{"channel_credentials":[` + smsCredential + `]}`)
	assert.Equal(t, http.StatusBadRequest, c.send(toRCS).status)

	change(`{"processing_mode":"DISPATCH","dispatch_retention_policy":{"ttl_days":1}}`)
	a := c.send(c.text("462", "k"))
	require.Equal(t, http.StatusOK, a.status)
	m := c.get("/messages/" + a.get("message_id").String() + "?messages_source=DISPATCH_SOURCE")
	assert.Equal(t, ModeDispatch, m.get("processing_mode").String())
	byContact := c.about(`{"contact_id":"`+c.mustIDs("/contacts", "contacts")[0]+`"}`, `"message":{"text_message":{"text":"x"}}`)
	assert.Equal(t, http.StatusBadRequest, c.send(byContact).status)

	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, path, "").status)
	assert.Equal(t, http.StatusNotFound, c.send(c.text("462", "k")).status)
	assert.Empty(t, strs(c.get("/apps").get("apps.#.id")))
}

func TestFirstAppHasASecretInEachCredential(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile})
		credentials := c.get("/apps/" + c.info.App).get("channel_credentials").Array()
		require.Len(t, credentials, 8)
		bodies := make([]string, len(credentials))
		for i, credential := range credentials {
			assert.Regexp(t, `"secret-[0-9a-f]{16}"`, credential.Raw)
			bodies[i] = gjson.Get(credential.Raw, "@this").Raw
			if profile == ProfileNew {
				bodies[i] = strings.Replace(bodies[i], `,"state":{"status":"ACTIVE","description":""}`, "", 1)
			}
		}
		assert.Equal(t, http.StatusOK, c.call(http.MethodPatch, "/apps/"+c.info.App, appJSON("", bodies...)).status, "they can be sent back")
	}
}
