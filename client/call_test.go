package client

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOperationsOfAnyKindCanBeCalled(t *testing.T) {
	t.Parallel()
	var seen, body string
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen, body = r.Method+" "+r.URL.EscapedPath()+"?"+r.URL.RawQuery, string(b)
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, `{"id":"1"}`)
	})
	c, _ := mustClient(t, s.URL+"", func(cfg *Config) {
		cfg.URLs.Batch, cfg.URLs.Provisioning = s.URL+"/batch", s.URL+"/provisioning"
	})
	find := func(id string) Operation { op, _ := LookUp(id); return op }
	for _, row := range []struct {
		op         Operation
		call       Call
		want, body string
	}{
		{find("Conversation_InjectMessage"), Call{Params: params{"message.conversation_id": "01"}, Body: []byte(`{"a":1}`)},
			"POST /v1/projects/p1/conversations/01:inject-message?", `{"a":1}`},
		{find("Batch_DeleteContacts"), Call{Body: []byte(`{"ids":[]}`)}, "DELETE /batch/v1/projects/p1/contacts?", `{"ids":[]}`},
		{find("WhatsappTemplatesController_updateTemplate_v1"), Call{Params: params{"templateName": "n", "languageCode": "SV"}, Body: []byte(`{}`)},
			"PATCH /provisioning/v1/projects/p1/whatsapp/templates/n/languages/SV?", `{}`},
		{Operation{Service: "provisioning", Method: "PUT", Path: "/v9/{projectId}/{a}", Body: true},
			Call{Params: params{"a": "/"}, Query: url.Values{"q": {"1", "+2"}}, Body: []byte(`[]`)}, "PUT /provisioning/v9/p1/%2F?q=1&q=%2B2", `[]`},
	} {
		_, err := c.Call(t.Context(), row.op, row.call)
		require.NoError(t, err)
		assert.Equal(t, row.want, seen)
		assert.Equal(t, row.body, body)
	}
}

func TestACallThatCanNotBeMadeIsNotSent(t *testing.T) {
	t.Parallel()
	c, g := mustClient(t, "http://127.0.0.1:1")
	for says, op := range map[string]Operation{
		"the service is none of":      {ID: "X", Service: "contacts", Method: "GET", Path: "/x"},
		"does not begin with /":       {ID: "X", Service: "batch", Method: "GET", Path: "@other.example/{project_id}"},
		"X needs a id":                {ID: "X", Service: "batch", Method: "GET", Path: "/{id}"},
		"can not be used: look at":    {ID: "X", Service: "batch", Method: "a b", Path: "/x"},
		"GET /x/{id}: GET /x/{id} ne": {Service: "batch", Method: "GET", Path: "/x/{id}"},
	} {
		_, err := c.Call(t.Context(), op, Call{})
		e := mustFail(t, err)
		assert.Equal(t, Failed, e.Intent)
		assert.Contains(t, e.Error(), says)
	}
	_, err := c.List(t.Context(), getApp, Call{Params: params{"app_id": "01"}})
	assert.Equal(t, "App_GetApp: this is no list: the key of the answer's array is not known", mustFail(t, err).Error())
	assert.Zero(t, g.granted())
}

// listAll asks for page after page, as callers do.
func listAll(t *testing.T, c *Client, op Operation, r Call) (items []string) {
	t.Helper()
	for {
		page, err := c.List(t.Context(), op, r)
		require.NoError(t, err)
		for _, item := range page.Items {
			items = append(items, string(item))
		}
		if page.Next == "" {
			return items
		}
		r = op.Next(r, page.Next)
	}
}

