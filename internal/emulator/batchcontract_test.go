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

// batchAPI stands for its specification where those of the profiles do.
const batchAPI = "batch"

// batch calls an operation of the Batch API; path is relative to the project.
func (c *caller) batch(method, path, body string) answer {
	c.t.Helper()
	return c.do(c.preparedAt(c.info.URLs.Batch, method, path, body))
}

// recipientOf is one of a batch's recipients, with further fields.
func recipientOf(phone, rest string) string {
	return fmt.Sprintf(`{"recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":%q}]}}%s}`, phone, rest)
}

// order is a request for a batch.
func (c *caller) order(text, rest string, recipients ...string) string {
	return fmt.Sprintf(`{"app_id":%q,"message":{"text_message":{"text":%q}},"recipient_and_params":[%s]%s}`,
		c.info.App, text, strings.Join(recipients, ","), rest)
}

// mustOrder orders a batch and gives its id.
func (c *caller) mustOrder(text, rest string, recipients ...string) string {
	c.t.Helper()
	a := c.batch(http.MethodPost, "/messages", c.order(text, rest, recipients...))
	require.Equal(c.t, http.StatusOK, a.status, string(a.body))
	return a.get("batch_id").String()
}

func TestBatchAnswersAreThoseOfItsSpecification(t *testing.T) {
	t.Parallel()
	doc := mustSpec(t, batchAPI)
	if doc == nil {
		return
	}
	c := start(t, Options{})
	all := operationsOf(c.e, true)
	for _, op := range all {
		_, o := described(t, doc, op)
		assert.Equal(t, op.id, o.OperationID)
	}
	id := c.mustOrder("hej", `,"batch_metadata":{"a":"b"},"send_after":"2026-03-01T13:00:00Z"`, recipientOf("461", ""))
	somebody := c.mustMake(contactBody)
	calls := []sample{
		{http.MethodPost, "/messages", c.order("hej", "", recipientOf("461", "")), 200},
		{http.MethodPost, "/messages", c.order("hej", `,"send_after":"2026-03-01T13:00:00Z"`, recipientOf("461", "")), 200},
		{http.MethodPost, "/messages", "{}", 400},
		{http.MethodPost, "/messages", c.order("hej", "", `{"recipient":{"contact_id":"x"}}`), 404},
		{http.MethodGet, "/messages/" + id, "", 200},
		{http.MethodGet, "/messages/x", "", 404},
		{http.MethodGet, "/messages?meta_data.a=b", "", 200},
		{http.MethodGet, "/messages", "", 400},
		{http.MethodDelete, "/messages", `{"batch_id":"` + id + `"}`, 200},
		{http.MethodDelete, "/messages", `{"batch_id":1}`, 400},
		{http.MethodPost, "/contacts", `{"contacts":[` + contactBody + `]}`, 200},
		{http.MethodPost, "/contacts", `{"contacts":[]}`, 400},
		{http.MethodDelete, "/contacts", `{"contact_ids":["` + somebody + `"]}`, 200},
		{http.MethodDelete, "/contacts", `{}`, 400},
		{http.MethodPost, "/consents", c.consents(`{"identification":"461"}`), 200},
		{http.MethodPost, "/consents", c.consents(`{}`), 400},
	}
	mustAnswer(t, c, doc, c.info.URLs.Batch, calls, all)
}

