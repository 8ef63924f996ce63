package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestEachRecipientOfABatchGetsItsOwnMessage(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id := c.mustOrder(`Hej ${name}, "${what}" väntar, ${name}! ${`, `,"message_metadata":{"campaign":"vår","row":0}`,
		recipientOf("+46701", `,"parameters":{"name":"Åsa \"A\"\n","what":"\u0031","more":"x"},"message_metadata":{"row":1,"ok":true}`),
		recipientOf("46702", `,"parameters":{"what":"${name}","name":""}`))
	lines := c.e.Accepted()
	require.Len(t, lines, 2)
	for i, want := range []struct{ identity, text, metadata string }{
		{"46701", "Hej Åsa \"A\"\n, \"1\" väntar, Åsa \"A\"\n! ${", `{"campaign":"vår","row":1,"ok":true,"_batch_id":"` + id + `"}`},
		{"46702", `Hej , "${name}" väntar, ! ${`, `{"campaign":"vår","row":0,"_batch_id":"` + id + `"}`},
	} {
		got := lines[i]
		assert.Equal(t, "Batch_SendBatch", got.Operation)
		assert.Equal(t, "SMS", got.Channel)
		assert.Equal(t, want.identity, got.Identity)
		assert.Equal(t, want.text, got.Text)
		assert.Equal(t, id, got.BatchID)
		assert.JSONEq(t, want.metadata, got.Metadata)
		assert.Equal(t, noon, got.Time)
		assert.Equal(t, want.identity, strings.TrimPrefix(gjson.Get(got.Body, "recipient.identified_by.channel_identities.0.identity").Str, "+"))

		stored := c.get("/messages/" + got.MessageID)
		require.Equal(t, http.StatusOK, stored.status)
		assert.Equal(t, want.text, stored.get("app_message.text_message.text").Str)
		assert.Equal(t, got.Metadata, stored.get("metadata").Str)
		assert.Equal(t, noon, stored.get("accept_time").Time())
	}
	assert.Len(t, c.mustIDs("/messages", "messages"), 2)
	assert.Len(t, c.mustIDs("/contacts", "contacts"), 2)
	assert.Equal(t, []Batch{{ID: id, Status: BatchProcessed, Recipients: 2}}, c.e.Batches())
}

// TestOfAFieldGivenTwiceTheLastCounts, as with a single message.
func TestOfAFieldGivenTwiceTheLastCounts(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	twice := `{"recipient":{"contact_id":"x"},"parameters":{"a":"1","a":"2"},"message_metadata":{"k":1},"recipient":{"identified_by":{"channel_identities":[` +
		`{"channel":"SMS","identity":"461"}]}},"parameters":{"a":"3","a":"4","b":null},"message_metadata":{"k":2}}`
	id := c.mustOrder("${a}", "", twice, recipientOf("462", `,"parameters":{"a":"5"},"message_metadata":null`))
	for i, want := range []struct{ identity, text, metadata string }{
		{"461", "4", `{"k":2,"_batch_id":"` + id + `"}`}, {"462", "5", `{"_batch_id":"` + id + `"}`},
	} {
		got := c.e.Accepted()[i]
		assert.Equal(t, want.identity, got.Identity)
		assert.Equal(t, want.text, got.Text)
		assert.Equal(t, want.metadata, got.Metadata)
	}
}

func TestABatchReachesContactsAndEveryStringOfItsMessage(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	contact := c.mustMake(contactBody)
	message := `{"card_message":{"title":"\u0024{t}","media_message":{"url":"https://example.com/${t}"},"choices":[{"text_message":{"text":"${\u00e5}"}}, {"url_message":{"title":"x","url":"u","n":1.50}}]}}`
	body := fmt.Sprintf(`{"app_id":%q,"message":%s,"recipient_and_params":[{"recipient":{"contact_id":%q},"parameters":{"t":"T","\u00e5":"a"}}]}`, c.info.App, message, contact)
	a := c.batch(http.MethodPost, "/messages", body)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	got := c.lastAccepted()
	assert.Equal(t, "46731110000", got.Identity)
	stored := c.get("/messages/" + got.MessageID)
	assert.Equal(t, contact, stored.get("contact_id").Str)
	assert.Equal(t, `{"card_message":{"title":"T","media_message":{"url":"https://example.com/T"},"choices":[{"text_message":{"text":"a"}},{"url_message":{"title":"x","url":"u","n":1.50}}]}}`,
		stored.get("app_message").Raw)
}

func TestABatchIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	good := recipientOf("461", `,"parameters":{"a":"x"}`)
	for name, row := range map[string]struct {
		options Options
		rest    string
		bad     string
		status  int
		field   string
	}{
		"missing parameter":     {bad: recipientOf("462", `,"parameters":{"b":"x"}`), status: 400, field: "recipient_and_params[1].parameters.a"},
		"no parameters":         {bad: recipientOf("462", ""), status: 400, field: "recipient_and_params[1].parameters.a"},
		"null parameter":        {bad: recipientOf("462", `,"parameters":{"a":null}`), status: 400, field: "recipient_and_params[1].parameters.a"},
		"reserved key":          {bad: recipientOf("462", `,"parameters":{"a":"x"},"message_metadata":{"_batch_id":null}`), status: 400, field: "recipient_and_params.message_metadata"},
		"reserved key of all":   {rest: `,"message_metadata":{"_batch_id":"x"}`, bad: good, status: 400, field: "message_metadata"},
		"unknown contact":       {bad: `{"recipient":{"contact_id":"x"},"parameters":{"a":"x"}}`, status: 404},
		"two recipients in one": {bad: strings.Replace(good, `{"identified_by"`, `{"contact_id":"x","identified_by"`, 1), status: 400, field: "recipient_and_params.recipient"},
		"contact of dispatch":   {options: Options{Mode: ModeDispatch}, bad: `{"recipient":{"contact_id":"x"},"parameters":{"a":"x"}}`, status: 400, field: "recipient_and_params[1].recipient.contact_id"},
		"metadata of dispatch":  {rest: `,"processing_strategy":"DISPATCH_ONLY"`, bad: recipientOf("462", `,"parameters":{"a":"x"},"conversation_metadata":{}`), status: 400, field: "recipient_and_params[1].conversation_metadata"},
		"channel of another":    {rest: `,"channel_priority_order":["LINE"]`, bad: good, status: 400, field: "channel_priority_order"},
		"unknown field":         {rest: `,"recipients":[]`, bad: good, status: 400, field: "recipients"},
		"full queue":            {options: Options{QueueLimit: 1, DrainRate: 1}, bad: good, status: 429},
		"not a time":            {rest: `,"send_after":"tomorrow"`, bad: good, status: 400, field: "send_after"},
		"not UTC":               {rest: `,"send_after":"2026-03-01T14:00:00+01:00"`, bad: good, status: 400, field: "send_after"},
		"too far":               {rest: `,"send_after":"2026-03-08T12:00:00.1Z"`, bad: good, status: 400, field: "send_after"},
	} {
		c := start(t, row.options)
		a := c.batch(http.MethodPost, "/messages", c.order("${a}", row.rest, good, row.bad))
		assert.Equal(t, row.status, a.status, name)
		assert.Equal(t, row.field, a.get("details.0.field_violations.0.field").Str, name)
		assert.Zero(t, c.e.AcceptedCount(), name)
		assert.Empty(t, c.e.Batches(), name)
	}
	c := start(t, Options{})
	for _, wrong := range []string{`{}`, `{"text_message":{}}`, `{"text_message":{"text":"x"},"card_message":{}}`, `{"card_message":{"height":"HUGE"}}`} {
		body := strings.Replace(c.order("x", "", good), `{"text_message":{"text":"x"}}`, wrong, 1)
		assert.Equal(t, http.StatusBadRequest, c.batch(http.MethodPost, "/messages", body).status, wrong)
	}
}

