package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// told are the callbacks after a number.
func (c *caller) told(after int64) []Callback { return slices.Collect(c.e.CallbacksAfter(after)) }

func triggers(callbacks []Callback) []string {
	var names []string
	for _, x := range callbacks {
		names = append(names, x.Trigger)
	}
	return names
}

func TestMessageIsToldToBeDelivered(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := strings.Replace(c.text("+461", `a "key"`), `"message"`, `"correlation_id":"row 1","message"`, 1)
	first := c.mustPost("/messages:send", body).get("message_id").Str
	c.mustPost("/messages:send", c.text("461", "b"))
	told := c.told(0)
	require.Equal(t, []string{"CONTACT_CREATE", "MESSAGE_DELIVERY", "MESSAGE_DELIVERY", "MESSAGE_DELIVERY", "MESSAGE_DELIVERY"}, triggers(told))
	for i, x := range told {
		assert.Equal(t, int64(i+1), x.Number)
	}
	contact := c.mustIDs("/contacts", "contacts")[0]
	talk := c.mustIDs("/conversations?app_id="+c.info.App, "conversations")[0]
	assert.JSONEq(t, fmt.Sprintf(`{"app_id":%q,"project_id":%q,"accepted_time":"2026-03-01T12:00:00Z","event_time":"2026-03-01T12:00:00.001Z",
		"message_metadata":"a \"key\"","correlation_id":"row 1","message_delivery_report":{"message_id":%q,"conversation_id":%q,
		"status":"QUEUED_ON_CHANNEL","channel_identity":{"channel":"SMS","identity":"461","app_id":""},"contact_id":%q,
		"metadata":"a \"key\"","processing_mode":"CONVERSATION"}}`, c.info.App, c.info.Project, first, talk, contact), string(told[1].Body))
	assert.Equal(t, "DELIVERED", gjson.GetBytes(told[2].Body, "message_delivery_report.status").Str)
	assert.Equal(t, contact, gjson.GetBytes(told[0].Body, "contact_create_notification.contact.id").Str)

	c.mustPost("/contacts/"+c.mustMake(contactBody)+":merge", `{"source_id":"`+contact+`"}`)
	assert.Equal(t, string(told[0].Body), string(c.told(0)[0].Body), "as it was then")
}

func TestMessageOfDispatchIsToldWithoutContact(t *testing.T) {
	t.Parallel()
	for _, days := range []int{0, 7} {
		c := start(t, Options{Mode: ModeDispatch, DispatchRetentionDays: days})
		id := c.mustPost("/messages:send", c.text("461", "k")).get("message_id").Str
		told := c.told(0)
		require.Equal(t, []string{"MESSAGE_DELIVERY", "MESSAGE_DELIVERY"}, triggers(told))
		report := gjson.GetBytes(told[1].Body, "message_delivery_report")
		assert.Equal(t, []string{id, "", "", ModeDispatch}, []string{
			report.Get("message_id").Str, report.Get("contact_id").Str, report.Get("conversation_id").Str, report.Get("processing_mode").Str,
		})
	}
}

func TestMessagesOfABatchAreToldLikeSingleOnes(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.mustOrder("x", `,"message_metadata":{"k":1},"send_after":"2026-03-01T12:05:00Z"`, recipientOf("461", ""), recipientOf("+461", ""))
	c.mustOrder("y", `,"processing_strategy":"DISPATCH_ONLY"`, recipientOf("462", ""))
	require.Equal(t, []string{"MESSAGE_DELIVERY", "MESSAGE_DELIVERY"}, triggers(c.told(0)), "the other is scheduled")
	c.clock.move(5 * time.Minute)
	told := c.told(2)
	require.Equal(t, []string{"CONTACT_CREATE", "MESSAGE_DELIVERY", "MESSAGE_DELIVERY", "MESSAGE_DELIVERY", "MESSAGE_DELIVERY"}, triggers(told))
	contact := gjson.GetBytes(told[0].Body, "contact_create_notification.contact.id").Str
	assert.Equal(t, c.mustIDs("/contacts", "contacts"), []string{contact})
	lines := c.e.Accepted()[1:]
	for i, x := range told[1:] {
		line, body := lines[i/2], gjson.ParseBytes(x.Body)
		report := body.Get("message_delivery_report")
		assert.Equal(t, line.MessageID, report.Get("message_id").Str)
		assert.Equal(t, contact, report.Get("contact_id").Str)
		assert.Equal(t, line.Metadata, report.Get("metadata").Str)
		assert.Equal(t, line.Metadata, body.Get("message_metadata").Str)
		assert.Equal(t, line.BatchID, gjson.Get(line.Metadata, batchIDKey).Str)
		assert.Equal(t, noon.Add(5*time.Minute), body.Get("accepted_time").Time())
	}
}

