package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/sources"
)

// mustBatch loads a job of mode: batch with the rest of its request.
func mustBatch(t *testing.T, request string) *BulkSend {
	t.Helper()
	file := mustLoad(t, goodAPI+`
jobs:
  offer:
    kind: bulk_send
    mode: batch
    app: APP
    from: {csv: r.csv}
    key: phone
    request:
      recipient: {contact_id: "{{.phone}}"}
`+request)
	job, _ := file.Job("offer")
	b := job.Spec.(*BulkSend)
	require.NoError(t, b.Columns(columns("phone", "a", "b")))
	return b
}

func TestAMessageBecomesOneWithParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, shared, parameters string }{
		{`"plain"`, "plain", ""},
		{`"Hi {{.a}}!"`, "Hi ${p1}!", `"p1":"A"`},
		{`"{{.a}}{{.b}}{{.a}}"`, "${p1}${p2}${p1}", `"p1":"A","p2":"B"`},
		{`"{{ .a -}} x {{- .b }}"`, "${p1}x${p2}", `"p1":"A","p2":"B"`},
		{`"{{if .a}}<{{.a}}>{{else}}nobody{{end}}, {{.b | lower}}"`, "${p1}, ${p2}", `"p1":"<A>","p2":"b"`},
		{`"{{$x := .a}}{{$x}} and {{$x}}"`, "${p1}", `"p1":"A and A"`}, // they share a variable
		{`"only $$5, {{.a}}"`, "only $5, ${p1}", `"p1":"A"`},
		{`"only $${{.a}}"`, "${p1}", `"p1":"only $A"`}, // $${ might be an escape
		{`"{{/* note */}}{{.a}}"`, "${p1}", `"p1":"A"`},
		{`"${COUNT} {{.a}}"`, "7 ${p1}", `"p1":"A"`},
		{`"x{{\"\"}}"`, "x${p1}", `"p1":""`},
	} {
		b := mustBatch(t, "      message: {text_message: {text: "+c.text+"}}\n")
		part, err := b.Prepare(sources.Row{Values: []string{"01", "A", "B"}})
		require.NoError(t, err, c.text)
		assert.JSONEq(t, `{"app_id":"APP","message":{"text_message":{"text":"`+c.shared+`"}}}`, string(b.batch.shared), c.text)
		parameters := ""
		if c.parameters != "" {
			parameters = `"parameters":{` + c.parameters + `},`
		}
		assert.JSONEq(t, `{"recipient":{"contact_id":"01"},`+parameters+`"message_metadata":{"batch_key":"batch:offer:01"}}`, string(part), c.text)
	}
}

func TestWhatIsTheSameForAllGoesOnce(t *testing.T) {
	t.Parallel()
	b := mustBatch(t, `
      message: {text_message: {text: Hi}}
      message_metadata: {order: "{{.a}}", kind: offer}
      conversation_metadata: {campaign: spring}
      ttl: 60s
      channel_priority_order: [SMS]
`)
	part, err := b.Prepare(sources.Row{Values: []string{"01", "A", "B"}})
	require.NoError(t, err)
	body := b.Whole("RUN", []int64{7000, 7002}, [][]byte{part, part}, time.Now())
	assert.JSONEq(t, `{"app_id":"APP","message":{"text_message":{"text":"Hi"}},"conversation_metadata":{"campaign":"spring"},
		"ttl":"60s","channel_priority_order":["SMS"],
		"batch_metadata":{"batch_key":"batch:offer:RUN:7","batch_rows":"7000:oA"},
		"recipient_and_params":[`+string(part)+`,`+string(part)+`]}`, string(body))
	assert.JSONEq(t, `{"recipient":{"contact_id":"01"},"message_metadata":{"order":"A","kind":"offer","batch_key":"batch:offer:01"}}`, string(part))
}

func TestRowsThatABatchCanNotHaveAreInvalidByThemselves(t *testing.T) {
	t.Parallel()
	b := mustBatch(t, `
      message: {card_message: {title: "{{.a}}{", description: "{{.b}}"}}
      message_metadata: {order: "{{.a}}"}
`)
	for a, want := range map[string]string{
		"$":                        `message: a value brings in "${"`,
		"${p2}":                    `message: a value brings in "${"`,
		string(make([]byte, 1000)): "message_metadata has",
	} {
		_, err := b.Prepare(sources.Row{Values: []string{"01", a, "B"}})
		require.ErrorContains(t, err, want)
	}
	_, err := b.Prepare(sources.Row{Values: []string{"01", "A", ""}})
	require.EqualError(t, err, "message.card_message.description: is empty, and can not be left out for one recipient of a batch")
	_, err = b.Prepare(sources.Row{Values: []string{"", "A", "B"}})
	require.ErrorContains(t, err, "recipient: neither a contact_id nor a channel identity")
}

func TestATimeThatIsOverIsLeftOut(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.FixedZone("", 3600))
	assert.Equal(t, "2026-03-01T08:00:00Z", Instant(at).ahead(at.Add(-time.Second)))
	assert.Empty(t, Instant(at).ahead(at))
	assert.Empty(t, Instant{}.ahead(at))
	b := &BulkSend{SendAfter: Instant(at)}
	require.NoError(t, b.Ready(t.Context(), Env{Now: func() time.Time { return at.Add(-furthestSend) }}))
	require.ErrorContains(t, b.Ready(t.Context(), Env{Now: func() time.Time { return at.Add(-furthestSend - 1) }}), "at most 7 days ahead")
}
