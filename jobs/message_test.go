package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/jsonscan"
)

func TestColumnsOfAMessageAreReadOffAndItsBodyStaysAsItCame(t *testing.T) {
	t.Parallel()
	body := `{ "id":"01A", "accept_time":"2026-03-01T23:59:59.123456789Z","direction":"TO_APP",
  "channel_identity": {"identity":"46701740605","channel":"SMS","app_id":""},"contact_id":"C","conversation_id":"V",
  "metadata":"m\"1","sender_id":"12345","injected":true,"processing_mode":"CONVERSATION","tomorrow":{"new":[1,2]},
  "contact_message":{"reply_to":{"message_id":"01"},"text_message":{"text":"Hé \"you\" 🌷"}}}`
	m, err := parseMessage(body)
	require.NoError(t, err)
	assert.Equal(t, Message{
		ID: "01A", ConversationID: "V", ContactID: "C", Direction: "TO_APP", Channel: "SMS", Identity: "46701740605",
		SenderID: "12345", AcceptTime: time.Date(2026, 3, 1, 23, 59, 59, 123456789, time.UTC),
		Type: "text_message", Text: `Hé "you" 🌷`, Metadata: `m"1`, Injected: true, ProcessingMode: "CONVERSATION", Body: body,
	}, m)
	assert.Equal(t, "date=2026-03-01", m.record(new(partition)).Partition)
}

func parseMessage(body string) (m Message, err error) {
	scan := jsonscan.New([]byte(body))
	m.Body = body
	return m, m.read(&scan)
}

func TestTextIsWhatAPersonWouldRead(t *testing.T) {
	t.Parallel()
	for content, want := range map[string][2]string{
		`{"text_message":{"text":"hi"}}`:                                                                                        {"text_message", "hi"},
		`{"card_message":{"title":"T","description":"D"}}`:                                                                      {"card_message", "T\nD"},
		`{"choice_message":{"text_message":{"text":"pick"},"choices":[{"text_message":{"text":"a"}}]}}`:                         {"choice_message", "pick"},
		`{"media_card_message":{"url":"u","caption":"C"}}`:                                                                      {"media_card_message", "C"},
		`{"carousel_message":{"cards":[{"title":"1"},{"title":"2","description":"d"}]}}`:                                        {"carousel_message", "1\n2\nd"},
		`{"fallback_message":{"raw_message":"raw"}}`:                                                                            {"fallback_message", "raw"},
		`{"location_message":{"title":"Home","coordinates":{"latitude":1}}}`:                                                    {"location_message", "Home"},
		`{"media_message":{"url":"https://example.com/a.png"}}`:                                                                 {"media_message", ""},
		`{"agent":{"display_name":"Bo"},"explicit_channel_message":{"SMS":"x"},"list_message":{"title":"L","description":"D"}}`: {"list_message", "L\nD"},
		`{"text_message":{"text":7}}`:                                                                                           {"text_message", ""}, // not a text: nothing is made up
		`{}`:                                                                                                                    {"", ""},
	} {
		m, err := parseMessage(`{"id":"1","accept_time":"2026-03-01T00:00:00Z","app_message":` + content + `}`)
		require.NoError(t, err)
		assert.Equal(t, want, [2]string{m.Type, m.Text}, content)
	}
}

func TestAMessageThatCanNotBeKeptExactlyOnceIsAnError(t *testing.T) {
	t.Parallel()
	for body, words := range map[string]string{
		`{"accept_time":"2026-03-01T00:00:00Z"}`:               "has no id",
		`{"id":"1"}`:                                           "message 1: accept_time",
		`{"id":"1","accept_time":"yesterday"}`:                 "message 1: accept_time",
		`{"id":"1","accept_time":"0000-01-01T00:00:00+01:00"}`: "message 1: accept_time: the year -1",
		`{"id":"1","accept_time":"9999-12-31T23:00:00-01:00"}`: "message 1: accept_time: the year 10000",
		`{}`:  "has no id",
		`[1]`: "has no id",
	} {
		_, err := parseMessage(body)
		require.Error(t, err, body)
		assert.Contains(t, err.Error(), words)
	}
}

func TestWhatTheAPIWouldRefuseIsSaidBeforeItIsSent(t *testing.T) {
	t.Parallel()
	to := func(channel, identity string) string {
		return `{"recipient":{"identified_by":{"channel_identities":[{"channel":"` + channel + `","identity":"` + identity + `"}]}},"message":{"text_message":{"text":"x"}}}`
	}
	long := make([]rune, 1025)
	for i := range long {
		long[i] = 'é'
	}
	for _, c := range []struct{ body, words string }{
		{to("SMS", ""), "the SMS identity is empty"},
		{to("SMS", "0701740605"), "begins with 0"},
		{to("SMS", "+46 70 174 06 05"), "it holds ' '"},
		{to("WHATSAPP", "12345"), "5 digits"},
		{to("RCS", "1234567890123456"), "16 digits"},
		{to("SMS", "+"), "0 digits"},
		{`{"recipient":{},"message":{"text_message":{"text":"x"}}}`, "neither a contact_id nor a channel identity"},
		{`{"recipient":{"contact_id":"01"},"message":{"text_message":{"text":""}}}`, "the text is empty"},
		{`{"recipient":{"contact_id":"01"},"message_metadata":"` + string(long) + `"}`, "message_metadata has 1025 characters"},
		{`{"recipient":{"contact_id":"01"},"correlation_id":"` + string(long[:129]) + `"}`, "correlation_id has 129 characters"},
	} {
		err := checkSend(c.body)
		require.Error(t, err, c.body)
		assert.Contains(t, err.Error(), c.words)
		assert.NotContains(t, err.Error(), "70174", "no identity in an error")
	}
	for _, body := range []string{
		to("SMS", "+46701740605"), to("SMS", "46701740605"), to("MESSENGER", "any-id 07"),
		`{"recipient":{"contact_id":"01"},"message":{"template_message":{}}}`,
	} {
		assert.NoError(t, checkSend(body), body)
	}
}

func checkSend(body string) error {
	s := readSend([]byte(body))
	return s.check()
}
