package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func identityJSON(channel, identity, app string) string {
	return fmt.Sprintf(`{"channel":%q,"identity":%q,"app_id":%q}`, channel, identity, app)
}

func contactJSON(rest string, identities ...string) string {
	return `{"channel_identities":[` + strings.Join(identities, ",") + `],"language":"SV"` + rest + `}`
}

func TestCreatedContactIsReadBackAndFound(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 2, Contacts: 25})
	body := contactJSON(`,"external_id":"crm-x","display_name":"Åsa","email":"a@example.com","metadata":"m","channel_priority":["MESSENGER"]`,
		identityJSON("SMS", "+46731110000", ""), identityJSON("MESSENGER", "7001", c.info.App))
	a := c.call(http.MethodPost, "/contacts", body)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	id := a.get("id").String()
	assert.Equal(t, Accepted{
		Time: noon, Operation: "Contact_CreateContact", Identifiers: Identifiers{ContactID: id}, Metadata: "m", Body: body,
	}, c.lastAccepted())
	assert.JSONEq(t, fmt.Sprintf(`{"id":%q,"channel_identities":[%s,%s],"channel_priority":["MESSENGER","SMS"],"display_name":"Åsa",
		"email":"a@example.com","external_id":"crm-x","metadata":"m","language":"SV"}`,
		id, identityJSON("SMS", "46731110000", ""), identityJSON("MESSENGER", "7001", c.info.App)), string(a.body))
	assert.Equal(t, string(a.body), string(c.get("/contacts/"+id).body))
	for _, query := range []string{"external_id=crm-x", "channel=SMS&identity=%2B46731110000", "channel=MESSENGER&identity=7001"} {
		assert.Equal(t, []string{id}, c.mustIDs("/contacts?"+query, "contacts"), query)
	}
	assert.Len(t, c.mustIDs("/contacts?page_size=7", "contacts"), 26)

	require.Equal(t, http.StatusOK, c.send(c.text("+46731110000", "x")).status)
	talks := c.mustList("/conversations?contact_id="+id, "conversations")
	require.Len(t, talks, 1, "a message to the number goes to the contact that was made")
	assert.Len(t, c.mustIDs("/contacts", "contacts"), 26)
}

func TestNothingKeepsTheSameContactFromBeingMadeTwice(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	first, second := c.mustMake(contactBody), c.mustMake(contactBody)
	assert.Equal(t, []string{first, second}, c.mustIDs("/contacts?page_size=1&channel=SMS&identity=46731110000", "contacts"))
	assert.Equal(t, "Unknown", c.get("/contacts/"+first).get("display_name").String())
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/contacts/"+first, "").status)
	assert.Equal(t, []string{second}, c.mustIDs("/contacts?channel=SMS&identity=46731110000", "contacts"))
}

func TestContactThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	sms := identityJSON("SMS", "+461", "")
	for name, body := range map[string]string{
		"no body":               "",
		"no identities":         `{"language":"SV"}`,
		"empty identities":      contactJSON(""),
		"no language":           `{"channel_identities":[` + sms + `]}`,
		"unknown language":      `{"channel_identities":[` + sms + `],"language":"XX"}`,
		"read-only language":    `{"channel_identities":[` + sms + `],"language":"UNSPECIFIED"}`,
		"unknown channel":       contactJSON("", identityJSON("PIGEON", "1", "")),
		"empty identity":        contactJSON("", identityJSON("SMS", "", "")),
		"no app":                contactJSON("", identityJSON("MESSENGER", "1", "")),
		"no such app":           contactJSON("", identityJSON("LINE", "1", "x")),
		"long metadata":         contactJSON(`,"metadata":"`+strings.Repeat("x", 1025)+`"`, sms),
		"unknown field":         contactJSON(`,"name":"x"`, sms),
		"id":                    contactJSON(`,"id":"x"`, sms),
		"unknown in priority":   contactJSON(`,"channel_priority":["PIGEON"]`, sms),
		"metadata as an object": contactJSON(`,"metadata":{}`, sms),
	} {
		assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPost, "/contacts", body).status, name)
	}
	for _, channel := range []string{"MESSENGER", "INSTAGRAM", "LINE", "WECHAT", "VIBER", "APPLEBC"} {
		assert.Equal(t, http.StatusOK, c.call(http.MethodPost, "/contacts", contactJSON("", identityJSON(channel, "1", c.info.App))).status)
	}
	long := contactJSON(`,"metadata":"`+strings.Repeat("å", 1024)+`"`, sms)
	assert.Equal(t, http.StatusOK, c.call(http.MethodPost, "/contacts", long).status)
	assert.Equal(t, 7, c.e.AcceptedCount(), "what is refused is not in the ledger")
}

