package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// consents is a request of the Batch API to insert some.
func (c *caller) consents(records ...string) string {
	return fmt.Sprintf(`{"app_id":%q,"consent_records":[%s]}`, c.info.App, strings.Join(records, ","))
}

// optedOut reads a list page by page.
func (c *caller) optedOut(list string, size int) []string {
	c.t.Helper()
	var got []string
	for _, raw := range c.mustList(fmt.Sprintf("/apps/%s/consents/%s?page_size=%d", c.info.App, list, size), "identities") {
		got = append(got, gjson.Get(raw, "identity").Str)
	}
	return got
}

func (c *caller) mustInsert(records ...string) {
	c.t.Helper()
	a := c.batch(http.MethodPost, "/consents", c.consents(records...))
	require.Equal(c.t, http.StatusOK, a.status, string(a.body))
}

// history is an identity's, each record as "operation origin list".
func (c *caller) history(identity string) []string {
	c.t.Helper()
	a := c.get("/apps/" + c.info.App + "/consents/identities/" + url.PathEscape(identity))
	require.Equal(c.t, http.StatusOK, a.status, string(a.body))
	var got []string
	for _, r := range a.get("audit_records").Array() {
		got = append(got, strings.Join([]string{r.Get("operation").Str, r.Get("origin").Str, r.Get("list_type").Str}, " "))
	}
	return got
}

func TestConsentsAreInsertedInTheOrderGivenAndOnce(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for range 2 {
		c.mustInsert(`{"identification":"+462"}`, `{"identification":"461","consent_type":"OPT_OUT_MARKETING"}`, `{"identification":"461"}`)
	}
	assert.Equal(t, []string{"462", "461"}, c.e.OptedOut(OptOutAll))
	assert.Equal(t, []string{"461"}, c.e.OptedOut(OptOutMarketing))
	assert.Empty(t, c.e.OptedOut(OptOutNotification))
	assert.Equal(t, 6, c.e.AcceptedCount())
	assert.Equal(t, "461", c.lastAccepted().Identity)
	assert.Equal(t, []string{"OPERATION_INSERT ORIGIN_API OPT_OUT_ALL", "OPERATION_UPDATE ORIGIN_API OPT_OUT_ALL"}, c.history("+462"))
	assert.Len(t, c.history("461"), 4)
	other := strings.Replace(c.consents(`{"identification":"463"}`), c.info.App, "01HZZZZZZZZZZZZZZZZZZZZZZZ", 1)
	assert.Equal(t, http.StatusNotFound, c.batch(http.MethodPost, "/consents", other).status)
}

func TestListsOfConsentsArePagedWithoutGaps(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	var want, records []string
	for i := range 123 {
		want = append(want, fmt.Sprint(46_700_000_000+i))
		records = append(records, `{"identification":"`+want[i]+`"}`)
	}
	c.mustInsert(records...)
	assert.Equal(t, want, c.e.OptedOut(OptOutAll))
	for _, size := range []int{1, 41, 50} {
		assert.Equal(t, want, c.optedOut(OptOutAll, size))
	}
	path := "/apps/" + c.info.App + "/consents/OPT_OUT_ALL"
	first := c.get(path)
	assert.Len(t, first.get("identities").Array(), 10)
	token := first.get("next_page_token").Str
	for _, i := range []int{3, 9, 10} { // two that were read, and the one that is next
		c.e.OptIn(OptOutAll, want[i])
	}
	assert.Equal(t, want[11], c.get(path+"?page_token="+token).get("identities.0.identity").Str, "a page does not shift")
	third := c.get(path + "?page_size=50&page_number=2")
	assert.Equal(t, want[103], third.get("identities.0.identity").Str)
	assert.Len(t, third.get("identities").Array(), 20)
	assert.Empty(t, third.get("next_page_token").Str)
	second := c.get(path + "?page_size=50&page_number=1")
	rest := c.get(path + "?page_size=50&page_number=1&page_token=" + second.get("next_page_token").Str)
	assert.Equal(t, third.get("identities").Raw, rest.get("identities").Raw)
	for query, status := range map[string]int{"?page_size=51": 400, "?page_number=-1": 400, "?page_number=0": 200, "?page_token=x": 400, "?page_token=" + token + "&page_size=9": 400} {
		assert.Equal(t, status, c.get(path+query).status, query)
	}
	assert.Equal(t, http.StatusNotFound, c.get("/apps/01HZZZZZZZZZZZZZZZZZZZZZZZ/consents/OPT_OUT_ALL").status)
	assert.Equal(t, http.StatusBadRequest, c.get("/apps/x/consents/identities/461").status)
}

