package jobs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyWhatDiffersOfAContactIsSent(t *testing.T) {
	t.Parallel()
	const sms = `{"channel":"SMS","identity":"46701234567","app_id":""}`
	have := `{"id":"C","channel_identities":[` + sms + `,{"channel":"MESSENGER","identity":"m","app_id":"A"}],
		"channel_priority":["SMS","MESSENGER"],"display_name":"Ada","email":"","external_id":"7","language":"SV","metadata":""}`
	for _, c := range []struct{ name, want, mask, body string }{
		{"nothing", `{"external_id":"7","display_name":"Ada","language":"SV","metadata":"","email":null}`, "", ""},
		{"a name", `{"display_name":"Bea","language":"SV"}`, "display_name", `{"display_name":"Bea"}`},
		{"several", `{"display_name":"Bea","language":"SV","metadata":"x"}`, "display_name metadata", `{"display_name":"Bea","metadata":"x"}`},
		{"a number with its plus", `{"channel_identities":[{"channel":"SMS","identity":"+46701234567"}]}`, "", ""},
		{"an app where none counts", `{"channel_identities":[{"channel":"SMS","identity":"46701234567","app_id":"A"}]}`, "", ""},
		{"the app is not said", `{"channel_identities":[{"channel":"MESSENGER","identity":"m"}]}`, "", ""},
		{"of another app", `{"channel_identities":[{"channel":"MESSENGER","identity":"m","app_id":"B"}]}`, "channel_identities",
			`{"channel_identities":[` + sms + `,{"channel":"MESSENGER","identity":"m","app_id":"A"},{"channel":"MESSENGER","identity":"m","app_id":"B"}]}`},
		{"one more, twice in the row", `{"channel_identities":[{"channel":"RCS","identity":"+46701234567"},{"channel":"RCS","identity":"46701234567"}]}`, "channel_identities",
			`{"channel_identities":[` + sms + `,{"channel":"MESSENGER","identity":"m","app_id":"A"},{"channel":"RCS","identity":"+46701234567"}]}`},
		{"the head of the priority", `{"channel_priority":["SMS"]}`, "", ""},
		{"a priority without an identity", `{"channel_priority":["RCS","SMS"]}`, "", ""},
		{"another priority", `{"channel_priority":["MESSENGER"]}`, "channel_priority", `{"channel_priority":["MESSENGER"]}`},
		{"a priority for a new identity", `{"channel_identities":[{"channel":"RCS","identity":"46701234567"}],"channel_priority":["RCS","SMS"]}`, "channel_identities channel_priority",
			`{"channel_identities":[` + sms + `,{"channel":"MESSENGER","identity":"m","app_id":"A"},{"channel":"RCS","identity":"46701234567"}],"channel_priority":["RCS","SMS"]}`},
		{"what no column knows", `{"tier":{"a":1}}`, "tier", `{"tier":{"a":1}}`},
	} {
		mask, body := contactChange([]byte(c.want), []byte(have))
		assert.Equal(t, c.mask, strings.Join(mask, " "), c.name)
		assert.Equal(t, c.body, string(body), c.name)
	}
	mask, _ := contactChange([]byte(`{"display_name":""}`), []byte(`{"display_name":"Unknown"}`))
	assert.Empty(t, mask, "the server's name for nobody")
}

func TestWhatTheAPIWouldRefuseOfAContactIsSaidBefore(t *testing.T) {
	t.Parallel()
	const number = `"channel_identities":[{"channel":"SMS","identity":"+46701234567"}]`
	for body, want := range map[string]string{
		`{` + number + `,"language":"SV"}`:              "",
		`{` + number + `,"language":"SW_"}`:             `language: "SW_" is not a language of the API; did you mean "SW"?`,
		`{` + number + `,"language":"en-us"}`:           `did you mean "EN_US"?`,
		`{` + number + `}`:                              "language is empty",
		`{` + number + `,"language":"UNSPECIFIED"}`:     "which the API answers and does not take",
		`{` + number + `,"language":"+46701234567890"}`: "language: the value is not a language of the API",
		`{"language":"SV"}`:                             "channel_identities: a contact needs one at least",
		`{"channel_identities":[{"channel":"WHATSAP","identity":"x"}],"language":"SV"}`:            `channel_identities[0]: "WHATSAP" is not a channel of the API; did you mean "WHATSAPP"?`,
		`{"channel_identities":[{"identity":"x"}],"language":"SV"}`:                                "channel_identities[0]: the channel is empty",
		`{"channel_identities":[{"channel":"SMS"}],"language":"SV"}`:                               "the SMS identity is empty",
		`{"channel_identities":[{"channel":"SMS","identity":"070 123"}],"language":"SV"}`:          "not a phone number in international form",
		`{"channel_identities":[{"channel":"MESSENGER","identity":"m"}],"language":"SV"}`:          "belongs to an app",
		`{` + number + `,"language":"SV","channel_priority":["SSM"]}`:                              `channel_priority: "SSM" is not a channel of the API; did you mean "SMS"?`,
		`{` + number + `,"language":"SV","metadata":"` + strings.Repeat("ä", maxMetadata+1) + `"}`: "metadata has 1025 characters, 1024 are allowed",
	} {
		err := checkContact([]byte(body))
		if want == "" {
			assert.NoError(t, err, body)
			continue
		}
		require.ErrorContains(t, err, want, body)
		assert.NotContains(t, err.Error(), "46701234567")
	}
}

func TestIdentitiesGetTheAppThatTheyNeed(t *testing.T) {
	t.Parallel()
	const body = `{ "channel_identities": [{"channel":"MESSENGER","identity":"å"}, {"channel":"SMS","identity":"1"},{"app_id":"","channel":"LINE","identity":"l"},{"app_id":"B","channel":"LINE","identity":"m"}] }`
	got, err := withApp([]byte(body), "A", false)
	require.NoError(t, err)
	assert.Equal(t, `{ "channel_identities": [{"channel":"MESSENGER","identity":"å","app_id":"A"}, {"channel":"SMS","identity":"1"},{"app_id":"A","channel":"LINE","identity":"l"},{"app_id":"B","channel":"LINE","identity":"m"}] }`, string(got))
	got, err = withApp([]byte(body), "A", true)
	require.NoError(t, err)
	assert.Contains(t, string(got), `{"app_id":"A","channel":"LINE","identity":"m"}`)
	got, err = withApp([]byte(body), "", true)
	require.NoError(t, err)
	assert.Equal(t, body, string(got))
}

func TestOfAnExportedContactItIsKeptWhatCanBeWritten(t *testing.T) {
	t.Parallel()
	got, err := writable(`{"id":"C","tier":1,"display_name":"Å \"x\"","email":"","channel_priority":[],"metadata":"{}","language":"SV","channel_identities":[{"channel":"SMS","identity":"1","app_id":""}]}`)
	require.NoError(t, err)
	assert.Equal(t, `{"channel_identities":[{"channel":"SMS","identity":"1","app_id":""}],"display_name":"Å \"x\"","language":"SV","metadata":"{}"}`, string(got))
	for _, text := range []string{"", "null", `"x"`, "{"} {
		_, err := writable(text)
		assert.ErrorContains(t, err, "not a JSON object", text)
	}
}
