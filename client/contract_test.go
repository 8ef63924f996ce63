package client

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// specifications lie next to the repository; they are not part of it.
const specifications = "../../shared/api"

// specification is the text of a file of them, empty when it is absent.
func specification(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(specifications, file))
	if os.IsNotExist(err) {
		t.Logf("CONTRACT NOT CHECKED: the specification %s is absent", file)
		return nil
	}
	require.NoError(t, err)
	return text
}

// eachDescribed calls f with every operation of a specification.
func eachDescribed(t *testing.T, file string, f func(method, path string, item *openapi3.PathItem, o *openapi3.Operation)) (n int) {
	t.Helper()
	text := specification(t, file)
	if text == nil {
		return 0
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			f(method, path, item, o)
			n++
		}
	}
	return n
}

func TestTheTableIsThatOfTheSpecifications(t *testing.T) {
	t.Parallel()
	for file, service := range map[string]string{
		"conversation-plus.yaml": "conversation", "conversationbatch.yaml": "batch", "provisioning.yaml": "provisioning",
	} {
		n := eachDescribed(t, file, func(method, path string, item *openapi3.PathItem, o *openapi3.Operation) {
			op, found := LookUp(o.OperationID)
			if !assert.True(t, found, o.OperationID) {
				return
			}
			assert.Equal(t, service, op.Service, op.ID)
			assert.Equal(t, []string{o.OperationID, method, path}, []string{op.ID, op.Method, op.Path})
			assert.Equal(t, o.RequestBody != nil, op.Body, op.ID)
			compareQuery(t, op, slices.Concat(item.Parameters, o.Parameters))
			if op.Method == http.MethodPost && op.Paging != NoPaging {
				size := o.RequestBody.Value.Content.Get("application/json").Schema.Value.Properties[pagingKeys[op.Paging].size]
				assert.Equal(t, *size.Value.Max, float64(op.PageSize), op.ID)
			}
			compareAnswer(t, op, o)
		})
		own := 0
		for _, op := range Operations() {
			if op.Service == service && (service != "provisioning" || op.Method == http.MethodGet) {
				own++
			}
		}
		assert.Contains(t, []int{0, own}, n, "operations of %s that the specification has not", service)
	}
}

// compareQuery looks at the names of the parameters, and at what pages.
func compareQuery(t *testing.T, op Operation, described openapi3.Parameters) {
	var query, path []string
	for _, ref := range described {
		switch p := ref.Value; {
		case p.In == openapi3.ParameterInPath && !isProject(p.Name):
			path = append(path, p.Name)
		case p.In != openapi3.ParameterInQuery, p.Name == "page_number": // superseded by page_token
		case p.Name == "page_size" || p.Name == "pageSize":
			assert.Equal(t, pagingKeys[op.Paging].size, p.Name, op.ID)
			assert.Equal(t, *p.Schema.Value.Max, float64(op.PageSize), op.ID)
		case p.Name == "page_token" || p.Name == "pageToken":
			assert.Equal(t, pagingKeys[op.Paging].token, p.Name, op.ID)
		default:
			query = append(query, p.Name)
		}
	}
	assert.ElementsMatch(t, query, op.Query, op.ID)
	assert.ElementsMatch(t, path, op.Parameters(), op.ID)
}

// compareAnswer looks at what a success holds.
func compareAnswer(t *testing.T, op Operation, o *openapi3.Operation) {
	content := o.Responses.Status(http.StatusOK).Value.Content.Get("application/json")
	if content == nil {
		assert.True(t, op.mayAnswerNothing(http.StatusOK), "%s answers nothing", op.ID)
		return
	}
	assert.False(t, op.silent, op.ID)
	schema := content.Schema.Value
	if schema.Type != nil && schema.Type.Is("array") {
		assert.Equal(t, ".", op.ListKey, op.ID)
		return
	}
	var arrays, others []string
	paging := NoPaging
	for _, part := range append(schema.AllOf, content.Schema) {
		for name, property := range part.Value.Properties {
			switch typ := property.Value.Type; {
			case name == pagingKeys[SnakeCase].next:
				paging = SnakeCase
			case name == pagingKeys[CamelCase].next:
				paging = CamelCase
			case typ != nil && typ.Is("array"):
				arrays = append(arrays, name)
			default:
				others = append(others, name)
			}
		}
	}
	assert.Equal(t, paging, op.Paging, op.ID)
	if paging != NoPaging || len(arrays) == 1 && len(others) == 0 {
		assert.Equal(t, arrays, []string{op.ListKey}, op.ID)
	}
	if op.ListKey != "" {
		assert.Contains(t, arrays, op.ListKey, op.ID)
	}
}

