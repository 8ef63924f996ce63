package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"convbatch/client"
)

func TestSecretsOfAnInventoryAreNotKept(t *testing.T) {
	t.Parallel()
	const gone = `"(not kept)"`
	for body, want := range map[string]string{
		`{"secret":"x"}`: `{"secret":` + gone + `}`,
		`{ "id" : "a", "bearerToken" : "x", "n": 1.50 }`:                     `{"id":"a","bearerToken":` + gone + `,"n":1.50}`,
		`{"authName":"x","auth_token":"y","API-Key":"z"}`:                    `{"authName":` + gone + `,"auth_token":` + gone + `,"API-Key":` + gone + `}`,
		`{"static_bearer":{"claimed_identity":"me","token":"x"}}`:            `{"static_bearer":{"claimed_identity":"me","token":` + gone + `}}`,
		`{"telegram_credentials":{"a":"x","b":{"c":["y",7,true,null,""]}}}`:  `{"telegram_credentials":{"a":` + gone + `,"b":{"c":[` + gone + `,` + gone + `,true,null,""]}}}`,
		`{"secrets":["x",{"value":"y"}],"pin":{"secret":12}}`:                `{"secrets":[` + gone + `,{"value":` + gone + `}],"pin":{"secret":` + gone + `}}`,
		`{"channel_credentials":[{"channel":"SMS","basic_auth":{"u":"x"}}]}`: `{"channel_credentials":[{"channel":"SMS","basic_auth":{"u":` + gone + `}}]}`,
		`{"client_credentials":{"client_secret":"x"}}`:                       `{"client_credentials":{"client_secret":` + gone + `}}`,
	} {
		assert.Equal(t, want, string(redact([]byte(body))), body)
	}
	for _, body := range []string{
		`{ "name" : "a" ,"state":{"x":[1, 2]} }`, `{"secret":""}`, `{"token":null}`, `[]`, `"text"`, `{}`, `{"secretive":true}`,
	} {
		assert.Equal(t, body, string(redact([]byte(body))), "what holds no secret stays byte for byte")
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
