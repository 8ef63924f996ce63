package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// specifications lie next to the repository; they are not part of it.
const specifications = "../../../shared/api"

// mustSpec loads the specification of a profile, or says that it is absent.
func mustSpec(t *testing.T, profile string) *openapi3.T {
	t.Helper()
	doc := mustLoad(t, map[string]string{
		ProfileNew: "conversation-plus.yaml", ProfileOld: "conversation.yaml", batchAPI: "conversationbatch.yaml",
	}[profile])
	if doc == nil {
		return nil
	}
	for _, schema := range doc.Components.Schemas {
		for _, name := range []string{"recipient", "event"} {
			if to := schema.Value.Properties[name]; to != nil {
				tellApart(to.Value.OneOf)
			}
		}
	}
	return doc
}

// mustLoad loads a specification, or says that it is absent.
func mustLoad(t *testing.T, name string) *openapi3.T {
	t.Helper()
	path := filepath.Join(specifications, name)
	if _, err := os.Stat(path); err != nil {
		t.Logf("CONTRACT NOT CHECKED: the specification %s is absent", path)
		return nil
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	require.NoError(t, err)
	return doc
}

// tellApart requires of each kind of recipient, or of event, what makes it that
// kind: as written, each fits every object, so that "one of" never holds.
func tellApart(kinds openapi3.SchemaRefs) {
	for _, kind := range kinds {
		kind.Value.Required = slices.Collect(maps.Keys(kind.Value.Properties))
	}
}

func bothProfiles(t *testing.T, check func(t *testing.T, profile string, doc *openapi3.T)) {
	t.Helper()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			if doc := mustSpec(t, profile); doc != nil {
				check(t, profile, doc)
			}
		})
	}
}

// described finds an operation in a specification.
func described(t *testing.T, doc *openapi3.T, op *operation) (*openapi3.PathItem, *openapi3.Operation) {
	t.Helper()
	item := doc.Paths.Value(strings.TrimPrefix(op.path, "/batch"))
	require.NotNil(t, item, op.path)
	o := item.GetOperation(op.method)
	require.NotNil(t, o, op.id)
	return item, o
}

func TestRoutesAndParametersAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	bothProfiles(t, func(t *testing.T, profile string, doc *openapi3.T) {
		for _, op := range operationsOf(New(Options{Profile: profile}), false) {
			item, o := described(t, doc, op)
			assert.Equal(t, op.id, o.OperationID)
			var want, got []string
			for _, ref := range slices.Concat(item.Parameters, o.Parameters) {
				if p := ref.Value; p.In == openapi3.ParameterInQuery {
					want = append(want, p.Name)
					row := op.query[slices.IndexFunc(op.query, func(q param) bool { return q.name == p.Name })]
					assert.Equal(t, p.Required, row.required || row.oldOnly && profile == ProfileOld, op.id+" "+p.Name)
					if limit := p.Schema.Value.Max; limit != nil && profile == ProfileNew {
						assert.Equal(t, *limit, float64(row.max), op.id+" "+p.Name)
					}
				}
			}
			for _, p := range op.query {
				if p.knownTo(profile) {
					got = append(got, p.name)
				}
			}
			assert.ElementsMatch(t, want, got, op.id)
		}
	})
}

// operationsOf are those of the Batch API or all others.
func operationsOf(e *Emulator, batch bool) []*operation {
	return slices.DeleteFunc(slices.Clone(e.router.operations), func(op *operation) bool { return op.batch != batch })
}

func TestEveryOperationIsAnswered(t *testing.T) {
	t.Parallel()
	for _, api := range []string{ProfileNew, ProfileOld, batchAPI} {
		doc := mustSpec(t, api)
		if doc == nil {
			continue
		}
		o := Options{}
		if api != batchAPI {
			o.Profile = api
		}
		var got, want []string
		for _, op := range operationsOf(New(o), api == batchAPI) {
			got = append(got, op.id)
		}
		for _, item := range doc.Paths.Map() {
			for _, o := range item.Operations() {
				want = append(want, o.OperationID)
			}
		}
		assert.ElementsMatch(t, want, got, api)
	}
}

func TestAnswersAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	bothProfiles(t, func(t *testing.T, profile string, doc *openapi3.T) {
		c := start(t, Options{Profile: profile, Contacts: 30, Conversations: 40, Messages: 1500, DispatchRetentionDays: 1})
		mustAnswer(t, c, doc, c.info.URLs.Conversation, sampleCalls(c, profile), operationsOf(c.e, false))
		for m := range c.e.Messages() {
			mustFit(t, doc.Components.Schemas["ConversationMessage"].Value, m.Body, "message "+m.ID)
		}
	})
}