func TestContactsOfABatchAreTold(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	require.Equal(t, http.StatusOK, c.batch(http.MethodPost, "/contacts", `{"contacts":[`+contactBody+`,`+contactBody+`]}`).status)
	ids := c.mustIDs("/contacts", "contacts")
	require.Len(t, ids, 2)
	made := []answer{c.get("/contacts/" + c.e.Accepted()[0].ContactID), c.get("/contacts/" + c.e.Accepted()[1].ContactID)}
	gone := c.batch(http.MethodDelete, "/contacts", `{"contact_ids":["`+made[0].get("id").Str+`","x"]}`)
	require.Equal(t, http.StatusOK, gone.status)
	told := c.told(0)
	require.Equal(t, []string{"CONTACT_CREATE", "CONTACT_CREATE", "CONTACT_DELETE"}, triggers(told))
	assert.Equal(t, string(made[0].body), gjson.GetBytes(told[0].Body, "contact_create_notification.contact").Raw)
	assert.Equal(t, string(made[1].body), gjson.GetBytes(told[1].Body, "contact_create_notification.contact").Raw)
	assert.Equal(t, string(made[0].body), gjson.GetBytes(told[2].Body, "contact_delete_notification.contact").Raw)
}

func TestContactsAreTold(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	made := c.call(http.MethodPost, "/contacts", contactBody)
	id := made.get("id").Str
	changed := c.call(http.MethodPatch, "/contacts/"+id, `{"display_name":"Eva"}`)
	other := c.call(http.MethodPost, "/contacts", contactBody)
	kept := c.mustPost("/contacts/"+id+":merge", `{"source_id":"`+other.get("id").Str+`"}`)
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/contacts/"+id, "").status)
	told := c.told(0)
	require.Equal(t, []string{"CONTACT_CREATE", "CONTACT_UPDATE", "CONTACT_CREATE", "CONTACT_MERGE", "CONTACT_DELETE"}, triggers(told))
	for i, want := range map[int]map[string]answer{
		0: {"contact_create_notification.contact": made}, 1: {"contact_update_notification.contact": changed},
		3: {"contact_merge_notification.preserved_contact": kept, "contact_merge_notification.deleted_contact": other},
		4: {"contact_delete_notification.contact": kept},
	} {
		for path, a := range want {
			assert.Equal(t, string(a.body), gjson.GetBytes(told[i].Body, path).Raw, path)
		}
	}
}

func TestOutcomesOfRequestsAreTold(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Profile: ProfileOld})
	id := c.mustMake(contactJSON("", identityJSON("SMS", "461", ""), identityJSON("LINE", "L1", c.info.App)))
	who := `{"contact_id":"` + id + `"}`
	after := c.told(0)[0].Number
	out := c.mustPost("/optouts:register", c.about(who, `"channels":["SMS","WHATSAPP","SMS"]`))
	c.mustPost("/optins:register?request_id=r2", c.about(somebody, `"channels":["SMS"]`))
	asked := c.mustPost("/capability:query", strings.Replace(c.about(who, ""), ",}", "}", 1))
	told := c.told(after)
	require.Equal(t, []string{"OPT_OUT", "OPT_OUT", "OPT_IN", "CAPABILITY", "CAPABILITY"}, triggers(told))

	notice := func(i int, name string) gjson.Result { return gjson.GetBytes(told[i].Body, name) }
	assert.Equal(t, "OPT_OUT_SUCCEEDED", notice(0, "opt_out_notification.status").Str)
	assert.Equal(t, out.get("request_id").Str, notice(0, "opt_out_notification.request_id").Str)
	assert.Equal(t, "OPT_OUT_FAILED", notice(1, "opt_out_notification.status").Str, "nobody is reached there")
	assert.Equal(t, "r2", notice(2, "opt_in_notification.request_id").Str)
	assert.Equal(t, id, notice(2, "opt_in_notification.contact_id").Str, "the number is known")

	require.NotEmpty(t, asked.get("request_id").Str, "one is made up")
	for i, status := range map[int]string{3: "CAPABILITY_FULL", 4: "NO_CAPABILITY"} { // the app has no LINE
		assert.Equal(t, asked.get("request_id").Str, notice(i, "capability_notification.request_id").Str)
		assert.Equal(t, status, notice(i, "capability_notification.capability_status").Str)
	}
}

