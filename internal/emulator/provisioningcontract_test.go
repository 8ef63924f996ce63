package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// provisioned reads from the Provisioning API; path is relative to the project.
func (c *caller) provisioned(path string) answer {
	c.t.Helper()
	r := c.request(http.MethodGet, c.info.URLs.Provisioning+"/v1/projects/"+c.info.Project+path, "")
	r.Header.Set("Authorization", "Bearer "+c.token)
	return c.do(r)
}

func TestProvisioningRoutesAndParametersAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc := mustLoad(t, "provisioning.yaml")
	if doc == nil {
		return
	}
	routes := New(Options{}).reads.operations
	assert.Len(t, routes, doc.Paths.Len())
	for _, op := range routes {
		item, o := described(t, doc, op)
		assert.Equal(t, op.id, o.OperationID)
		var want []param
		for _, ref := range slices.Concat(item.Parameters, o.Parameters) {
			if p := ref.Value; p.In == openapi3.ParameterInQuery {
				want = append(want, paramOf(p))
			}
		}
		got := slices.Clone(op.query)
		for _, list := range [][]param{want, got} {
			slices.SortFunc(list, func(a, b param) int { return strings.Compare(a.name, b.name) })
		}
		assert.Equal(t, want, got, op.id)
	}
}

// paramOf is a parameter of the specification as the table has it.
func paramOf(p *openapi3.Parameter) param {
	schema := p.Schema.Value
	made := param{name: p.Name, required: p.Required, repeated: schema.Type.Is("array")}
	if schema.Type.Is("number") {
		made.kind, made.max = intParam, int(*schema.Max)
	}
	if made.repeated {
		schema = schema.Items.Value
	}
	for _, value := range schema.Enum {
		made.enum = append(made.enum, value.(string))
	}
	return made
}

// asked is a call of the Provisioning API and what it is answered: a list, or
// an errorCode.
type asked struct {
	path   string
	status int
	want   string
}

// provisioningSamples calls every operation, rightly and wrongly, at every path that the
// inventory has.
func provisioningSamples(c *caller) []asked {
	var calls []asked
	for _, r := range provisioningReads {
		for _, path := range instances(c.e.inventory(), strings.Split(r.path, "/")[1:]) {
			calls = append(calls, asked{path, http.StatusOK, r.list})
			if r.most > 0 {
				calls = append(calls,
					asked{path + "?pageSize=1", http.StatusOK, r.list},
					asked{path + "?pageSize=" + strconv.Itoa(r.most), http.StatusOK, r.list},
					asked{path + "?pageSize=" + strconv.Itoa(r.most+1), http.StatusBadRequest, "invalid_page_size"},
					asked{path + "?pageSize=0", http.StatusBadRequest, "invalid_page_size"},
					asked{path + "?pageToken=abc", http.StatusBadRequest, "invalid_page_token"},
				)
			}
			for _, f := range r.filters {
				if f.enum != nil {
					code := map[string]string{"filterStates": "invalid_filter_states", "filterStatuses": "invalid_filter_statuses"}[f.name]
					calls = append(calls,
						asked{path + "?" + f.name + "=" + strings.Join(f.enum, "&"+f.name+"="), http.StatusOK, r.list},
						asked{path + "?" + f.name + "=" + f.enum[0] + "&" + f.name + "=NONE", http.StatusBadRequest, code},
					)
				}
			}
		}
	}
	senders := c.provisioned("/whatsapp/senders").get("senders.#.id").Array()
	rcs := c.provisioned("/rcs/senders").get("senders.0.id").String()
	flows := c.provisioned("/whatsapp/flows").get("flows.#.id").Array()
	unknown, app := "00000000-0000-4000-a000-000000000000", "/conversation/apps/01ARZ3NDEKTSV4RRFFQ69G5FAV/"
	return append(calls, []asked{
		{"/webhooks/x", 400, "invalid_id_format"},
		{"/webhooks/" + unknown, 404, "webhook_not_found"},
		{"/whatsapp/flows/1/screens", 404, "flow_not_found"},
		{"/whatsapp/flows/" + flows[len(flows)-1].String() + "/screens", 404, "flow_screens_not_found"},
		{"/whatsapp/senders/" + unknown, 404, "sender_not_found"},
		{"/whatsapp/senders/" + unknown + "/activities", 404, "sender_not_found"},
		{"/whatsapp/senders/" + unknown + "/suggestedUsernames", 404, "sender_not_found"},
		{"/whatsapp/senders/" + senders[0].String() + "?x=1", 400, "invalid_input"},
		{"/whatsapp/solutions/1", 404, "solution_not_found"},
		{"/whatsapp/templates?fieldMask=name&fieldMask=nothing", 400, "invalid_fields"},
		{"/whatsapp/templates?templateAnalyticsDateRange=YEAR", 400, "invalid_input"},
		{"/whatsapp/templates/nothing", 404, "template_not_found"},
		{"/whatsapp/templates/order_confirmed/languages/ZU", 404, "template_not_found"},
		{"/whatsapp/templates/order_confirmed/languages/zulu", 400, "template_invalid_language_code"},
		{"/whatsapp/templates/nothing/languages/EN/activities", 404, "template_not_found"},
		{"/bundles/x", 400, "invalid_id_format"},
		{"/bundles/000000000000000000000000", 404, "bundle_not_found"},
		{"/bundles?filterConvAppIds=x", 400, "invalid_id_format"},
		{"/bundles?filterSmsAppIds=x", 400, "invalid_id_format"},
		{"/kakaotalk/senders/@nobody", 404, "sender_not_found"},
		{"/kakaotalk/senders/@nobody/activities", 404, "sender_not_found"},
		{"/kakaotalk/senders/@nobody/templates", 404, "sender_not_found"},
		{"/kakaotalk/categories/senders/@nobody/templates", 404, "sender_not_found"},
		{"/kakaotalk/senders/@batchshop/templates/X", 404, "template_not_found"},
		{"/kakaotalk/senders/@batchshop/templates/X/activities", 404, "template_not_found"},
		{"/conversation/apps/" + c.info.App + "/instagram", 404, "conversation_app_no_instagram_channel"},
		{"/conversation/apps/" + c.info.App + "/viber", 404, "conversation_app_no_viber_channel"},
		{app + "instagram", 404, "conversation_app_not_found"},
		{app + "messenger", 404, "conversation_app_not_found"},
		{app + "telegram", 404, "conversation_app_not_found"},
		{app + "viber", 404, "conversation_app_not_found"},
		{"/conversation/apps/x/telegram", 400, "conversation_app_id_invalid"},
		{"/conversation/apps/x/viber", 404, "conversation_app_not_found"},
		{"/rcs/questionnaire/NOTHING", 400, "invalid_input"},
		{"/rcs/questionnaire/OTP?countries=SE&countries=XX", 400, "invalid_input"},
		{"/rcs/senders?sortColumn=SIZE", 400, "invalid_input"},
		{"/rcs/senders/" + unknown, 404, "sender_not_found"},
		{"/rcs/senders/" + unknown + "/activities", 404, "sender_not_found"},
		{"/rcs/senders/" + rcs + "/testNumbers/%2B461", 404, "user_is_not_tester_for_agent"},
		{"/rcs/senders/" + rcs + "/testNumbers/%2B461/capabilities", 404, "user_is_not_tester_for_agent"},
		{"/rcs/senders/" + rcs + "/testNumbers/%2B461/retry", 404, "user_is_not_tester_for_agent"},
		{"/sms/smsApps/x", 404, "sms_app_not_found"},
	}...)
}

