package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// mustPages reads a list of the Provisioning API page by page to its end, and
// back by the previous tokens, which must lead to the first page again.
func (c *caller) mustPages(path, list string) []string {
	c.t.Helper()
	joint := "?"
	if strings.Contains(path, "?") {
		joint = "&"
	}
	var items []string
	pages := 1
	a := c.provisioned(path)
	first := a
	for {
		require.Equal(c.t, http.StatusOK, a.status, string(a.body))
		for _, item := range a.get(list).Array() {
			items = append(items, item.Raw)
		}
		next := a.get("nextPageToken")
		if !next.Exists() {
			break
		}
		pages++
		a = c.provisioned(path + joint + "pageToken=" + next.String())
	}
	assert.Equal(c.t, len(items), int(a.get("totalSize").Int()))
	for range pages - 1 {
		a = c.provisioned(path + joint + "pageToken=" + a.get("previousPageToken").String())
	}
	assert.Equal(c.t, string(first.body), string(a.body), "the previous tokens lead back to the first page")
	return items
}

// inventoryOf are the items of a list as Inventory has them.
func inventoryOf(e *Emulator, list string) []string {
	var bodies []string
	for item := range e.Inventory() {
		if item.List == list {
			bodies = append(bodies, string(item.Body))
		}
	}
	return bodies
}

func TestPagesOfAnySizeGiveTheWholeInventory(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 5})
	sender := c.provisioned("/whatsapp/senders").get("senders.0.id").String()
	lists := []struct {
		path, key string
		most      int
		want      []string
	}{
		{path: "/webhooks", key: "webhooks", most: 15},
		{path: "/whatsapp/templates", key: "templates", most: 1000},
		{path: "/whatsapp/senders/" + sender + "/activities", key: "notifications", most: 100},
		{path: "/bundles", key: "bundles", most: 25},
		{path: "/kakaotalk/senders/@batchshop/templates", key: "templates", most: 1000},
		{path: "/rcs/senders", key: "senders", most: 100},
	}
	for i := range lists {
		lists[i].want = inventoryOf(c.e, lists[i].path)
		require.NotEmpty(t, lists[i].want)
	}
	rapid.Check(t, func(r *rapid.T) {
		list := lists[rapid.IntRange(0, len(lists)-1).Draw(r, "list")]
		size := rapid.IntRange(1, list.most).Draw(r, "page size")
		got := c.mustPages(list.path+"?pageSize="+strconv.Itoa(size), list.key)
		if !slices.Equal(list.want, got) {
			r.Fatalf("%s by %d: %d items, want %d", list.path, size, len(got), len(list.want))
		}
	})
}

func TestPagesHaveTheirUsualSize(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for path, want := range map[string][2]int{
		"/whatsapp/templates": {132, 50}, "/bundles": {12, 10}, "/webhooks": {3, 15}, "/whatsapp/senders": {7, 50},
		"/whatsapp/templates/order_confirmed": {3, 50}, "/kakaotalk/senders": {3, 50}, "/rcs/senders": {4, 50},
		"/sms/smsApps": {3, 50}, "/whatsapp/flows": {5, 50},
	} {
		a := c.provisioned(path)
		assert.Equal(t, want, [2]int{int(a.get("totalSize").Int()), int(a.get("pageSize").Int())}, path)
	}
}

func TestListsAreInTheirDocumentedOrder(t *testing.T) {
	t.Parallel()
	orders := make(map[string][]string)
	for item := range start(t, Options{}).e.Inventory() {
		if strings.Contains(item.List, "/categories/") {
			continue // of which no order is documented
		}
		var place string
		switch list := item.List[strings.LastIndex(item.List, "/")+1:]; list {
		case "templates":
			body := gjson.ParseBytes(item.Body)
			place = body.Get("name").String() + body.Get("details.name").String() + body.Get("changes.details.name").String()
		case "webhooks":
			place = gjson.GetBytes(item.Body, "target").String()
		case "activities":
			at, err := time.Parse(time.RFC3339, gjson.GetBytes(item.Body, "created").String())
			require.NoError(t, err)
			place = strconv.FormatInt(1e12-at.Unix(), 10) // newest first
		}
		orders[item.List] = append(orders[item.List], place)
	}
	for list, places := range orders {
		assert.True(t, slices.IsSorted(places), list)
	}
}

func TestInventoryFollowsFromTheSeed(t *testing.T) {
	t.Parallel()
	var inventories [][]string
	for _, seed := range []uint64{4, 4, 5} {
		var bodies []string
		for item := range start(t, Options{Seed: seed}).e.Inventory() {
			bodies = append(bodies, item.List+" "+string(item.Body))
		}
		inventories = append(inventories, bodies)
	}
	assert.Equal(t, inventories[0], inventories[1])
	assert.NotEqual(t, inventories[0], inventories[2])
	assert.Len(t, inventories[0], len(inventories[2]))
}

func TestTokenOfAPageIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	token := c.provisioned("/whatsapp/templates?pageSize=10").get("nextPageToken").String()
	other := start(t, Options{Seed: 2}).provisioned("/whatsapp/templates?pageSize=10").get("nextPageToken").String()
	for name, path := range map[string]string{
		"made up":           "/whatsapp/templates?pageSize=10&pageToken=abc",
		"another server's":  "/whatsapp/templates?pageSize=10&pageToken=" + other,
		"of another size":   "/whatsapp/templates?pageSize=11&pageToken=" + token,
		"of other filters":  "/whatsapp/templates?pageSize=10&filterStates=APPROVED&pageToken=" + token,
		"of another list":   "/kakaotalk/senders/@batchshop/templates?pageSize=10&pageToken=" + token,
		"of all, for a few": "/whatsapp/templates/order_confirmed?pageSize=10&pageToken=" + token,
	} {
		a := c.provisioned(path)
		assert.Equal(t, http.StatusBadRequest, a.status, name)
		assert.Equal(t, "invalid_page_token", a.get("errorCode").String(), name)
	}
	mine := c.provisioned("/kakaotalk/senders/@batchshop/activities?pageSize=1").get("nextPageToken").String()
	assert.Equal(t, http.StatusBadRequest, c.provisioned("/kakaotalk/senders/@batchclub/activities?pageSize=1&pageToken="+mine).status)
}

func TestEveryFilterOfTheInventorySelectsWhatItSays(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for _, row := range []struct{ list, key, parameter, field string }{
		{"/whatsapp/senders", "senders", "filterStates", "state"},
		{"/whatsapp/senders", "senders", "filterStatuses", "changes.status"},
		{"/whatsapp/templates", "templates", "filterStates", "state"},
		{"/whatsapp/templates", "templates", "filterStatuses", "changes.status"},
		{"/whatsapp/templates", "templates", "templateName", "name"},
		{"/bundles", "bundles", "filterStates", "state"},
		{"/bundles", "bundles", "filterConvAppIds", "convApp.id"},
		{"/bundles", "bundles", "filterSmsAppIds", "smsApp.id"},
		{"/kakaotalk/senders", "senders", "filterStates", "state"},
		{"/kakaotalk/senders", "senders", "filterStatuses", "changes.status"},
		{"/kakaotalk/senders/@batchshop/templates", "templates", "filterStates", "state"},
		{"/kakaotalk/senders/@batchshop/templates", "templates", "filterStatuses", "changes.status"},
		{"/kakaotalk/senders/@batchshop/templates", "templates", "templateName", "details.name"},
		{"/rcs/senders", "senders", "filterStates", "state"},
		{"/rcs/senders", "senders", "filterSenderIds", "id"},
		{"/rcs/senders", "senders", "filterSenderName", "details.brand.name"},
		{"/rcs/senders", "senders", "filterConversationApiAppId", "conversationApiAppDetails.id"},
		{"/rcs/senders", "senders", "search", "details.brand.name"},
	} {
		groups := make(map[string][]string)
		for _, body := range inventoryOf(c.e, row.list) {
			if value := gjson.Get(body, row.field).String(); value != "" {
				groups[value] = append(groups[value], body)
			}
		}
		require.NotEmpty(t, groups, row.list+" "+row.field)
		for value, want := range groups {
			got := c.mustPages(row.list+"?"+row.parameter+"="+url.QueryEscape(value), row.key)
			assert.Equal(t, want, got, "%s %s=%s", row.list, row.parameter, value)
		}
	}
	two := c.mustPages("/whatsapp/senders?filterStates=ACTIVE&filterStates=INACTIVE", "senders")
	assert.Len(t, two, 4)
	assert.Len(t, c.mustPages("/whatsapp/templates?templateName=order", "templates"), 12)
	assert.Len(t, c.mustPages("/kakaotalk/senders/@batchshop/templates?templateName=notice+009", "templates"), 1, "a draft has a name too")
	assert.Len(t, c.mustPages("/rcs/senders?search=Z%C3%9CRICH", "senders"), 1)
}

