package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

const injectJob = `
inject:
  kind: message_inject
  from: {jsonl: messages.jsonl}
  key: id
  conversation: "{{.conversation_id}}"
  contact: "{{.contact_id}}"
  message: "{{.body}}"
  reconcile_after: 50ms
`

func TestArchivedMessagesOfEveryTypeGoInUnchanged(t *testing.T) {
	t.Parallel()
	const rows = 400
	now := time.Now()
	w := kindBench(t, emulator.Options{Messages: 2 * rows, Start: now.Add(-29 * 24 * time.Hour), End: now.Add(-time.Hour), ExtraFields: true}, injectJob)
	w.seed("messages", rows)
	w.edit("in_flight: 4", "in_flight: 32")
	s, r := w.runHere("inject")
	require.Zero(t, r.code, "%s%s%v", r.stdout, r.stderr, w.later("select error from results where state <> 'done' limit 3"))
	assert.EqualValues(t, rows, s.Done)

	original := map[string]gjson.Result{} // by time
	for line := range strings.Lines(w.read("messages.jsonl")) {
		m := gjson.Parse(gjson.Get(line, "body").Str)
		original[m.Get("accept_time").Str] = m
	}
	types := map[string]bool{}
	for _, a := range w.ledger("Conversation_InjectMessage") {
		body := gjson.Parse(a.Get("body").Str)
		was := original[body.Get("accept_time").Str]
		for _, name := range []string{"direction", "channel_identity", "metadata", "sender_id", "processing_mode", "app_message", "contact_message"} {
			assert.Equal(t, was.Get(name).Raw, body.Get(name).Raw, name)
		}
		assert.False(t, body.Get("of_a_later_version").Exists() || body.Get("routing_hints").Exists(), "what the server gave it besides stays in the archive")
		for _, side := range []string{"app_message", "contact_message"} {
			body.Get(side).ForEach(func(key, _ gjson.Result) bool {
				types[side+"."+key.Str] = true
				return true
			})
		}
	}
	assert.Greater(t, len(types), 15, "types that the emulator makes: %v", types)
}

func TestWhatIsTooOldToInjectIsInvalidAndNotSent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := kindBench(t, emulator.Options{Messages: 100, Start: now.Add(-90 * 24 * time.Hour), End: now.Add(-31 * 24 * time.Hour)}, injectJob)
	w.seed("messages", 20)
	s, r := w.runHere("inject")
	assert.Equal(t, exitIncomplete, r.code)
	assert.EqualValues(t, 20, s.Invalid, "%s%s", r.stdout, r.stderr)
	assert.Contains(t, w.queryHere("select error from results")[0]["error"], "the API takes messages of the last 30 days")
	assert.Empty(t, w.ledger("Conversation_InjectMessage"))
}

// Two messages that read the same, at two instants, are two; each is found by
// its own instant when the answer is lost.
func TestMessagesThatReadTheSameAreToldApartByTheirTime(t *testing.T) {
	t.Parallel()
	const rows = 8
	w := kindBench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: "Conversation_InjectMessage", Kind: emulator.FaultResetAfter, First: 2},
		{Operation: "Conversation_InjectMessage", Kind: emulator.FaultResetBefore, First: 2},
	}}, `
inject:
  kind: message_inject
  from: {jsonl: rows.jsonl}
  key: at
  conversation: "{{.conversation}}"
  reconcile_after: 50ms
  request:
    contact_id: "{{.contact}}"
    direction: TO_CONTACT
    accept_time: "{{.at}}"
    channel_identity: {channel: SMS, identity: "+46700000001"}
    app_message: {text_message: {text: "your code is 7"}}
`)
	conversation := w.conversations()[0]
	var b strings.Builder
	began := time.Now().Add(-48 * time.Hour).UTC()
	for i := range rows {
		b.WriteString(asJSON(t, map[string]string{
			"at": began.Add(time.Duration(i) * time.Millisecond).Format(time.RFC3339Nano), "conversation": conversation.Get("id").Str,
			"contact": conversation.Get("contact_id").Str,
		}) + "\n")
	}
	w.write("rows.jsonl", b.String())
	_, r := w.runHere("inject")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	times := map[string]int{}
	for _, a := range w.ledger("Conversation_InjectMessage") {
		times[gjson.Get(a.Get("body").Str, "accept_time").Str]++
	}
	assert.Len(t, times, rows)
	for at, n := range times {
		assert.Equal(t, 1, n, at)
	}
	found := w.queryHere("select count(*) as n from results where state = 'done' and ref <> ''")[0]["n"]
	assert.EqualValues(t, 2, found, "an injection answers no id: those that were looked for have one")
}

// An identity that belongs to an app belongs to the new one afterwards.
func TestTheJobsAppTakesThePlaceOfTheAppOfAnIdentity(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{}, strings.Replace(injectJob, "  from:", "  app: APP\n  from:", 1))
	conversation := w.conversations()[0]
	at := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano)
	w.write("messages.jsonl", asJSON(t, map[string]string{
		"id": "m", "conversation_id": conversation.Get("id").Str, "contact_id": conversation.Get("contact_id").Str,
		"body": `{"direction":"TO_CONTACT","accept_time":"` + at + `","channel_identity":{"channel":"MESSENGER","identity":"77","app_id":"01ANOTHERAPP00000000000000"},` +
			`"app_message":{"text_message":{"text":"hi"}}}`,
	})+"\n")
	_, r := w.runHere("inject")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.JSONEq(t, `{"channel":"MESSENGER","identity":"77","app_id":"`+w.api.Info().App+`"}`,
		gjson.Get(w.ledger("Conversation_InjectMessage")[0].Get("body").Str, "channel_identity").Raw)
}