// instances are the paths of the inventory that a template has.
func instances(n *node, template []string) []string {
	if len(template) == 0 {
		return []string{""}
	}
	var paths []string
	for key, next := range n.below {
		if key == template[0] || strings.HasPrefix(template[0], "{") {
			for _, rest := range instances(next, template[1:]) {
				paths = append(paths, "/"+url.QueryEscape(key)+rest)
			}
		}
	}
	return paths
}

func TestProvisioningAnswersAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, older := mustLoad(t, "provisioning.yaml"), mustLoad(t, "provisioning-conversation.yaml")
	if doc == nil || older == nil {
		return
	}
	c := start(t, Options{Seed: 7})
	covered := make(map[string]bool)
	for _, call := range provisioningSamples(c) {
		op, _, _ := c.e.reads.find(http.MethodGet, strings.SplitN("/v1/projects/p"+call.path, "?", 2)[0])
		require.NotNil(t, op, call.path)
		a := c.provisioned(call.path)
		require.Equal(t, call.status, a.status, call.path+" "+string(a.body))
		if call.status == http.StatusOK {
			covered[op.id] = true
			assert.Equal(t, call.want != "", a.get(call.want).IsArray(), call.path)
		} else {
			assert.Equal(t, call.want, a.get("errorCode").String(), call.path)
		}
		for _, spec := range []*openapi3.T{doc, older} {
			if item := spec.Paths.Value(op.path); item != nil {
				mustRead(t, item.Get, a, call.path)
			}
		}
	}
	assert.Len(t, covered, len(provisioningReads)-2, "the app has neither Instagram nor Viber")
}

// mustRead holds an answer against what an operation says of its status.
func mustRead(t *testing.T, o *openapi3.Operation, a answer, what string) {
	t.Helper()
	response := o.Responses.Status(a.status)
	if response == nil {
		response = o.Responses.Default()
	}
	require.NotNil(t, response, "%s: %d is not documented", what, a.status)
	mustFit(t, response.Value.Content.Get("application/json").Schema.Value, a.body, what)
}