func TestUpdateChangesWhatTheMaskNames(t *testing.T) {
	t.Parallel()
	for profile, mask := range map[string]string{ProfileNew: "update_mask=display_name,email", ProfileOld: "update_mask.paths=display_name&update_mask.paths=email"} {
		c := start(t, Options{Contacts: 4, Profile: profile})
		id := c.mustIDs("/contacts", "contacts")[1]
		before := c.get("/contacts/" + id)
		a := c.call(http.MethodPatch, "/contacts/"+id+"?"+mask, `{"display_name":"Eva","metadata":"not named"}`)
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		assert.Equal(t, "Eva", a.get("display_name").String())
		assert.Empty(t, a.get("email").String(), "named and absent: emptied")
		assert.Equal(t, before.get("metadata").String(), a.get("metadata").String())
		assert.Equal(t, before.get("channel_identities").Raw, a.get("channel_identities").Raw)
		assert.Equal(t, Identifiers{ContactID: id}, c.lastAccepted().Identifiers)

		a = c.call(http.MethodPatch, "/contacts/"+id, `{"metadata":"given"}`)
		assert.Equal(t, "given", a.get("metadata").String(), "without a mask: what is given")
		assert.Equal(t, "Eva", a.get("display_name").String())
		assert.Equal(t, string(a.body), c.mustList("/contacts", "contacts")[1], "it keeps its place")
	}
}

func TestUpdateMovesTheNamesAContactIsFoundBy(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 4})
	contact := c.mustList("/contacts", "contacts")[0]
	id, number := gjson.Get(contact, "id").String(), gjson.Get(contact, `channel_identities.#(channel=="SMS").identity`).String()
	external := gjson.Get(contact, "external_id").String()
	body := `{"external_id":"new","channel_identities":[` + identityJSON("SMS", "+46731110000", "") + `]}`
	require.Equal(t, http.StatusOK, c.call(http.MethodPatch, "/contacts/"+id, body).status)
	assert.Equal(t, []string{id}, c.mustIDs("/contacts?channel=SMS&identity=46731110000", "contacts"))
	assert.Equal(t, []string{id}, c.mustIDs("/contacts?external_id=new", "contacts"))
	assert.Empty(t, c.mustIDs("/contacts?channel=SMS&identity="+number, "contacts"))
	assert.Empty(t, c.mustIDs("/contacts?external_id="+external, "contacts"))
	assert.Equal(t, []string{"SMS"}, strs(c.get("/contacts/"+id).get("channel_priority")))
}

func TestUpdateThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{ProfileNew, ProfileOld} {
		c := start(t, Options{Contacts: 2, Profile: profile})
		id := c.mustIDs("/contacts", "contacts")[0]
		mask := map[string]string{ProfileNew: "?update_mask=", ProfileOld: "?update_mask.paths="}
		other := map[string]string{ProfileNew: mask[ProfileOld], ProfileOld: mask[ProfileNew]}[profile]
		for name, row := range map[string]struct {
			path, body string
			status     int
		}{
			"unknown path":        {id + mask[profile] + "name", "{}", 400},
			"id in the mask":      {id + mask[profile] + "id", "{}", 400},
			"mask of the others":  {id + other + "email", "{}", 400},
			"no identity left":    {id + mask[profile] + "channel_identities", "{}", 400},
			"empty identities":    {id, `{"channel_identities":[]}`, 400},
			"no language left":    {id + mask[profile] + "language", "{}", 400},
			"another id":          {id, `{"id":"x"}`, 400},
			"unknown field":       {id, `{"phone":"1"}`, 400},
			"no such app":         {id, `{"channel_identities":[` + identityJSON("LINE", "1", "01ARZ3NDEKTSV4RRFFQ69G5FAV") + `]}`, 404},
			"no such contact":     {"01ARZ3NDEKTSV4RRFFQ69G5FAV", "{}", 404},
			"nothing":             {id, "{}", 200},
			"itself, as it is id": {id, `{"id":"` + id + `"}`, 200},
		} {
			assert.Equal(t, row.status, c.call(http.MethodPatch, "/contacts/"+row.path, row.body).status, name)
		}
		assert.Equal(t, 2, c.e.AcceptedCount())
	}
	c := start(t, Options{Contacts: 1})
	twice := "/contacts/" + c.mustIDs("/contacts", "contacts")[0] + "?update_mask=email&update_mask=metadata"
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, twice, "{}").status, "one value, with commas")
}

func TestDeletedContactIsGoneAndItsNumberFree(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 9, Conversations: 9, Messages: 40})
	_, before := stored(c.e)
	all := c.mustIDs("/contacts", "contacts")
	made := c.mustMake(contactBody)
	number := c.get("/contacts/" + all[3]).get(`channel_identities.#(channel=="SMS").identity`).String()
	for _, id := range []string{all[3], made} {
		require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/contacts/"+id, "").status)
		assert.Equal(t, Identifiers{ContactID: id}, c.lastAccepted().Identifiers)
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			assert.Equal(t, http.StatusNotFound, c.call(method, "/contacts/"+id, "").status)
		}
		assert.Equal(t, http.StatusNotFound, c.call(http.MethodPatch, "/contacts/"+id, "{}").status)
		assert.Empty(t, c.mustIDs("/conversations?contact_id="+id, "conversations"))
		assert.Empty(t, c.mustIDs("/messages?contact_id="+id, "messages"))
	}
	assert.Equal(t, slices.Delete(slices.Clone(all), 3, 4), c.mustIDs("/contacts?page_size=2", "contacts"))
	assert.Empty(t, c.mustIDs("/contacts?channel=SMS&identity="+number, "contacts"))
	_, after := stored(c.e)
	assert.Equal(t, before, after, "messages stay")
	require.Equal(t, http.StatusOK, c.send(c.text(number, "x")).status)
	again := c.mustIDs("/contacts?channel=SMS&identity="+number, "contacts")
	require.Len(t, again, 1)
	assert.NotContains(t, all, again[0])
}

func TestMergeLeavesTheDestinationWithWhatItLacked(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	into := c.mustMake(contactJSON(`,"email":"keep@example.com"`, identityJSON("SMS", "461", "")))
	from := c.mustMake(contactJSON(`,"email":"drop@example.com","display_name":"Eva","metadata":"m","external_id":"e","channel_priority":["TELEGRAM","RCS"]`,
		identityJSON("RCS", "462", ""), identityJSON("SMS", "462", ""), identityJSON("TELEGRAM", "@e", "")))
	kept, moved := c.send(c.text("461", "kept")), c.send(c.text("462", "moved"))
	require.Equal(t, http.StatusOK, kept.status)
	require.Equal(t, http.StatusOK, moved.status)

	a := c.call(http.MethodPost, "/contacts/"+into+":merge", `{"source_id":"`+from+`","strategy":"MERGE"}`)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	assert.Equal(t, Identifiers{ContactID: into, SourceID: from}, c.lastAccepted().Identifiers)
	assert.Equal(t, []string{"SMS", "TELEGRAM", "RCS"}, strs(a.get("channel_priority")))
	assert.Equal(t, []string{"461", "@e", "462"}, strs(a.get("channel_identities.#.identity")))
	for field, want := range map[string]string{"email": "keep@example.com", "display_name": "Eva", "metadata": "m", "external_id": "e"} {
		assert.Equal(t, want, a.get(field).String(), field)
	}
	assert.Equal(t, http.StatusNotFound, c.get("/contacts/"+from).status)
	assert.Equal(t, []string{into}, c.mustIDs("/contacts", "contacts"))
	assert.Equal(t, []string{into}, c.mustIDs("/contacts?channel=RCS&identity=462", "contacts"))
	assert.Empty(t, c.mustIDs("/contacts?channel=SMS&identity=462", "contacts"), "the destination has an SMS number of its own")

	talks := c.mustList("/conversations?contact_id="+into, "conversations")
	require.Len(t, talks, 2, "conversations move")
	active := slices.DeleteFunc(talks, func(talk string) bool { return !gjson.Get(talk, "active").Bool() })
	require.Len(t, active, 1)
	messages := c.mustList("/messages?contact_id="+into, "messages")
	require.Len(t, messages, 2)
	for _, m := range messages {
		assert.Equal(t, into, gjson.Get(m, "contact_id").String())
	}
}