func TestASendTimeIsRoundedUpToTheNextMark(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"2026-02-01T00:00:00Z": "", "2026-03-01T12:00:00Z": "", "2026-03-01T12:01:00Z": "",
		"2026-03-01T12:01:00.000000001Z": "2026-03-01T12:05:00Z", "2026-03-01T12:05:00Z": "2026-03-01T12:05:00Z",
		"2026-03-01T12:05:01+00:00": "2026-03-01T12:10:00Z", "2026-03-08T12:00:00Z": "2026-03-08T12:00:00Z",
	} {
		c := start(t, Options{})
		a := c.batch(http.MethodPost, "/messages", c.order("x", `,"send_after":"`+given+`"`, recipientOf("461", "")))
		require.Equal(t, http.StatusOK, a.status, given)
		assert.Equal(t, want, a.get("send_after").Str, given)
		sent := 0
		if want == "" {
			sent = 1
		}
		assert.Equal(t, sent, c.e.AcceptedCount(), given)
	}
}

func TestAScheduledBatchIsSentWhenItsTimeComes(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	gone := c.mustMake(contactBody)
	before := c.e.AcceptedCount()
	late := c.mustOrder("late", `,"send_after":"2026-03-01T13:00:00Z"`, recipientOf("461", ""))
	early := c.mustOrder("early", `,"send_after":"2026-03-01T12:06:00Z"`, recipientOf("462", ""), `{"recipient":{"contact_id":"`+gone+`"}}`)
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/contacts/"+gone, "").status)
	before++
	due := noon.Add(10 * time.Minute)
	assert.Equal(t, Batch{ID: early, Status: BatchScheduled, SendAfter: due, Recipients: 2}, c.e.Batches()[1])
	c.clock.move(10*time.Minute - 1)
	assert.Equal(t, before, c.e.AcceptedCount())
	assert.Equal(t, BatchScheduled, c.batch(http.MethodGet, "/messages/"+early, "").get("status").Str)
	c.clock.move(time.Minute)
	assert.Equal(t, BatchProcessed, c.batch(http.MethodGet, "/messages/"+early, "").get("status").Str)
	assert.Equal(t, BatchScheduled, c.batch(http.MethodGet, "/messages/"+late, "").get("status").Str)
	require.Equal(t, before+1, c.e.AcceptedCount(), "the contact that is gone gets nothing")
	assert.Equal(t, due, c.lastAccepted().Time)
	assert.Len(t, c.mustIDs("/messages", "messages"), 1)
	c.clock.move(time.Hour)
	assert.Len(t, c.mustIDs("/messages", "messages"), 2, "a list is enough to see it")
	assert.Equal(t, "late", c.lastAccepted().Text)
}

func TestACancelledBatchIsNeverSent(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	const later = `,"send_after":"2026-03-01T12:10:00Z"`
	doomed := c.mustOrder("x", later, recipientOf("461", ""))
	other := c.mustOrder("y", later, recipientOf("462", ""))
	cancel := func(id string) {
		a := c.batch(http.MethodDelete, "/messages", `{"batch_id":"`+id+`"}`)
		require.Equal(t, http.StatusOK, a.status)
		require.JSONEq(t, "{}", string(a.body))
	}
	cancel(doomed)
	assert.Equal(t, "Batch_CancelBatch", c.lastAccepted().Operation)
	assert.Equal(t, doomed, c.lastAccepted().BatchID)
	c.clock.move(10 * time.Minute)
	for _, id := range []string{doomed, other, "x"} {
		cancel(id)
	}
	require.Equal(t, 2, c.e.AcceptedCount(), "one cancellation, one message")
	assert.Equal(t, "y", c.lastAccepted().Text)
	assert.Equal(t, BatchCancelled, c.e.Batches()[0].Status)
	assert.Equal(t, BatchProcessed, c.e.Batches()[1].Status)
}