func TestFieldMaskLeavesTheFieldsAskedFor(t *testing.T) {
	t.Parallel()
	c := start(t, Options{ExtraFields: true})
	path := "/whatsapp/templates/order_confirmed/languages/EN"
	a := c.provisioned(path + "?fieldMask=name&fieldMask=details.components.type")
	assert.JSONEq(t, `{"name":"order_confirmed","details":{"components":[{"type":"HEADER"},{"type":"BODY"},{"type":"BUTTONS"}]}}`, string(a.body))
	day, week := c.provisioned(path), c.provisioned(path+"?templateAnalyticsDateRange=WEEK")
	assert.Equal(t, 7*day.get("analytics.0.sent").Int(), week.get("analytics.0.sent").Int())
	list := c.provisioned("/whatsapp/templates?pageSize=1&fieldMask=language")
	assert.JSONEq(t, `[{"language":"DE"}]`, list.get("templates").Raw)
}

func TestSendersAreSortedAsAsked(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for column, field := range map[string]string{"CREATED": "created", "MODIFIED": "modified", "NAME": "details.brand.name", "STATE": "state"} {
		var want []string
		for _, body := range inventoryOf(c.e, "/rcs/senders") {
			want = append(want, gjson.Get(body, field).String())
		}
		slices.Sort(want)
		for _, direction := range []string{"ASC", "DESC"} {
			var got []string
			for _, body := range c.mustPages("/rcs/senders?pageSize=3&sortColumn="+column+"&sortDirection="+direction, "senders") {
				got = append(got, gjson.Get(body, field).String())
			}
			assert.Equal(t, want, got, column+" "+direction)
			slices.Reverse(want)
		}
	}
}

func TestQuestionsAreThoseOfTheCountriesAskedFor(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	assert.Len(t, c.provisioned("/rcs/questionnaire/OTP").get("@keys").Array(), 5)
	some := c.provisioned("/rcs/questionnaire/OTP?countries=SE&countries=GB")
	assert.JSONEq(t, `["gb","general","verification"]`, some.get("@keys").Raw)
}

func TestChannelsOfTheApp(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	app := "/conversation/apps/" + c.info.App
	assert.Equal(t, "ACTIVE", c.provisioned(app+"/telegram").get("status").String())
	messenger := c.provisioned(app + "/messenger")
	assert.Equal(t, "ERROR", messenger.get("status").String())
	assert.NotEmpty(t, messenger.get("statusDescription").String())
}

func TestInviteGoesToTheLedger(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	sender := c.provisioned("/rcs/senders").get("senders.0")
	path := "/rcs/senders/" + sender.Get("id").String() + "/testNumbers/" + url.QueryEscape(sender.Get("testNumberStates.0.number").String())
	state := c.provisioned(path)
	require.Equal(t, http.StatusOK, state.status)
	assert.JSONEq(t, sender.Get("testNumberStates.0").Raw, string(state.body))
	assert.Empty(t, c.e.Accepted())
	require.Equal(t, http.StatusOK, c.provisioned(path+"/retry").status)
	assert.Equal(t, "RcsSendersController_retryTestNumber_v1", c.lastAccepted().Operation)
}

func TestSecretsAreMarkedAndNowhereElse(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	where := make(map[string]int)
	for item := range c.e.Inventory() {
		found := 0
		for _, field := range []string{"bearerToken", "authName", "authToken", "convApp.webhooks.0.secret"} {
			if strings.HasPrefix(gjson.GetBytes(item.Body, field).String(), SecretMark) {
				where[item.List+" "+field]++
				found++
			}
		}
		assert.Equal(t, found, strings.Count(string(item.Body), SecretMark), item.List)
	}
	assert.Equal(t, map[string]int{
		"/whatsapp/senders bearerToken": 6, "/rcs/senders authName": 4, "/rcs/senders authToken": 4,
		"/bundles convApp.webhooks.0.secret": 10,
	}, where)
}

func TestExtraFieldsAreInEveryItem(t *testing.T) {
	t.Parallel()
	c := start(t, Options{ExtraFields: true})
	items := 0
	for item := range c.e.Inventory() {
		if gjson.ParseBytes(item.Body).IsObject() {
			assert.True(t, gjson.GetBytes(item.Body, "notYetSpecified.inner.values").IsArray(), item.List)
			items++
		}
	}
	assert.Positive(t, items)
	assert.True(t, c.provisioned("/whatsapp").get("notYetSpecified").Exists())
	assert.False(t, start(t, Options{}).provisioned("/whatsapp").get("notYetSpecified").Exists())
}