func TestListsArePagedInTheirOwnWay(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		id      string
		answers []string
		want    []string // what was asked for
	}{
		{"Contact_ListIdentityConflicts", []string{`{"conflicts":["a"],"next_page_token":"x+"}`, `{"conflicts":["b"],"next_page_token":"y"}`, `{"conflicts":["c"]}`},
			[]string{"page_size=7&q=1", "page_size=7&page_token=x%2B&q=1", "page_size=7&page_token=y&q=1"}},
		{"SmsSmsAppsController_listSmsApps_v1", []string{`{"totalSize":3,"pageSize":1,"smsApps":["a"],"nextPageToken":"x"}`,
			`{"smsApps":["b"],"previousPageToken":"w","nextPageToken":"y"}`, `{"smsApps":["c"],"previousPageToken":"x","nextPageToken":""}`},
			[]string{"pageSize=7&q=1", "pageSize=7&pageToken=x&q=1", "pageSize=7&pageToken=y&q=1"}},
		{"Messages_ListMessagesByChannelIdentity", []string{`{"messages":["a"],"next_page_token":"x"}`, `{"messages":["b"],"next_page_token":"y\""}`, `{"messages":["c"]}`},
			[]string{`q=1 {"contact_ids":["1"],"page_size":7}`, `q=1 {"contact_ids":["1"],"page_size":7,"page_token":"x"}`, `q=1 {"contact_ids":["1"],"page_size":7,"page_token":"y\""}`}},
		{"Batch_GetBatchStatusByMetadata", []string{" [\"a\", \"b\" ,\"c\"]\n"}, []string{"q=1"}},
		{"WhatsappSolutionsController_listSolutions_v1", []string{`{"solutions":["a","b","c"]}`}, []string{"q=1"}},
	} {
		var asked []string
		s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			asked = append(asked, strings.TrimSpace(r.URL.RawQuery+" "+string(b)))
			fmt.Fprint(w, row.answers[len(asked)-1])
		})
		c, _ := mustClient(t, s.URL)
		op, _ := LookUp(row.id)
		r := Call{Query: url.Values{"q": {"1"}}}
		if op.Body {
			r.Body = []byte(`{"contact_ids":["1"]}`)
		}
		assert.Equal(t, []string{`"a"`, `"b"`, `"c"`}, listAll(t, c, op, op.Sized(r, 7)), row.id)
		assert.Equal(t, row.want, asked)
		assert.Equal(t, url.Values{"q": {"1"}}, r.Query, "what the caller gave is not changed")
	}
}

func TestAPageThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	statuses, _ := LookUp("Batch_GetBatchStatusByMetadata")
	senders, _ := LookUp("WhatsappSendersController_listSenders_v1")
	for _, row := range []struct {
		op     Operation
		status int
		body   string
		says   string
	}{
		{statuses, 200, `{}`, "is not a list"},
		{statuses, 200, `{".":[]}`, "is not a list"},
		{statuses, 200, `{"error":{"code":13}}`, disguised},
		{statuses, 200, `[1`, "cut off"},
		{statuses, 204, ``, "empty body"},
		{listContacts, 200, `[]`, "not the JSON object"},
		{listContacts, 204, ``, "empty body"},
		{getContact, 204, ``, "empty body"},
		{getContact, 200, `{"errorCode":"x"}`, disguised},
		{senders, 200, `{"errorCode":"x","message":"m"}`, disguised},
		{senders, 200, `{"senders":[],"next_page_token":"x"}`, "names a further page"},
		{listApps, 200, `{"apps":[],"nextPageToken":"x"}`, "names a further page"},
	} {
		s := mustServe(t, answers(row.status, row.body))
		c, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.Attempts = 1 })
		_, err := c.Call(t.Context(), row.op, Call{Params: placeholders(row.op)})
		assert.Contains(t, mustFail(t, err).Error(), row.says)
	}
	for body, op := range map[string]Operation{`[]`: statuses, `{"apps":[],"":"x","next_page_token":""}`: listApps} {
		s := mustServe(t, answers(200, body))
		c, _ := mustClient(t, s.URL)
		page, err := c.List(t.Context(), op, Call{})
		require.NoError(t, err)
		assert.Empty(t, page.Items)
		assert.Empty(t, page.Next)
	}
}