func TestMergeOfWhatWasThereFromTheStart(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 3, Contacts: 5, Conversations: 11, Messages: 60})
	all := c.mustIDs("/contacts", "contacts")
	count := func(id string) int { return len(c.mustIDs("/messages?contact_id="+id, "messages")) }
	want := count(all[0]) + count(all[1]) + count(all[2])
	for _, step := range [][2]string{{all[1], all[0]}, {all[2], all[1]}} {
		require.Equal(t, http.StatusOK, c.call(http.MethodPost, "/contacts/"+step[0]+":merge", `{"source_id":"`+step[1]+`"}`).status)
	}
	assert.Equal(t, want, count(all[2]), "also of one that was merged before")
	for _, m := range c.mustList("/messages", "messages") {
		assert.NotContains(t, all[:2], gjson.Get(m, "contact_id").String())
	}
	for _, talk := range c.mustList("/conversations?app_id="+c.info.App, "conversations") {
		assert.NotContains(t, all[:2], gjson.Get(talk, "contact_id").String())
	}
}

func TestMergeThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 2})
	ids := c.mustIDs("/contacts", "contacts")
	for body, status := range map[string]int{
		`{}`:                             400,
		`{"source_id":""}`:               400,
		`{"source_id":"x"}`:              404,
		`{"source_id":"x","a":1}`:        400,
		`{"source_id":"` + ids[0] + `"}`: 400, // itself
		`{"source_id":"` + ids[1] + `","strategy":"REPLACE"}`: 400,
	} {
		assert.Equal(t, status, c.call(http.MethodPost, "/contacts/"+ids[0]+":merge", body).status, body)
	}
	assert.Zero(t, c.e.AcceptedCount())
	assert.Len(t, c.mustIDs("/contacts", "contacts"), 2)
}

func TestChannelProfileIsTheNameOnOneOfItsChannels(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id := c.mustMake(contactJSON(`,"display_name":"Eva"`, identityJSON("MESSENGER", "7001", c.info.App)))
	ask := func(recipient, channel string) answer {
		return c.call(http.MethodPost, "/contacts:getChannelProfile", c.about(recipient, `"channel":"`+channel+`"`))
	}
	byID := `{"contact_id":"` + id + `"}`
	assert.Equal(t, "Eva", ask(byID, "MESSENGER").get("profile_name").String())
	assert.Equal(t, "Eva", ask(messenger, "MESSENGER").get("profile_name").String())
	assert.Equal(t, http.StatusNotFound, ask(byID, "INSTAGRAM").status)
	assert.Equal(t, http.StatusNotFound, ask(byID, "LINE").status)
	assert.Equal(t, http.StatusNotFound, ask(`{"contact_id":"x"}`, "VIBER").status)
	assert.Equal(t, http.StatusBadRequest, ask(byID, "SMS").status)
	assert.Equal(t, http.StatusBadRequest, ask(`{}`, "VIBER").status)
	assert.Equal(t, 1, c.e.AcceptedCount(), "reading changes nothing")
	old := start(t, Options{Profile: ProfileOld})
	refused := old.call(http.MethodPost, "/contacts:getChannelProfile", old.about(messenger, `"channel":"LINE"`))
	assert.Equal(t, http.StatusBadRequest, refused.status)
}