func TestCallbacksAreReadOverHTTP(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.mustPost("/messages:send", c.text("461", "<a> & b"))
	c.mustMake(contactBody)
	read := func(query string) []Callback {
		t.Helper()
		a := c.do(c.request(http.MethodGet, "http://emulator/_emulator/callbacks"+query, ""))
		require.Equal(t, http.StatusOK, a.status)
		assert.Equal(t, "application/jsonl", a.header.Get("Content-Type"))
		var lines []Callback
		for line := range strings.Lines(string(a.body)) {
			var x Callback
			require.NoError(t, json.Unmarshal([]byte(line), &x))
			lines = append(lines, x)
		}
		return lines
	}
	assert.Equal(t, c.told(0), read(""))
	assert.Equal(t, c.told(2), read("?after=2"))
	assert.Equal(t, c.told(1)[:2], read("?after=1&limit=2"))
	assert.Empty(t, read("?after=4"))
	for _, wrong := range []string{"?after=x", "?after=-1", "?limit=x"} {
		a := c.do(c.request(http.MethodGet, "http://emulator/_emulator/callbacks"+wrong, ""))
		assert.Equal(t, http.StatusBadRequest, a.status, wrong)
	}
}

// TestEveryPlaceToContinueFromIsRight: numbers have no gaps, whatever the
// callbacks follow from, and the rest after each is the rest.
func TestEveryPlaceToContinueFromIsRight(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for i := range 20 {
		c.mustPost("/messages:send", c.text(strconv.Itoa(4600+i/2), "k"))
		c.mustMake(contactJSON("", identityJSON("SMS", strconv.Itoa(4700+i), "")))
		c.mustPost("/events:send", c.about(somebody, `"event":{"composing_event":{}}`))
		c.mustOrder("x", "", recipientOf(strconv.Itoa(4600+i/2), ""), recipientOf(strconv.Itoa(4800+i), ""))
		c.mustPost("/apps", appBody) // tells nothing
		c.mustPost("/capability:query", c.about(somebody, `"request_id":"r"`))
	}
	all := c.told(0)
	require.Len(t, all, 10+20*(2+1+2+(2+3)+1))
	for n := range len(all) + 1 {
		rest := c.told(int64(n))
		require.Len(t, rest, len(all)-n)
		for i := range rest {
			require.Equal(t, all[n+i], rest[i])
		}
	}
}

func TestOldestNotesAreForgotten(t *testing.T) {
	t.Parallel()
	var l ledger
	l.add(entry{op: "Messages_SendMessage"})
	for range 2*mostNotes + 10 {
		l.note("CAPABILITY", nil)
	}
	lines, notes := l.after(0)
	assert.Len(t, slices.Collect(lines), 1, "what follows from the ledger stays")
	require.Len(t, notes, mostNotes)
	assert.Equal(t, int64(2+2*mostNotes+10), notes[len(notes)-1].number)
	assert.Less(t, len(l.notes), 2*mostNotes)
	_, notes = l.after(notes[mostNotes-3].number)
	assert.Len(t, notes, 2)
}