// TestBatchRequestsAreJudgedAsTheirSpecificationDoes holds requests on which
// the specification has an opinion of its own.
func TestBatchRequestsAreJudgedAsTheirSpecificationDoes(t *testing.T) {
	t.Parallel()
	doc := mustSpec(t, batchAPI)
	if doc == nil {
		return
	}
	c := start(t, Options{})
	one := recipientOf("+461", `,"parameters":{"a":"b"},"message_metadata":{"k":1},"conversation_metadata":{}`)
	many := strings.Repeat(one+",", 999) + one
	person := `{"channel_identities":[{"channel":"SMS","identity":"461"}]}`
	for path, bodies := range map[string]map[bool][]string{
		"/messages": {
			true: {
				c.order("x", "", one), c.order("x", "", many), c.order("x", `,"ttl":"3s","callback_url":"u","channel_properties":{"a":"b"}`, one),
				c.order("x", `,"processing_strategy":"DEFAULT","channel_priority_order":["SMS"],"batch_metadata":{},"message_metadata":{"a":{}}`, one),
			},
			false: {
				`{}`, c.order("x", ""), c.order("x", "", many, one), c.order("x", "", `{}`), c.order("x", "", recipientOf("461", `,"parameters":{"a":1}`)),
				c.order("x", "", recipientOf("461", `,"parameters":[]`)), c.order("x", `,"message_metadata":"x"`, one), c.order("x", `,"batch_metadata":"x"`, one),
				c.order("x", `,"processing_strategy":"NEVER"`, one), c.order("x", `,"channel_priority_order":"SMS"`, one), c.order("x", `,"ttl":3`, one),
				c.order("x", "", recipientOf("461", `,"message_metadata":"x"`)), c.order("x", "", recipientOf("461", `,"conversation_metadata":1`)),
				c.order("x", `,"channel_properties":{"a":1}`, one), c.order("x", `,"send_after":1`, one), c.order("x", `,"callback_url":1`, one),
			},
		},
		"/contacts": {
			true: {`{"contacts":[` + person + `]}`, `{"contacts":[` + contactBody + `,` + strings.Repeat(person+",", 998) + person + `]}`},
			false: {
				`{}`, `{"contacts":[]}`, `{"contacts":[{}]}`, `{"contacts":[{"channel_identities":[]}]}`, `{"contacts":[` + strings.Repeat(person+",", 1000) + person + `]}`,
				`{"contacts":[{"channel_identities":[{"channel":"SMS"}]}]}`, strings.Replace(`{"contacts":[`+contactBody+`]}`, `"SV"`, "1", 1),
			},
		},
		"/consents": {
			true:  {c.consents(), c.consents(`{"identification":"461"}`, `{"identification":"462","consent_type":"OPT_OUT_MARKETING"}`)},
			false: {`{}`, c.consents(`{}`), c.consents(`{"identification":1}`), c.consents(`{"identification":"1","consent_type":"OPT_IN"}`), c.consents(`[]`)},
		},
	} {
		schema := doc.Paths.Value("/v1/projects/{project_id}" + path).Post.RequestBody.Value.Content.Get("application/json").Schema.Value
		for want, bodies := range bodies {
			for _, body := range bodies {
				var v any
				require.NoError(t, json.Unmarshal([]byte(body), &v), body)
				shown := body[:min(len(body), 400)]
				assert.Equal(t, want, schema.VisitJSON(v) == nil, "specification: %s", shown)
				assert.Equal(t, want, c.batch(http.MethodPost, path, body).status == http.StatusOK, "emulator: %s", shown)
			}
		}
	}
}

func TestBatchAPITakesTokensAlone(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	r := c.preparedAt(c.info.URLs.Batch, http.MethodGet, "/messages/x", "")
	r.SetBasicAuth(c.info.KeyID, c.info.KeySecret)
	a := c.do(r)
	assert.Equal(t, http.StatusUnauthorized, a.status)
	assert.NotContains(t, a.header.Get("WWW-Authenticate"), "expired")
	assert.Equal(t, http.StatusNotFound, c.batch(http.MethodGet, "/messages/x", "").status)

	old := start(t, Options{Profile: ProfileOld})
	a = old.batch(http.MethodPost, "/messages", old.order("x", "", recipientOf("461", "")))
	assert.Equal(t, http.StatusNotFound, a.status)
	assert.Equal(t, http.StatusNotFound, old.get("/apps/"+old.info.App+"/consents/OPT_OUT_ALL").status)
}

func TestBatchAPITakesLargerBodies(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	note := strings.Repeat("x", 2000)
	var rows []string
	for i := range 1000 {
		rows = append(rows, recipientOf(fmt.Sprint(46_700_000_000+i), `,"parameters":{"note":"`+note+`"}`))
	}
	body := c.order("${note}", "", rows...)
	require.Greater(t, len(body), bodyLimit)
	assert.Equal(t, http.StatusOK, c.batch(http.MethodPost, "/messages", body).status)
	assert.Equal(t, 1000, c.e.AcceptedCount())
	assert.Equal(t, note, gjson.Parse(c.lastAccepted().Body).Get("parameters.note").Str)
	rows[0] = recipientOf("461", `,"parameters":{"note":"`+strings.Repeat("x", batchLimit)+`"}`)
	a := c.batch(http.MethodPost, "/messages", c.order("${note}", "", rows...))
	assert.Equal(t, http.StatusBadRequest, a.status)
	assert.Contains(t, string(a.body), "too large")
}