func TestAWriteMayAnswerNothingWhereThatIsDocumented(t *testing.T) {
	t.Parallel()
	for id, allowed := range map[string][2]bool{ // with a 200, with a 204
		"Conversation_StopActiveConversation":           {true, true},
		"Conversation_InjectMessage":                    {true, true},
		"Contact_DeleteContact":                         {true, true},
		"Contact_UpdateContact":                         {false, true},
		"Messages_SendMessage":                          {false, true},
		"WebhookWebhookController_replaceWebhook_v1":    {false, true},
		"WhatsappSendersController_verify_v1":           {false, true},
		"WhatsappSolutionsController_assignSolution_v1": {false, true},
		"App_GetApp": {false, false},
	} {
		op, _ := LookUp(id)
		for i, status := range []int{200, 204} {
			assert.Equal(t, allowed[i], fault(op, status, nil, plainly) == "", "%s %d", id, status)
		}
	}
}

func TestARefusalOfProvisioningSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(409, `{"errorCode":"sender_already_deleted","message":"The sender is deleted.","resolution":"Wait 30 days.","additionalInformation":{}}`))
	c, _ := mustClient(t, s.URL)
	op, _ := LookUp("WhatsappSendersController_delete_v1")
	_, err := c.Call(t.Context(), op, Call{Params: params{"senderId": "1"}})
	e := mustFail(t, err)
	assert.Equal(t, "sender_already_deleted", e.Code)
	assert.Equal(t, "WhatsappSendersController_delete_v1: 409 sender_already_deleted: The sender is deleted. Wait 30 days.", e.Error())
}

func TestAWriteThatIsRepeatedSaysThatItMayHaveHadItsEffect(t *testing.T) {
	t.Parallel()
	const says = "may have had its effect"
	for _, row := range []struct {
		op     Operation
		first  http.HandlerFunc
		maybe  bool
		intent Intent
	}{
		{deleteContact, answers(500, ``), true, Failed},
		{deleteContact, answers(503, ``), false, Failed},
		{updateContact, answers(200, ``), true, Failed},
		{getContact, answers(500, ``), false, Failed},
		{MustLookUp("Messages_ListMessagesByChannelIdentity"), answers(500, ``), false, Failed},
		{insertConsents, answers(504, ``), true, Failed},
		{createContact, answers(504, ``), false, InDoubt},
	} {
		s := mustServe(t, inTurn(row.first, answers(404, `{"message":"not found"}`)))
		c, _ := mustClient(t, s.URL)
		_, err := c.Call(t.Context(), row.op, Call{Params: placeholders(row.op), Body: []byte(`{}`)})
		e := mustFail(t, err)
		assert.Equal(t, row.intent, e.Intent, row.op.ID)
		assert.Equal(t, row.maybe, strings.Contains(e.Error(), says), e.Error())
	}
}

func TestTheAnswerOfACallIsKeptWithoutSecretsAndAPageAsItIs(t *testing.T) {
	t.Parallel()
	body := `{"apps":[{"id":"` + testToken + `"}]}`
	s := mustServe(t, answers(200, body))
	c, _ := mustClient(t, s.URL)
	r, err := c.Call(t.Context(), listApps, Call{})
	require.NoError(t, err)
	assert.Equal(t, strings.ReplaceAll(body, testToken, redacted), string(r.Body))
	page, err := c.List(t.Context(), listApps, Call{})
	require.NoError(t, err)
	assert.Equal(t, body, string(page.Body))
}

func TestTheBatchAPISaysWhyItRefusesBasic(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(401, `{"message":"no"}`))
	c, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.Auth = "basic" })
	_, err := c.SendBatch(t.Context(), []byte(`{}`))
	e := mustFail(t, err)
	assert.Equal(t, Fatal, e.Intent)
	assert.Contains(t, e.Error(), "api.auth to oauth2")
	_, err = c.SendMessage(t.Context(), []byte(`{}`))
	assert.NotContains(t, mustFail(t, err).Error(), "oauth2")
}
