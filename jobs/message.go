package jobs

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"convbatch/internal/jsonscan"
	"convbatch/pipeline"
)

// Message is one row of the messages dataset. The columns are read off the
// message as the API sent it; the body is that message, byte for byte, so a
// field that no column knows is not lost.
type Message struct {
	ProjectID      string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	AppID          string    `parquet:"app_id,dict" keep:"needed" doc:"The app."`
	ID             string    `parquet:"id" keep:"needed" doc:"Of the message; ref of a send."`
	ConversationID string    `parquet:"conversation_id" doc:"\"\" in DISPATCH mode."`
	ContactID      string    `parquet:"contact_id" doc:"Who it went to or came from."`
	Direction      string    `parquet:"direction,dict" doc:"TO_APP or TO_CONTACT."`
	Channel        string    `parquet:"channel,dict" doc:"SMS, WHATSAPP, RCS, …"`
	Identity       string    `parquet:"identity" keep:"personal" doc:"Of the contact on the channel: a number, mostly."`
	SenderID       string    `parquet:"sender_id,dict" doc:"Of the app on the channel."`
	AcceptTime     time.Time `parquet:"accept_time,timestamp(microsecond)" keep:"needed" doc:"When the API took it; the body keeps what is finer."`
	Type           string    `parquet:"type,dict" doc:"The API's key of the content: text_message, card_message, …"`
	Text           string    `parquet:"text" keep:"personal" doc:"What a person would read: the text, or title and caption."`
	Metadata       string    `parquet:"metadata" keep:"personal,repeats" doc:"As it was sent with the message."`
	Injected       bool      `parquet:"injected" doc:"It was put there by a request, not sent or received."`
	ProcessingMode string    `parquet:"processing_mode,dict" doc:"CONVERSATION or DISPATCH."`
	Body           string    `parquet:"body" keep:"personal,repeats" doc:"The JSON as received, byte for byte."`
	RunID          string    `parquet:"run_id,dict" keep:"needed" doc:"The run that archived it."`
	ArchivedAt     time.Time `parquet:"archived_at,timestamp(microsecond)" doc:"When that was."`
}

// parseMessage reads the columns off one message of a list. The error says
// what is missing; a message without id or accept_time can not be archived
// exactly once, so it is one. What it returns shares the bytes of body.
func parseMessage(body []byte) (Message, error) {
	m := Message{Body: shared(body)}
	var accepted string
	jsonscan.Members(body, func(name string, value []byte) bool {
		switch name {
		case "id":
			m.ID = jsonscan.Text(value)
		case "conversation_id":
			m.ConversationID = jsonscan.Text(value)
		case "contact_id":
			m.ContactID = jsonscan.Text(value)
		case "direction":
			m.Direction = jsonscan.Text(value)
		case "channel_identity":
			m.Channel, m.Identity, _ = identityOf(value)
		case "sender_id":
			m.SenderID = jsonscan.Text(value)
		case "accept_time":
			accepted = jsonscan.Text(value)
		case "metadata":
			m.Metadata = jsonscan.Text(value)
		case "injected":
			m.Injected = string(value) == "true"
		case "processing_mode":
			m.ProcessingMode = jsonscan.Text(value)
		case "app_message", "contact_message":
			if jsonscan.IsObject(value) {
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

// shared is b as text, without a copy: nobody may change b from then on.
func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// identityOf reads a channel identity.
func identityOf(object []byte) (channel, identity, app string) {
	jsonscan.Members(object, func(name string, value []byte) bool {
		switch name {
		case "channel":
			channel = jsonscan.Text(value)
		case "identity":
			identity = jsonscan.Text(value)
		case "app_id":
			app = jsonscan.Text(value)
		}
		return true
	})
	return channel, identity, app
}

// alone is the message in memory of its own, not in that of its page.
func (m *Message) alone() (*Message, error) {
	alone, err := parseMessage([]byte(m.Body))
	alone.ProjectID, alone.AppID, alone.RunID, alone.ArchivedAt = m.ProjectID, m.AppID, m.RunID, m.ArchivedAt
	return &alone, err
}

// describe returns the API's key of the content, and what a person would read
// of it: the text, or title and caption.
func describe(content []byte) (kind, text string) {
	jsonscan.Members(content, func(name string, value []byte) bool {
		switch name {
		case "agent", "reply_to", "explicit_channel_message", "explicit_channel_omni_message", "additionalProperties":
			return true
		}
		kind, text = name, readable(value)
		return false
	})
	return kind, text
}

// readable joins what the contents of the API keep in words for people.
func readable(content []byte) string {
	var w words
	w.read(content)
	var parts []string
	for _, part := range append(w.parts[:], w.cards...) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "\n")
}

// words are those of one content, in the order in which they are read.
type words struct {
	parts [9]string
	cards []string
}

func (w *words) read(content []byte) {
	jsonscan.Members(content, func(name string, value []byte) bool {
		switch name {
		case "text":
			w.put(0, value)
		case "text_message":
			w.put(1, memberOf(value, "text"))
		case "title":
			w.put(2, value)
		case "description":
			w.put(3, value)
		case "caption":
			w.put(4, value)
		case "label":
			w.put(5, value)
		case "raw_message":
			w.put(6, value)
		case "postback_data":
			w.put(7, value)
		case "name":
			w.put(8, memberOf(value, "full_name"))
		case "cards":
			jsonscan.Elements(value, func(card []byte) { w.cards = append(w.cards, readable(card)) })
		}
		return true
	})
}

// put takes a value that is a text.
func (w *words) put(at int, value []byte) {
	if jsonscan.IsText(value) {
		w.parts[at] = jsonscan.Text(value)
	}
}

// memberOf is the member of an object that has a name, nil when there is none.
func memberOf(object []byte, name string) (found []byte) {
	jsonscan.Members(object, func(n string, value []byte) bool {
		if n == name {
			found = value
		}
		return n != name
	})
	return found
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