func TestOlderSpecificationsHaveNoOperationThatIsUnknown(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"conversation.yaml", "provisioning-conversation.yaml"} {
		eachDescribed(t, file, func(method, path string, _ *openapi3.PathItem, o *openapi3.Operation) {
			op, found := LookUp(o.OperationID)
			assert.True(t, found, o.OperationID)
			assert.Equal(t, []string{method, path}, []string{op.Method, op.Path}, o.OperationID)
			assert.Equal(t, o.RequestBody != nil, op.Body, o.OperationID)
			for _, ref := range o.Parameters {
				if name := ref.Value.Name; ref.Value.In == openapi3.ParameterInQuery && !strings.HasPrefix(name, "page_") {
					assert.Contains(t, op.Query, strings.TrimSuffix(name, ".paths"), op.ID)
				}
			}
		})
	}
}

// provisioningRow is an operation in the tables of provisioning.md: the method,
// the path or what follows on that of a row before, and the operationId, of
// which the row before may have the beginning.
var provisioningRow = regexp.MustCompile(`(?m)^(?:\| )?(GET|POST|PUT|PATCH|DELETE) (?:[|] )?(\S+) [|·] (\S+_v1)`)

func TestTheTableIsThatOfTheListOfProvisioning(t *testing.T) {
	t.Parallel()
	text := specification(t, "provisioning.md")
	if text == nil {
		return
	}
	begin, path := "", ""
	seen := map[string]bool{}
	for _, row := range provisioningRow.FindAllStringSubmatch(string(text), -1) {
		id := row[3]
		if rest, follows := strings.CutPrefix(id, "…"); follows {
			id = begin + "_" + strings.TrimPrefix(rest, "_")
		}
		begin, _, _ = strings.Cut(id, "_")
		op, found := LookUp(id)
		if !assert.True(t, found, id) {
			continue
		}
		seen[op.ID] = true
		assert.Equal(t, row[1], op.Method, id)
		if row[2] != "same" {
			path = strings.TrimSuffix(row[2], "…")
		}
		if whole, fromRoot := strings.CutPrefix(path, "~"); fromRoot {
			assert.Equal(t, "/v1/projects/{projectId}"+whole, op.Path, id)
		} else {
			end := strings.TrimPrefix(strings.TrimPrefix(path, "…"), "base")
			assert.True(t, strings.HasSuffix(op.Path, end), "%s: %s does not end with %s", id, op.Path, end)
		}
	}
	for _, op := range Operations() {
		assert.Equal(t, op.Service == "provisioning", seen[op.ID], op.ID)
	}
	assert.Len(t, seen, 90)
}

func TestTheTableHasNothingTwice(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	ids, routes := map[string]bool{}, map[string]string{}
	for _, op := range Operations() {
		count[op.Service]++
		assert.False(t, ids[op.ID], "%s is there twice", op.ID)
		route := op.Service + " " + op.Method + " " + op.Path
		assert.Empty(t, routes[route], "%s and %s are the same", op.ID, routes[route])
		ids[op.ID], routes[route] = true, op.ID

		got, found := LookUp(op.ID)
		assert.True(t, found)
		assert.Equal(t, op, got)
		assert.Equal(t, op.PageSize > 0, op.Paging != NoPaging, op.ID)
		_, err := op.Expand("p", placeholders(op))
		require.NoError(t, err)
	}
	assert.Equal(t, map[string]int{"conversation": 47, "batch": 7, "provisioning": 90}, count)
	for id, now := range otherIDs {
		assert.False(t, ids[id], id)
		op, found := LookUp(id)
		assert.True(t, found, id)
		assert.Equal(t, now, op.ID)
	}
	_, found := LookUp("Messages_Nothing")
	assert.False(t, found)
	Operations()[0].ID = "changed"
	assert.NotEqual(t, "changed", Operations()[0].ID, "the table is not to be changed")
}