// mustAnswer makes calls and compares what is taken and what comes back with a
// specification; every operation must be among them.
func mustAnswer(t *testing.T, c *caller, doc *openapi3.T, base string, calls []sample, all []*operation) {
	t.Helper()
	covered := make(map[string]bool)
	for _, r := range calls {
		request := c.preparedAt(base, r.method, r.path, r.body)
		op, _, _ := c.e.router.find(r.method, request.URL.EscapedPath())
		require.NotNil(t, op, r.path)
		a := c.do(request)
		require.Equal(t, r.status, a.status, r.path+" "+string(a.body))
		covered[op.id] = true
		_, o := described(t, doc, op)
		if r.status == http.StatusOK && r.body != "" {
			mustFit(t, o.RequestBody.Value.Content.Get("application/json").Schema.Value, []byte(r.body), op.id)
		}
		response := o.Responses.Status(r.status)
		if response == nil || response.Value.Content.Get("application/json") == nil {
			continue
		}
		mustFit(t, response.Value.Content.Get("application/json").Schema.Value, a.body, op.id)
	}
	for _, op := range all {
		assert.True(t, covered[op.id], "no call of %s", op.id)
	}
}

func mustFit(t *testing.T, schema *openapi3.Schema, body []byte, what string) {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(body, &v))
	require.NoError(t, schema.VisitJSON(v, openapi3.MultiErrors()), "%s: %s", what, body)
}

type sample struct {
	method, path, body string
	status             int
}

// sampleCalls calls every operation, rightly and wrongly.
func sampleCalls(c *caller, profile string) []sample {
	others := c.mustIDs("/contacts", "contacts")
	contact := others[0]
	query := "/conversations?only_active=true&app_id=" + c.info.App
	talks := c.mustIDs(query, "conversations")
	talk, doomed := talks[0], talks[1]
	ids, _ := stored(c.e)
	calls := []sample{
		{http.MethodPost, "/messages:send", c.text("+46701234567", "k"), 200},
		{http.MethodPost, "/messages:send", "{}", 400},
		{http.MethodGet, "/messages?page_size=20&conversation_id=" + talk, "", 200},
		{http.MethodGet, "/messages?page_size=0", "", 400},
		{http.MethodGet, "/messages/" + ids[0], "", 200},
		{http.MethodGet, "/messages/x", "", 404},
		{http.MethodDelete, "/messages/" + ids[1], "", 200},
		{http.MethodGet, "/apps", "", 200},
		{http.MethodGet, "/apps/" + c.info.App, "", 200},
		{http.MethodGet, "/apps/x", "", 400},
		{http.MethodGet, "/contacts?page_size=20", "", 200},
		{http.MethodGet, "/contacts/" + contact, "", 200},
		{http.MethodPost, "/contacts", contactBody, 200},
		{http.MethodPost, "/contacts", "{}", 400},
		{http.MethodPatch, "/contacts/" + contact, `{"display_name":"x"}`, 200},
		{http.MethodPatch, "/contacts/" + contact, `{"language":"UNSPECIFIED"}`, 400},
		{http.MethodPost, "/contacts/" + others[1] + ":merge", `{"source_id":"` + others[2] + `"}`, 200},
		{http.MethodPost, "/contacts/x:merge", `{"source_id":"` + others[3] + `"}`, 404},
		{http.MethodDelete, "/contacts/" + others[4], "", 200},
		{http.MethodDelete, "/contacts/" + others[4], "", 404},
		{http.MethodPost, "/contacts:getChannelProfile", c.about(messenger, `"channel":"MESSENGER"`), 200},
		{http.MethodPost, "/conversations", fmt.Sprintf(`{"app_id":%q,"contact_id":%q}`, c.info.App, contact), 200},
		{http.MethodPatch, "/conversations/" + talk + "?metadata_update_strategy=MERGE_PATCH", `{"metadata_json":{"a":1}}`, 200},
		{http.MethodPatch, "/conversations/" + talk, `{"active":1}`, 400},
		{http.MethodPost, "/conversations/" + talk + ":stop", "", 200},
		{http.MethodDelete, "/conversations/" + doomed, "", 200},
		{http.MethodGet, query + "&page_size=20", "", 200},
		{http.MethodGet, "/conversations/" + talk, "", 200},
		{http.MethodPost, "/capability:query", c.about(somebody, `"request_id":"r"`), 200},
		{http.MethodPost, "/events:send", c.about(somebody, `"event":{"composing_event":{}}`), 200},
		{http.MethodPost, "/messages:transcode", `{"app_id":"` + c.info.App + `","app_message":{"text_message":{"text":"x"}},"channels":["SMS"]}`, 200},
	}
	calls = slices.Concat(calls, samplesOfRegistrations(c))
	held := c.get("/conversations/" + talk).get("contact_id").String()
	past := samplesOfPast(c, talk, held) // before conversations and contacts go
	if profile == ProfileOld {
		return slices.Concat(past, calls, samplesOfApps(c))
	}
	return slices.Concat(past, samplesOfNewer(c, talk, held), calls, samplesOfApps(c), samplesOfConsents(c), []sample{
		{http.MethodPatch, "/messages/" + ids[0], `{"metadata":"x"}`, 200},
		{http.MethodGet, "/conversations:recent?page_size=50&app_id=" + c.info.App, "", 200},
		{http.MethodGet, "/messages?page_size=1000", "", 200},
		{http.MethodGet, "/messages?messages_source=DISPATCH_SOURCE", "", 200},
	})
}