func TestAScheduledBatchWaitsForRoomInTheQueue(t *testing.T) {
	t.Parallel()
	c := start(t, Options{QueueLimit: 2, DrainRate: 1})
	c.mustOrder("x", `,"send_after":"2026-03-01T12:05:00Z"`, recipientOf("461", ""), recipientOf("462", ""))
	c.clock.move(5*time.Minute - time.Second)
	require.Equal(t, http.StatusOK, c.send(c.text("463", "")).status)
	require.Equal(t, http.StatusOK, c.send(c.text("464", "")).status)
	c.clock.move(time.Second)
	assert.Equal(t, BatchReady, c.e.Batches()[0].Status)
	assert.Equal(t, 2, c.e.AcceptedCount())
	c.clock.move(time.Second)
	assert.Equal(t, BatchProcessed, c.e.Batches()[0].Status)
	assert.Equal(t, noon.Add(5*time.Minute+time.Second), c.lastAccepted().Time)
}

func TestBatchesAreFoundByTheStringsOfTheirMetadata(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	one := c.mustOrder("x", `,"batch_metadata":{"job":"vår & höst","part":"1","deep":{"a":"b"},"n":1,"a.b":"c"}`, recipientOf("461", ""))
	two := c.mustOrder("x", `,"batch_metadata":{"job":"vår & höst","part":"2"}`, recipientOf("461", ""))
	c.mustOrder("x", "", recipientOf("461", ""))
	job := "meta_data.job=" + url.QueryEscape("vår & höst")
	for query, want := range map[string][]string{
		job: {one, two}, job + "&meta_data.part=2": {two}, "meta_data.part=3": nil, "meta_data.n=1": nil,
		"meta_data.deep.a=b": nil, "meta_data.a.b=c": {one}, "meta_data.job=": nil,
	} {
		a := c.batch(http.MethodGet, "/messages?"+query, "")
		require.Equal(t, http.StatusOK, a.status, query)
		require.True(t, gjson.ParseBytes(a.body).IsArray(), query)
		var got []string
		for _, b := range a.get("#.batch_id").Array() {
			got = append(got, b.Str)
		}
		assert.Equal(t, want, got, query)
	}
	assert.Equal(t, "b", c.batch(http.MethodGet, "/messages/"+one, "").get("meta_data.deep.a").Str)
	for _, wrong := range []string{"", "?job=x", "?meta_data=x", "?meta_data.=x", "?meta_data.a=b&meta_data.a=c", "?page_size=1"} {
		assert.Equal(t, http.StatusBadRequest, c.batch(http.MethodGet, "/messages"+wrong, "").status, wrong)
	}
}

func TestNothingIsKeptOfABatchOfDispatchMessages(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.mustOrder("x", `,"processing_strategy":"DISPATCH_ONLY"`, recipientOf("461", ""))
	assert.Equal(t, "x", c.lastAccepted().Text)
	assert.NotEmpty(t, c.lastAccepted().MessageID)
	assert.Empty(t, c.mustIDs("/messages?messages_source=DISPATCH_SOURCE", "messages"))
	assert.Empty(t, c.mustIDs("/contacts", "contacts"))
}

// BenchmarkSendBatch accepts messages to ever new recipients, a thousand a call.
func BenchmarkSendBatch(b *testing.B) {
	c := start(b, Options{})
	w := new(discard)
	n := 0
	for b.Loop() {
		b.StopTimer()
		var rows []string
		for range 1000 {
			n++
			rows = append(rows, recipientOf(fmt.Sprint(46_700_000_000+n), fmt.Sprintf(`,"parameters":{"name":"Åsa"},"message_metadata":{"row":"%d"}`, n)))
		}
		r := c.preparedAt(c.info.URLs.Batch, http.MethodPost, "/messages", c.order("Hej ${name}!", "", rows...))
		b.StartTimer()
		w.reset()
		c.e.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/recipient")
}
