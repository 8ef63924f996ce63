package emulator

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

const fetchPath = "/messages:fetch-last-message"

func TestLastMessageOfEachIsTheFirstOfItsList(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 4, Contacts: 12, Conversations: 20, Messages: 400})
	contacts := c.mustIDs("/contacts?page_size=20", "contacts")
	var want []string
	for _, id := range contacts {
		if list := c.mustList("/messages?direction=TO_APP&page_size=1000&contact_id="+id, "messages"); len(list) > 0 {
			want = append(want, list[0])
		}
	}
	slices.SortStableFunc(want, func(a, b string) int {
		return gjson.Get(b, "accept_time").Time().Compare(gjson.Get(a, "accept_time").Time())
	})
	ids := `["` + strings.Join(contacts, `","`) + `","` + contacts[0] + `","` + nobody + `"]`
	var got []string
	for token := ""; ; {
		a := c.mustPost(fetchPath, `{"contact_ids":`+ids+`,"direction":"TO_APP","page_size":5,"page_token":"`+token+`"}`)
		for _, m := range a.get("messages").Array() {
			got = append(got, m.Raw)
		}
		if token = a.get("next_page_token").String(); token == "" {
			break
		}
		other := c.call(http.MethodPost, fetchPath, `{"contact_ids":`+ids+`,"page_size":5,"page_token":"`+token+`"}`)
		require.Equal(t, http.StatusBadRequest, other.status, "a token belongs to its question")
	}
	require.Greater(t, len(want), 5)
	assert.Equal(t, want, got)
	assert.Equal(t, 0, c.e.AcceptedCount(), "reading changes nothing")
}

func TestLastMessageByIdentity(t *testing.T) {
	t.Parallel()
	c := start(t, Options{DispatchRetentionDays: 1})
	for _, row := range []string{"one", "two"} {
		c.mustPost("/messages:send", c.text("461", row))
	}
	c.mustPost("/messages:send", strings.Replace(c.text("461", "thrown"), `"message"`, `"processing_strategy":"DISPATCH_ONLY","message"`, 1))
	ask := func(rest string) []string {
		return strs(c.mustPost(fetchPath, `{"channel_identities":["+461","462"]`+rest+`}`).get("messages.#.metadata"))
	}
	assert.Equal(t, []string{"two"}, ask(""))
	assert.Equal(t, []string{"thrown"}, ask(`,"messages_source":"DISPATCH_SOURCE"`))
	assert.Empty(t, ask(`,"channel":"RCS"`))
	assert.Empty(t, ask(`,"end_time":"2026-03-01T00:00:00Z"`))
	assert.Empty(t, ask(`,"view":"WITHOUT_METADATA"`), "one message, without metadata")
	for _, wrong := range []string{
		`{}`, `{"channel_identities":[]}`, `{"channel_identities":["1"],"contact_ids":["x"]}`, `{"channel_identities":"1"}`,
		`{"contact_ids":["x"],"messages_source":"DISPATCH_SOURCE"}`, `{"contact_ids":["x"],"page_size":1001}`,
		`{"contact_ids":["x"],"page_size":0}`, `{"contact_ids":["x"],"app_id":"x"}`, `{"contact_ids":["x"],"view":"ALL"}`,
		`{"contact_ids":["x"],"start_time":"x"}`, `{"contact_ids":["x"],"direction":"UP"}`, `{"contact_ids":["x"],"page_token":"x"}`,
		`{"contact_ids":["x"],"start_time":"2026-03-01T00:00:00Z","end_time":"2026-03-01T00:00:00Z"}`,
	} {
		assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, fetchPath, wrong).status, wrong)
	}
	old := start(t, Options{Profile: ProfileOld})
	assert.Equal(t, http.StatusNotFound, old.call(http.MethodPost, fetchPath, `{"contact_ids":["x"]}`).status)
}

func TestNumbersThatSeveralContactsHaveAreConflicts(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 5})
	const path = "/contacts:identityConflicts"
	assert.Empty(t, c.mustList(path, "conflicts"))
	born := gjson.Get(c.mustList("/contacts", "contacts")[0], `channel_identities.#(channel=="SMS").identity`).Str
	first := c.mustIDs("/contacts", "contacts")[0]
	alike := c.mustMake(contactJSON("", identityJSON("RCS", born, "")))
	var others []string
	for _, channel := range []string{"MMS", "SMS", "SMS", "WHATSAPP"} {
		others = append(others, c.mustMake(contactJSON("", identityJSON(channel, "461", ""))))
	}
	c.mustMake(contactJSON("", identityJSON("SMS", "462", ""), identityJSON("RCS", "462", "")))

	conflicts := c.mustList(path+"?page_size=1", "conflicts")
	require.Len(t, conflicts, 2)
	assert.ElementsMatch(t, conflicts, c.mustList(path, "conflicts"))
	for _, x := range conflicts {
		if v := gjson.Parse(x); v.Get("identity").Str == "461" {
			assert.Equal(t, []string{"SMS", "MMS"}, strs(v.Get("channels")))
			assert.Equal(t, others[:3], strs(v.Get("contact_ids")))
		} else {
			assert.Equal(t, born, v.Get("identity").Str)
			assert.Subset(t, strs(v.Get("contact_ids")), []string{first, alike})
		}
	}
	c.mustPost("/contacts/"+first+":merge", `{"source_id":"`+alike+`"}`)
	assert.Len(t, c.mustList(path, "conflicts"), 1, "solved")
	old := start(t, Options{Profile: ProfileOld})
	assert.Equal(t, http.StatusNotFound, old.get(path).status)
}
