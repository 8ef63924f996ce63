package jobs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
)

func TestSecretsAreTakenOutWhereverTheyStand(t *testing.T) {
	t.Parallel()
	const gone = `"(not kept)"`
	for _, c := range []struct{ name, body, want string }{
		{"none: byte for byte", ` {"id" : "a",  "n":1.50,"x":"\u00e5\/"} `, ` {"id" : "a",  "n":1.50,"x":"\u00e5\/"} `},
		{"not even spaces are touched where a secret is empty", `{ "secret": "", "token":null, "password_set": true }`, `{ "secret": "", "token":null, "password_set": true }`},
		{"a member", `{"id":"a","secret":"s3"}`, `{"id":"a","secret":` + gone + `}`},
		{"in any spelling", `{"accessToken":"x","API-Key":"y","to\u006ben":"z"}`, `{"accessToken":` + gone + `,"API-Key":` + gone + `,"to\u006ben":` + gone + `}`},
		{"a number", `{"password":12345}`, `{"password":` + gone + `}`},
		{"a list", `{"secrets":["a",{"b":"c"},""]}`, `{"secrets":[` + gone + `,{"b":` + gone + `},""]}`},
		{"an object", `{"token":{"value":"a","valid":true}}`, `{"token":{"value":` + gone + `,"valid":true}}`},
		{"a name in the Provisioning API", `{"authName":"x","basic_auth":{"u":"y"}}`, `{"authName":` + gone + `,"basic_auth":{"u":` + gone + `}}`},
		{"deep", `[{"a":[{"b":{"client_secret":"x","c":"y"}}]}]`, `[{"a":[{"b":{"client_secret":` + gone + `,"c":"y"}}]}]`},
		{"credentials, but not whose and of which channel",
			`{"channel_credentials":[{"channel":"SMS","static_bearer":{"claimed_identity":"acme","token":"t"}},{"channel":"LINE","line_credentials":{"x":"y"}}]}`,
			`{"channel_credentials":[{"channel":"SMS","static_bearer":{"claimed_identity":"acme","token":` + gone + `}},{"channel":"LINE","line_credentials":{"x":` + gone + `}}]}`},
		{"a webhook's", `{"secret":"s","client_credentials":{"client_id":"i","endpoint":"e"}}`, `{"secret":` + gone + `,"client_credentials":{"client_id":` + gone + `,"endpoint":` + gone + `}}`},
	} {
		assert.Equal(t, c.want, string(redact([]byte(c.body))), c.name)
	}
}

// Whatever the JSON: what comes out is JSON of the same shape, of which nothing
// but secrets is another, and no secret is left.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","secret":"s3","list":[{"token":"t"},2,null]}`, `{"credentials":{"a":[1,{"b":"c"}]},"claimed_identity":{"password":"p"}}`,
		`[[[{"secret":{"secret":[true,""]}}]]]`, `"text"`, `{"":"","\ud800":"x"}`, ` {"token" : "a"} `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if !json.Valid([]byte(body)) {
			return
		}
		out := string(redact([]byte(body)))
		require.True(t, json.Valid([]byte(out)), "%q", out)
		mustBeRedacted(t, decodeTokens(t, body), decodeTokens(t, out), false)
	})
}

// decodeTokens reads JSON with the keys of objects in order, each as often as
// it is there: an object is an object, an array []any.
func decodeTokens(t *testing.T, text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return decodeToken(t, d)
}

type object []member

type member struct {
	key   string
	value any
}

func decodeToken(t *testing.T, d *json.Decoder) any {
	token, err := d.Token()
	require.NoError(t, err)
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			list = append(list, decodeToken(t, d))
		}
		_, err = d.Token()
		require.NoError(t, err)
		return list
	case json.Delim('{'):
		o := object{}
		for d.More() {
			key, err := d.Token()
			require.NoError(t, err)
			o = append(o, member{key.(string), decodeToken(t, d)})
		}
		_, err = d.Token()
		require.NoError(t, err)
		return o
	}
	return token
}

func mustBeRedacted(t *testing.T, in, out any, secret bool) {
	switch in := in.(type) {
	case []any:
		require.Len(t, out, len(in))
		for i := range in {
			mustBeRedacted(t, in[i], out.([]any)[i], secret)
		}
	case object:
		require.Len(t, out, len(in))
		for i, m := range in {
			require.Equal(t, m.key, out.(object)[i].key)
			mustBeRedacted(t, m.value, out.(object)[i].value, (secret || secretName(m.key)) && !publicName(m.key))
		}
	case string, json.Number:
		if secret && in != "" {
			require.Equal(t, "(not kept)", out)
			return
		}
		require.Equal(t, in, out)
	default:
		require.Equal(t, in, out)
	}
}

func TestWhichAnswersHoldSecrets(t *testing.T) {
	t.Parallel()
	for _, op := range client.Operations() {
		want := op.Service == "provisioning"
		switch op.ID {
		case "App_ListApps", "App_GetApp", "App_CreateApp", "App_UpdateApp", "App_DeleteApp",
			"Webhooks_ListWebhooks", "Webhooks_GetWebhook", "Webhooks_CreateWebhook", "Webhooks_UpdateWebhook", "Webhooks_DeleteWebhook",
			"Consents_GetConsents", "Consents_GetConsentsAuditRecords": // these stand below an app
			want = true
		}
		assert.Equal(t, want, answersSecrets(op), op.ID)
	}
	assert.True(t, answersSecrets(client.Operation{Service: "conversation", Path: "/v1/projects/{project_id}/apps/{x}"}))
	assert.False(t, answersSecrets(client.Operation{Service: "conversation", Path: "/v1/projects/{project_id}/messages"}))
}
