package emulator

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABatchOfContactsIsMadeAsSingleOnesAre(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	single := c.mustMake(contactBody)
	a := c.batch(http.MethodPost, "/contacts", `{"contacts":[`+contactBody+`,{"channel_identities":[{"channel":"SMS","identity":"+462"}],"external_id":"e","display_name":"Åsa","metadata":"m"}]}`)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	assert.JSONEq(t, "{}", string(a.body))
	lines := c.e.Accepted()
	require.Len(t, lines, 3)
	want := c.get("/contacts/" + single)
	twin := c.get("/contacts/" + lines[1].ContactID)
	for _, field := range []string{"channel_identities", "channel_priority", "display_name", "language", "metadata"} {
		assert.Equal(t, want.get(field).Raw, twin.get(field).Raw, field)
	}
	assert.NotEqual(t, single, lines[1].ContactID, "a second one of the same identity, as a single call makes it")
	other := c.get("/contacts?external_id=e")
	assert.Equal(t, lines[2].ContactID, other.get("contacts.0.id").Str)
	assert.Equal(t, "UNSPECIFIED", other.get("contacts.0.language").Str)
	assert.Equal(t, "462", other.get("contacts.0.channel_identities.0.identity").Str)
	assert.Equal(t, "Batch_CreateContacts", lines[2].Operation)
	assert.Equal(t, "m", lines[2].Metadata)
	assert.Equal(t, contactBody, lines[1].Body)
	assert.Equal(t, map[string]int{"CONTACT_CREATE": 2}, c.e.Callbacks())
}

func TestABatchOfContactsIsRefusedWhole(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for bad, status := range map[string]int{
		`{"channel_identities":[{"channel":"MESSENGER","identity":"7"}]}`:                                          400,
		`{"channel_identities":[{"channel":"MESSENGER","identity":"7","app_id":"x"}]}`:                             400,
		`{"channel_identities":[{"channel":"MESSENGER","identity":"7","app_id":"01HZZZZZZZZZZZZZZZZZZZZZZZ"}]}`:    404,
		`{"channel_identities":[{"channel":"SMS","identity":"7"}],"language":"UNSPECIFIED"}`:                       400,
		`{"channel_identities":[{"channel":"SMS","identity":"7"}],"id":"x"}`:                                       400,
		`{"channel_identities":[{"channel":"PIGEON","identity":"7"}]}`:                                             400,
		`{"channel_identities":[{"channel":"SMS","identity":"7"}],"channel_priority":["SMS"],"display_name":true}`: 400,
	} {
		assert.Equal(t, status, c.batch(http.MethodPost, "/contacts", `{"contacts":[`+contactBody+`,`+bad+`]}`).status, bad)
	}
	assert.Zero(t, c.e.AcceptedCount())
	assert.Empty(t, c.mustIDs("/contacts", "contacts"))
}

func TestABatchOfDeletionsTakesThoseThatAreThere(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 3})
	ids := c.mustIDs("/contacts", "contacts")
	remove := func(list string) int {
		return c.batch(http.MethodDelete, "/contacts", `{"contact_ids":`+list+`}`).status
	}
	require.Equal(t, http.StatusOK, remove(`["`+ids[0]+`","x","`+ids[2]+`","`+ids[0]+`"]`))
	assert.Equal(t, ids[1:2], c.mustIDs("/contacts", "contacts"))
	lines := c.e.Accepted()
	require.Len(t, lines, 2)
	assert.Equal(t, []string{ids[0], ids[2]}, []string{lines[0].ContactID, lines[1].ContactID})
	require.Equal(t, http.StatusOK, remove(`["x"]`))
	assert.Equal(t, 2, c.e.AcceptedCount(), "nothing was there to delete")
	for _, wrong := range []string{`[]`, `"x"`, `[1]`, `[""]`} {
		assert.Equal(t, http.StatusBadRequest, remove(wrong), wrong)
	}
}