func TestTheHistoryOfAnIdentityTellsWhoDidWhatAndWhen(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	const odd = "urn:mbid:a/b+c"
	c.e.OptOut(OptOutAll, odd)
	c.clock.move(time.Hour)
	c.mustInsert(`{"identification":"` + odd + `","consent_type":"OPT_OUT_NOTIFICATION"}`)
	c.e.OptIn(OptOutAll, odd)
	c.e.OptIn(OptOutMarketing, odd)
	assert.Equal(t, []string{
		"OPERATION_INSERT ORIGIN_MO OPT_OUT_ALL", "OPERATION_INSERT ORIGIN_API OPT_OUT_NOTIFICATION", "OPERATION_DELETE ORIGIN_MO OPT_OUT_ALL",
	}, c.history(odd))
	a := c.get("/apps/" + c.info.App + "/consents/identities/" + url.PathEscape(odd))
	assert.Equal(t, odd, a.get("identity.identity").Str)
	assert.Equal(t, noon, a.get("audit_records.0.datetime").Time())
	assert.Equal(t, noon.Add(time.Hour), a.get("audit_records.2.datetime").Time())
	assert.Empty(t, c.e.OptedOut(OptOutAll))
}

func TestRegistrationsChangeTheListOfAllByIdentity(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile})
		contact := c.mustMake(`{"channel_identities":[{"channel":"SMS","identity":"+4601"},{"channel":"RCS","identity":"4602"},{"channel":"MESSENGER","identity":"7","app_id":"` + c.info.App + `"}],"language":"SV"}`)
		register := func(path, recipient, channels string) {
			a := c.call(http.MethodPost, path, c.about(recipient, `"channels":`+channels))
			require.Equal(t, http.StatusOK, a.status, string(a.body))
		}
		whole := `{"contact_id":"` + contact + `"}`
		register("/optouts:register", whole, `["RCS","MESSENGER"]`)
		register("/optouts:register", somebody, `["SMS"]`)
		register("/optouts:register", somebody, `["RCS"]`)
		got := c.e.OptedOut(OptOutAll)
		slices.Sort(got)
		assert.Equal(t, []string{"4602", "461", "7"}, got)
		register("/optins:register", whole, `["SMS","RCS"]`)
		register("/optins:register", somebody, `["SMS"]`)
		assert.Equal(t, []string{"7"}, c.e.OptedOut(OptOutAll))
		assert.Equal(t, http.StatusOK, c.send(c.about(`{"contact_id":"`+contact+`"}`, `"message":{"text_message":{"text":"x"}}`)).status, "the API itself refuses nothing")
		if profile == ProfileNew {
			assert.Equal(t, []string{"OPERATION_INSERT ORIGIN_API OPT_OUT_ALL", "OPERATION_DELETE ORIGIN_API OPT_OUT_ALL"}, c.history("461"))
			assert.Equal(t, []string{"7"}, c.optedOut(OptOutAll, 50))
		}
	}
}

func TestNewerServersMayLackRegistrations(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Profile: profile, NoRegister: true})
		for _, path := range []string{"/optouts:register", "/optins:register"} {
			assert.Equal(t, http.StatusNotFound, c.call(http.MethodPost, path, c.about(somebody, `"channels":["SMS"]`)).status)
		}
		assert.Zero(t, c.e.AcceptedCount())
	}
}