func TestReaderMissesNothingWhileCallbacksCome(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	const rounds = 200
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range rounds {
				body := c.text(fmt.Sprintf("46%d%04d", w, i), "k")
				_, _ = c.try(c.prepared(http.MethodPost, "/messages:send", body))
				_, _ = c.try(c.prepared(http.MethodPost, "/capability:query", c.about(somebody, `"request_id":"r"`)))
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	last := int64(0)
	for over := false; !over; {
		select {
		case <-done:
			over = true // and read once more
		default:
		}
		for x := range c.e.CallbacksAfter(last) {
			require.Equal(t, last+1, x.Number)
			last = x.Number
		}
	}
	assert.Equal(t, int64(4*rounds*4), last)
}

// fixtures are real callbacks; like the specifications they are not part of
// the repository.
const fixtures = "../../../shared/fixtures/callbacks"

// TestCallbacksAreShapedAsTheRealOnes: they fit the specification, and have no
// field that the real ones lack, apart from what the specification adds.
func TestCallbacksAreShapedAsTheRealOnes(t *testing.T) {
	t.Parallel()
	doc := mustSpec(t, ProfileNew)
	if doc == nil {
		return
	}
	c := start(t, Options{Profile: ProfileOld})
	id := c.mustMake(contactBody)
	c.mustPost("/contacts/"+id+":merge", `{"source_id":"`+c.mustMake(contactBody)+`"}`)
	require.Equal(t, http.StatusOK, c.call(http.MethodPatch, "/contacts/"+id, `{"email":"x"}`).status)
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/contacts/"+id, "").status)
	c.mustPost("/messages:send", c.text("461", "k"))
	c.mustPost("/events:send", c.about(messenger, `"event":{"composing_event":{}}`))
	c.mustPost("/optouts:register", c.about(somebody, `"channels":["SMS","RCS"]`))
	c.mustPost("/optins:register", c.about(somebody, `"channels":["SMS","RCS"]`))
	c.mustPost("/capability:query", c.about(`{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"1"},{"channel":"LINE","identity":"2"}]}}`, `"request_id":"r"`))
	real := map[string]struct{ schema, fixture string }{
		"CONTACT_CREATE":   {"ContactCreateEvent", "contact/ContactCreateEventDto.json"},
		"CONTACT_UPDATE":   {"ContactUpdateEvent", "contact/ContactUpdateEventDto.json"},
		"CONTACT_DELETE":   {"ContactDeleteEvent", "contact/ContactDeleteEventDto.json"},
		"CONTACT_MERGE":    {"ContactMergeEvent", "contact/ContactMergeEventDto.json"},
		"MESSAGE_DELIVERY": {"MessageDeliveryReceiptEvent", "delivery/MessageDeliveryReceiptEventDto.json"},
		"EVENT_DELIVERY":   {"EventDelivery", "delivery/EventDeliveryReceiptEventDto.json"},
		"OPT_OUT":          {"OptOutEvent", "opting/OptOutEventDto.json"},
		"OPT_IN":           {"OptInEvent", "opting/OptInEventDto.json"},
		"CAPABILITY":       {"CapabilityEvent", "capability/CapabilityEventDto.json"},
	}
	seen := make(map[string]bool)
	for _, x := range c.told(0) {
		seen[x.Trigger] = true
		like, known := real[x.Trigger]
		require.True(t, known, x.Trigger)
		mustFit(t, doc.Components.Schemas[like.schema].Value, x.Body, x.Trigger)
		text, err := os.ReadFile(filepath.Join(fixtures, like.fixture))
		require.NoError(t, err)
		want, got := fieldsOf(gjson.ParseBytes(text)), fieldsOf(gjson.ParseBytes(x.Body))
		if strings.HasPrefix(x.Trigger, "OPT_") {
			delete(got, strings.ToLower(x.Trigger)+"_notification.identity") // the specification's own
		}
		assert.Subset(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)), x.Trigger)
	}
	assert.Len(t, seen, len(real), "each trigger came")
}

// fieldsOf are the names of an object's fields and of those a level below.
func fieldsOf(v gjson.Result) map[string]bool {
	names := make(map[string]bool)
	for name, value := range v.Map() {
		names[name] = true
		for inner := range value.Map() {
			if value.IsObject() {
				names[name+"."+inner] = true
			}
		}
	}
	return names
}