func TestDeniedGroupsAnswerNothing(t *testing.T) {
	t.Parallel()
	c := start(t, Options{DeniedGroups: []string{"rcs", "bundles:403", "sms:404", "conversation:404", "kakaotalk:400"}})
	for path, want := range map[string]string{
		"/rcs/senders": "403 forbidden", "/rcs/activities": "403 forbidden", "/bundles/x": "403 forbidden",
		"/sms/smsApps": "404 sms_service_not_found", "/conversation/apps/x/viber": "404 project_not_found",
		"/kakaotalk/senders": "400 project_not_initialized", "/whatsapp": "200 ", "/webhooks": "200 ",
	} {
		a := c.provisioned(path)
		assert.Equal(t, want, strconv.Itoa(a.status)+" "+a.get("errorCode").String(), path)
	}
	for _, denied := range []string{"", "mms", "rcs:400", "rcs:500", "rcs:"} {
		assert.Error(t, Options{DeniedGroups: []string{denied}}.Check(), denied)
	}
}

func TestErrorsOfTheProvisioningAPIHaveItsShape(t *testing.T) {
	t.Parallel()
	c := start(t, Options{TokenLifetime: time.Hour, ErrorShape: ShapeNested, Limit: 3, Faults: []Fault{
		{Operation: "SmsSmsAppsController_listSmsApps_v1", Kind: "503", First: 1, Shape: ShapeFlat},
	}})
	check := func(a answer, status int, code string) {
		t.Helper()
		assert.Equal(t, status, a.status)
		assert.Equal(t, code, a.get("errorCode").String())
		assert.NotEmpty(t, a.get("message").String())
		assert.NotEmpty(t, a.get("resolution").String())
	}
	ask := func(method, path string) *http.Request {
		r := c.request(method, c.info.URLs.Provisioning+path, "")
		r.Header.Set("Authorization", "Bearer "+c.token)
		return r
	}
	mine := "/v1/projects/" + c.info.Project
	check(c.provisioned("/nothing"), http.StatusNotFound, "not_found")
	check(c.do(ask(http.MethodPost, mine+"/webhooks")), http.StatusNotImplemented, "internal_error")
	check(c.do(ask(http.MethodGet, "/v1/projects/x/webhooks")), http.StatusUnauthorized, "unauthorized_error")
	check(c.provisioned("/sms/smsApps"), http.StatusServiceUnavailable, "internal_error")
	for range 3 {
		assert.Equal(t, http.StatusOK, c.provisioned("/webhooks").status)
	}
	check(c.provisioned("/webhooks"), http.StatusTooManyRequests, "too_many_requests")
	c.clock.move(time.Hour)
	expired := c.provisioned("/webhooks")
	check(expired, http.StatusUnauthorized, "unauthorized_error")
	assert.Contains(t, expired.header.Get("WWW-Authenticate"), "expired")
	bare := ask(http.MethodGet, mine+"/webhooks")
	bare.Header.Del("Authorization")
	check(c.do(bare), http.StatusUnauthorized, "unauthorized_error")
	bare.SetBasicAuth(c.info.KeyID, c.info.KeySecret)
	assert.Equal(t, http.StatusOK, c.do(bare).status)
	assert.Equal(t, http.StatusUnauthorized, c.get("/apps").status)
	assert.Equal(t, "UNAUTHENTICATED", c.get("/apps").get("error.status").String(), "the Conversation API keeps its own")
	assert.Equal(t, 4, c.e.Requests().Count("WebhookWebhookController_listWebhooks_v1", http.StatusOK))
}

// FuzzProvisioning: whatever is asked, the answer is JSON, an error has its
// three fields, and nobody panics.
func FuzzProvisioning(f *testing.F) {
	c := start(f, Options{})
	f.Add("/whatsapp/templates", "pageSize=7&filterStates=PAUSED&fieldMask=details.components&fieldMask=name&templateName=order")
	f.Add("/whatsapp/templates/order_confirmed/languages/EN", "templateAnalyticsDateRange=WEEK")
	f.Add("/kakaotalk/senders/@batchshop/templates/TPL_0001/activities", "pageSize=1")
	f.Add("/rcs/senders", "search=a&sortColumn=NAME&sortDirection=DESC&filterSenderIds=x")
	f.Add("/rcs/questionnaire/OTP", "countries=GB&countries=US")
	f.Add("/conversation/apps/"+c.info.App+"/viber", "")
	f.Fuzz(func(t *testing.T, path, query string) {
		here := *c
		here.t = t
		r := here.prepared(http.MethodGet, "", "")
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = provisioningBase+"/v1/projects/"+c.info.Project+path, "", query
		a := here.do(r)
		require.True(t, gjson.ValidBytes(a.body), "%s", a.body)
		if a.status != http.StatusOK {
			for _, field := range []string{"errorCode", "message", "resolution"} {
				require.NotEmpty(t, a.get(field).String(), "%d %s", a.status, a.body)
			}
		}
	})
}