// TestRequestsAreJudgedAsTheSpecificationDoes holds send requests on which the
// specification has an opinion of its own; both must agree.
func TestRequestsAreJudgedAsTheSpecificationDoes(t *testing.T) {
	t.Parallel()
	doc := mustSpec(t, ProfileNew)
	if doc == nil {
		return
	}
	schema := doc.Components.Schemas["SendMessageRequest"].Value
	c := start(t, Options{})
	whole := func(message, rest string) string {
		return fmt.Sprintf(`{"app_id":%q,"recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"461"}]}},"message":%s%s}`,
			c.info.App, message, rest)
	}
	text := `{"text_message":{"text":"x"}}`
	good := []string{
		whole(text, ""),
		whole(text, `,"message_metadata":"`+strings.Repeat("å", 1024)+`","correlation_id":"`+strings.Repeat("x", 128)+`","ttl":"3s"`),
		whole(text, `,"queue":"HIGH_PRIORITY","processing_strategy":"DEFAULT","message_content_type":"CONTENT_MARKETING"`),
		whole(text, `,"channel_properties":{"SMS_SENDER":"x"},"channel_priority_order":["SMS","RCS"],"conversation_metadata":{"a":{"b":1}}`),
		whole(`{"media_message":{"url":"https://example.com/a.jpg"}}`, ""),
		whole(`{"location_message":{"title":"x","coordinates":{"latitude":1,"longitude":2.5}}}`, ""),
		whole(`{"choice_message":{"text_message":{"text":"x"},"choices":[{"text_message":{"text":"y"},"postback_data":"z"}]}}`, ""),
		whole(`{"card_message":{"title":"x","media_message":{"url":"u"},"height":"TALL"}}`, ""),
		whole(`{"carousel_message":{"cards":[{"title":"x"}]}}`, ""),
		whole(`{"list_message":{"title":"x","sections":[{"items":[{"choice":{"title":"y"}}]}]}}`, ""),
		whole(`{"template_message":{"omni_template":{"template_id":"t","version":"1","parameters":{"a":"b"}}}}`, ""),
	}
	bad := []string{
		`{}`, `{"app_id":1}`, whole(`[]`, ""), whole(text, `,"queue":"LOW"`), whole(text, `,"ttl":"soon"`),
		whole(text, `,"message_metadata":"`+strings.Repeat("x", 1025)+`"`), whole(text, `,"correlation_id":"`+strings.Repeat("x", 129)+`"`),
		whole(text, `,"channel_properties":{"a":"`+strings.Repeat("x", 1025)+`"}`), whole(text, `,"channel_priority_order":["PIGEON"]`),
		whole(`{"text_message":{}}`, ""), whole(`{"media_message":{}}`, ""), whole(`{"location_message":{"title":"x"}}`, ""),
		whole(`{"location_message":{"title":"x","coordinates":{"latitude":"1","longitude":2}}}`, ""),
		whole(`{"carousel_message":{}}`, ""), whole(`{"card_message":{"height":"HUGE"}}`, ""),
		whole(`{"list_message":{"title":"x"}}`, ""), whole(`{"template_message":{"omni_template":{"template_id":"t"}}}`, ""),
		whole(`{"list_message":{"title":"x","sections":[{"items":[{}]}]}}`, ""),
	}
	for want, bodies := range map[bool][]string{true: good, false: bad} {
		for _, body := range bodies {
			var v any
			require.NoError(t, json.Unmarshal([]byte(body), &v))
			assert.Equal(t, want, schema.VisitJSON(v) == nil, "specification: %s", body)
			assert.Equal(t, want, c.send(body).status == http.StatusOK, "emulator: %s", body)
		}
	}
}
