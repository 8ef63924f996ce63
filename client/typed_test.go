package client

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// typedCalls are calls of every typed method: what it is given, the operation
// that it is of, and what follows from the first for the path and the body.
var typedCalls = []struct {
	method string
	args   []any
	id     string
	params params
	body   string
}{
	{"SendMessage", []any{[]byte(`{}`)}, "Messages_SendMessage", nil, `{}`},
	{"GetMessage", []any{"1", ""}, "Messages_GetMessage", params{"message_id": "1"}, ``},
	{"ListMessages", []any{MessageQuery{}}, "Messages_ListMessages", nil, ``},
	{"GetApp", []any{"1"}, "App_GetApp", params{"app_id": "1"}, ``},
	{"ListApps", nil, "App_ListApps", nil, ``},
	{"GetConversation", []any{"1"}, "Conversation_GetConversation", params{"conversation_id": "1"}, ``},
	{"ListConversations", []any{ConversationQuery{}}, "Conversation_ListConversations", nil, ``},
	{"GetContact", []any{"1"}, "Contact_GetContact", params{"contact_id": "1"}, ``},
	{"ListContacts", []any{ContactQuery{}}, "Contact_ListContacts", nil, ``},
	{"CreateContact", []any{[]byte(`{}`)}, "Contact_CreateContact", nil, `{}`},
	{"UpdateContact", []any{"1", []string{"email"}, []byte(`{}`)}, "Contact_UpdateContact", params{"contact_id": "1"}, `{}`},
	{"DeleteContact", []any{"1"}, "Contact_DeleteContact", params{"contact_id": "1"}, ``},
	{"MergeContacts", []any{"1", "2"}, "Contact_MergeContact", params{"destination_id": "1"}, `{"source_id":"2","strategy":"MERGE"}`},
	{"GetConsents", []any{ConsentQuery{AppID: "1", List: "L"}}, "Consents_GetConsents", params{"app_id": "1", "list_type": "L"}, ``},
	{"InsertConsents", []any{[]byte(`{}`)}, "Batch_InsertConsents", nil, `{}`},
	{"SendBatch", []any{[]byte(`{}`)}, "Batch_SendBatch", nil, `{}`},
	{"BatchStatus", []any{"1"}, "Batch_GetBatchStatus", params{"batch_id": "1"}, ``},
	{"FindBatches", []any{"key", "value"}, "Batch_GetBatchStatusByMetadata", nil, ``},
	{"CancelBatch", []any{"1"}, "Batch_CancelBatch", nil, `{"batch_id":"1"}`},
}

func TestTypedMethodsAreOperationsOfTheTable(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	var body []byte
	var answer string
	c, _ := mustClient(t, "http://127.0.0.1:1", func(cfg *Config) {
		cfg.Auth = "basic"
		cfg.URLs.Batch = "http://127.0.0.1:2"
		cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			seen, body = r, nil
			if r.Body != nil {
				body, _ = io.ReadAll(r.Body)
			}
			return respond(r, answer), nil
		})
	})
	tried := map[string]bool{"Call": true, "CallMasked": true, "List": true, "Wait": true, "Authorize": true} // these have no operation of their own
	for _, typed := range typedCalls {
		tried[typed.method] = true
		op, found := LookUp(typed.id)
		require.True(t, found, typed.id)
		if answer = `{}`; op.ListKey == "." {
			answer = `[]`
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for _, arg := range typed.args {
			args = append(args, reflect.ValueOf(arg))
		}
		results := reflect.ValueOf(c).MethodByName(typed.method).Call(args)
		require.True(t, results[len(results)-1].IsNil(), "%s: %v", typed.method, results)
		path, err := op.Expand("p1", typed.params)
		require.NoError(t, err)
		base, err := c.urls.base(op.Service)
		require.NoError(t, err)
		seen.URL.RawQuery = ""
		assert.Equal(t, op.Method+" "+base+path, seen.Method+" "+seen.URL.String())
		assert.Equal(t, typed.body, string(body), typed.method)
		assert.Equal(t, op.Body, len(body) > 0, typed.method)
	}
	for m := range reflect.TypeFor[*Client]().Methods() {
		if m.Type.NumIn() > 1 && m.Type.In(1) == reflect.TypeFor[context.Context]() {
			assert.True(t, tried[m.Name], "%s is not tried", m.Name)
		}
	}
}
