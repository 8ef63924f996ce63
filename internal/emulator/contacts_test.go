package emulator

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestContactsAreListedOnceWhateverThePage(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 101})
	want := c.mustList("/contacts?page_size=20", "contacts")
	require.Len(t, want, 101)
	for _, size := range []string{"1", "7", "10", "19"} {
		assert.Equal(t, want, c.mustList("/contacts?page_size="+size, "contacts"))
	}
	assert.Equal(t, http.StatusBadRequest, c.get("/contacts?page_size=21").status)
	for _, contact := range want {
		assert.Equal(t, contact, string(c.get("/contacts/"+gjson.Get(contact, "id").String()).body))
	}
}

func TestContactIsFoundByEachOfItsNames(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 4, Contacts: 60})
	shared := 0
	for _, contact := range c.mustList("/contacts", "contacts") {
		id := gjson.Get(contact, "id").String()
		gjson.Get(contact, "channel_identities").ForEach(func(_, i gjson.Result) bool {
			channel, value := i.Get("channel").String(), i.Get("identity").String()
			query := "/contacts?channel=" + channel + "&identity="
			assert.Equal(t, []string{id}, c.mustIDs(query+value, "contacts"))
			scoped := i.Get("app_id").String() != ""
			if !scoped {
				assert.Equal(t, []string{id}, c.mustIDs(query+url.QueryEscape("+"+value), "contacts"))
			}
			return true
		})
		named := c.mustIDs("/contacts?external_id="+gjson.Get(contact, "external_id").String(), "contacts")
		assert.Contains(t, named, id)
		if len(named) > 1 {
			shared++
		}
	}
	assert.Equal(t, 2, shared, "an external id is not unique")
}

func TestContactLookUpIsRefusedOrEmpty(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 3})
	for _, query := range []string{
		"channel=SMS",                              // without the identity
		"identity=46701234567",                     // without the channel
		"external_id=x&channel=SMS&identity=46701", // one look-up at a time
		"channel=PIGEON&identity=1",
	} {
		assert.Equal(t, http.StatusBadRequest, c.get("/contacts?"+query).status, query)
	}
	for _, query := range []string{"external_id=crm-1", "external_id=x", "channel=SMS&identity=4612", "channel=SMS&identity=Bob", "channel=SMS&identity=999999999999999999999"} {
		assert.Empty(t, c.mustIDs("/contacts?"+query, "contacts"), query)
	}
	assert.Equal(t, http.StatusNotFound, c.get("/contacts/01ARZ3NDEKTSV4RRFFQ69G5FAV").status)
	assert.Equal(t, http.StatusNotFound, c.get("/contacts/x").status)
}
