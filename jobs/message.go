package jobs

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/pipeline"
)

// Message is one row of the messages dataset. The columns are read off the
// message as the API sent it; the body is that message, byte for byte, so a
// field that no column knows is not lost.
type Message struct {
	ProjectID      string    `parquet:"project_id,dict" doc:"The project."`
	AppID          string    `parquet:"app_id,dict" doc:"The app."`
	ID             string    `parquet:"id" doc:"Of the message; ref of a send."`
	ConversationID string    `parquet:"conversation_id" doc:"\"\" in DISPATCH mode."`
	ContactID      string    `parquet:"contact_id" doc:"Who it went to or came from."`
	Direction      string    `parquet:"direction,dict" doc:"TO_APP or TO_CONTACT."`
	Channel        string    `parquet:"channel,dict" doc:"SMS, WHATSAPP, RCS, …"`
	Identity       string    `parquet:"identity" doc:"Of the contact on the channel: a number, mostly."`
	SenderID       string    `parquet:"sender_id,dict" doc:"Of the app on the channel."`
	AcceptTime     time.Time `parquet:"accept_time,timestamp(microsecond)" doc:"When the API took it; the body keeps what is finer."`
	Type           string    `parquet:"type,dict" doc:"The API's key of the content: text_message, card_message, …"`
	Text           string    `parquet:"text" doc:"What a person would read: the text, or title and caption."`
	Metadata       string    `parquet:"metadata" doc:"As it was sent with the message."`
	Injected       bool      `parquet:"injected" doc:"It was put there by a request, not sent or received."`
	ProcessingMode string    `parquet:"processing_mode,dict" doc:"CONVERSATION or DISPATCH."`
	Body           string    `parquet:"body" doc:"The JSON as received, byte for byte."`
	RunID          string    `parquet:"run_id,dict" doc:"The run that archived it."`
	ArchivedAt     time.Time `parquet:"archived_at,timestamp(microsecond)" doc:"When that was."`
}

// parseMessage reads the columns off one message of a list. The error says
// what is missing; a message without id or accept_time can not be archived
// exactly once, so it is one.
func parseMessage(body []byte) (Message, error) {
	m := Message{Body: string(body)}
	var accepted string
	// One pass: each byte of the body is looked at once, whatever the columns.
	gjson.Parse(m.Body).ForEach(func(key, value gjson.Result) bool {
		switch key.String() {
		case "id":
			m.ID = value.String()
		case "conversation_id":
			m.ConversationID = value.String()
		case "contact_id":
			m.ContactID = value.String()
		case "direction":
			m.Direction = value.String()
		case "channel_identity":
			m.Channel = value.Get("channel").String()
			m.Identity = value.Get("identity").String()
		case "sender_id":
			m.SenderID = value.String()
		case "accept_time":
			accepted = value.String()
		case "metadata":
			m.Metadata = value.String()
		case "injected":
			m.Injected = value.Bool()
		case "processing_mode":
			m.ProcessingMode = value.String()
		case "app_message", "contact_message":
			if value.IsObject() {
				m.Type, m.Text = describe(value)
			}
		}
		return true
	})
	if m.ID == "" {
		return m, fmt.Errorf("a message in the answer has no id")
	}
	at, err := time.Parse(time.RFC3339Nano, accepted)
	if err != nil {
		return m, fmt.Errorf("message %s: accept_time: %w", m.ID, err)
	}
	m.AcceptTime = at.UTC()
	if year := m.AcceptTime.Year(); year < 1 || year > 9999 { // no folder could have the name of its day
		return m, fmt.Errorf("message %s: accept_time: the year %d", m.ID, year)
	}
	return m, nil
}

// describe returns the API's key of the content, and what a person would read
// of it: the text, or title and caption.
func describe(content gjson.Result) (kind, text string) {
	content.ForEach(func(key, value gjson.Result) bool {
		switch key.String() {
		case "agent", "reply_to", "explicit_channel_message", "explicit_channel_omni_message", "additionalProperties":
			return true
		}
		kind, text = key.String(), readable(value)
		return false
	})
	return kind, text
}

// readablePaths are where the contents of the API keep words for people, in
// the order in which they are read.
var readablePaths = []string{
	"text", "text_message.text", "title", "description", "caption", "label",
	"raw_message", "postback_data", "name.full_name",
}

func readable(value gjson.Result) string {
	var words []string
	for _, path := range readablePaths {
		if v := value.Get(path); v.Type == gjson.String && v.Str != "" {
			words = append(words, v.Str)
		}
	}
	value.Get("cards").ForEach(func(_, card gjson.Result) bool {
		if s := readable(card); s != "" {
			words = append(words, s)
		}
		return true
	})
	return strings.Join(words, "\n")
}

// record puts a message on its way into the dataset.
func (m *Message) record() pipeline.Record {
	return pipeline.Record{
		Dataset:   "messages",
		Partition: "date=" + m.AcceptTime.Format(time.DateOnly),
		Order:     m.AcceptTime.UnixNano(),
		Size:      len(m.Body) + len(m.Text) + 400,
		Row:       m,
	}
}