func placeholders(op Operation) map[string]string {
	values := map[string]string{}
	for _, name := range op.Parameters() {
		values[name] = "x"
	}
	return values
}

func TestWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	never := []string{"RcsSendersController_retryTestNumber_v1"}
	always := []string{
		"Messages_ListMessagesByChannelIdentity", "Transcoding_TranscodeMessage", "Contact_GetChannelProfile", "Capability_QueryCapability",
		"Conversation_StopActiveConversation", "OptIn_RegisterOptIn", "OptIn_RegisterOptOut", "Batch_InsertConsents",
		"WhatsappTemplatesController_syncTemplates_v1", "WhatsappTemplatesController_compareTemplates_v1",
		"WhatsappEmbeddedSignupHelperController_listWabaDetailsForToken_v1",
	}
	for _, op := range Operations() {
		want := op.Method != http.MethodPost && !slices.Contains(never, op.ID) || slices.Contains(always, op.ID)
		assert.Equal(t, want, op.Idempotent, op.ID)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	inject, _ := LookUp("Conversation_InjectMessage")
	assert.Equal(t, []string{"message.conversation_id"}, inject.Parameters())
	template, _ := LookUp("WhatsappTemplatesController_getTemplate_v1")
	assert.Equal(t, []string{"templateName", "languageCode"}, template.Parameters())
	assert.Empty(t, sendMessage.Parameters())
	made := Operation{Method: "GET", Path: "/v2/{projectId}/x"}

	for _, c := range []struct {
		op         Operation
		project    string
		params     map[string]string
		want, says string
	}{
		{inject, "p", params{"message.conversation_id": "01"}, "/v1/projects/p/conversations/01:inject-message", ""},
		{template, "p/1", params{"templateName": "a b", "languageCode": "EN?"}, "/v1/projects/p%2F1/whatsapp/templates/a%20b/languages/EN%3F", ""},
		{getContact, "p", params{"contact_id": "../apps#1%2F"}, "/v1/projects/p/contacts/..%2Fapps%231%252F", ""},
		{sendMessage, "p", nil, "/v1/projects/p/messages:send", ""},
		{made, "p", nil, "/v2/p/x", ""},

		{getContact, "p", nil, "", "Contact_GetContact needs a contact_id, and none was given"},
		{getContact, "p", params{"contact_id": ""}, "", `Contact_GetContact: "" is no contact_id`},
		{getContact, "p", params{"contact_id": ".."}, "", `Contact_GetContact: ".." is no contact_id`},
		{getContact, "", params{"contact_id": "1"}, "", `"" is no project_id`},
		{getContact, "p", params{"contact_id": "1", "b": "2", "a": "3"}, "", "Contact_GetContact takes no a, b: remove it"},
		{getContact, "p", params{"contact_id": "1", "project_id": "other"}, "", "takes no project_id"},
		{Operation{Method: "GET", Path: "@elsewhere.example/x"}, "p", nil, "", "does not begin with /"},
		{Operation{Method: "GET", Path: "/x?y=1"}, "p", nil, "", "? or #"},
		{Operation{Method: "GET", Path: "/x/{y"}, "p", nil, "", "begins no parameter"},
		{Operation{Method: "GET", Path: "/x/{}"}, "p", nil, "", "begins no parameter"},
	} {
		path, err := c.op.Expand(c.project, c.params)
		assert.Equal(t, c.want, path, "%s %v", c.op.name(), c.params)
		if c.says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.says)
		assert.Contains(t, err.Error(), cmp.Or(c.op.ID, "GET"))
	}
}
