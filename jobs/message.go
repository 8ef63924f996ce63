package jobs

import (
	"fmt"
	"slices"
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

// read reads the columns off one message of a list, but for its body. The error
// says what is missing; a message without id or accept_time can not be archived
// exactly once, so it is one. What it reads shares the bytes of the list.
func (m *Message) read(scan *jsonscan.Scanner) error {
	var accepted string
	for name := range scan.Members() {
		switch name {
		case "id":
			m.ID = scan.Text()
		case "conversation_id":
			m.ConversationID = scan.Text()
		case "contact_id":
			m.ContactID = scan.Text()
		case "direction":
			m.Direction = scan.Text()
		case "channel_identity":
			m.Channel, m.Identity, _ = identityOf(scan)
		case "sender_id":
			m.SenderID = scan.Text()
		case "accept_time":
			accepted = scan.Text()
		case "metadata":
			m.Metadata = scan.Text()
		case "injected":
			m.Injected = string(scan.Value()) == "true"
		case "processing_mode":
			m.ProcessingMode = scan.Text()
		case "app_message", "contact_message":
			if scan.IsObject() {
				m.Type, m.Text = describe(scan)
			}
		}
	}
	if m.ID == "" {
		return fmt.Errorf("a message in the answer has no id")
	}
	at, err := time.Parse(time.RFC3339Nano, accepted)
	if err != nil {
		return fmt.Errorf("message %s: accept_time: %w", m.ID, err)
	}
	m.AcceptTime = at.UTC()
	if year := m.AcceptTime.Year(); year < 1 || year > 9999 { // no folder could have the name of its day
		return fmt.Errorf("message %s: accept_time: the year %d", m.ID, year)
	}
	return nil
}

// shared is b as text, without a copy: nobody may change b from then on.
func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// identityOf reads a channel identity.
func identityOf(scan *jsonscan.Scanner) (channel, identity, app string) {
	for name := range scan.Members() {
		switch name {
		case "channel":
			channel = scan.Text()
		case "identity":
			identity = scan.Text()
		case "app_id":
			app = scan.Text()
		}
	}
	return channel, identity, app
}

// alone is the message in memory of its own, not in that of its page.
func (m *Message) alone() (*Message, error) {
	body := []byte(m.Body)
	alone := &Message{ProjectID: m.ProjectID, AppID: m.AppID, RunID: m.RunID, ArchivedAt: m.ArchivedAt, Body: shared(body)}
	scan := jsonscan.New(body)
	return alone, alone.read(&scan)
}

// describe returns the API's key of the content, and what a person would read
// of it: the text, or title and caption.
func describe(scan *jsonscan.Scanner) (kind, text string) {
	for name := range scan.Members() {
		switch name {
		case "agent", "reply_to", "explicit_channel_message", "explicit_channel_omni_message", "additionalProperties":
		default:
			return name, readable(scan)
		}
	}
	return "", ""
}

// readable joins what the contents of the API keep in words for people.
func readable(content *jsonscan.Scanner) string {
	var w words
	w.read(content)
	all := append(w.parts[:], w.cards...)
	return strings.Join(slices.DeleteFunc(all, func(part string) bool { return part == "" }), "\n")
}

// words are those of one content, in the order in which they are read.
type words struct {
	parts [9]string
	cards []string
}

func (w *words) read(scan *jsonscan.Scanner) {
	for name := range scan.Members() {
		switch name {
		case "text":
			w.put(0, scan)
		case "text_message":
			w.member(1, scan, "text")
		case "title":
			w.put(2, scan)
		case "description":
			w.put(3, scan)
		case "caption":
			w.put(4, scan)
		case "label":
			w.put(5, scan)
		case "raw_message":
			w.put(6, scan)
		case "postback_data":
			w.put(7, scan)
		case "name":
			w.member(8, scan, "full_name")
		case "cards":
			for range scan.Elements() {
				w.cards = append(w.cards, readable(scan))
			}
		}
	}
}

// put takes a value that is a text.
func (w *words) put(at int, scan *jsonscan.Scanner) {
	if scan.IsText() {
		w.parts[at] = scan.Text()
	}
}

// member takes a member that is a text.
func (w *words) member(at int, scan *jsonscan.Scanner, name string) {
	for n := range scan.Members() {
		if n == name {
			w.put(at, scan)
		}
	}
}

// partition is the folder of a day, which one message after the other lies in.
type partition struct {
	day  time.Time
	name string
}

// of returns the folder of t, which is in UTC.
func (p *partition) of(t time.Time) string {
	if day := t.Truncate(24 * time.Hour); p.name == "" || !day.Equal(p.day) {
		*p = partition{day, "date=" + day.Format(time.DateOnly)}
	}
	return p.name
}

// record puts a message on its way into the dataset.
func (m *Message) record(day *partition) pipeline.Record {
	return pipeline.Record{
		Dataset:   "messages",
		Partition: day.of(m.AcceptTime),
		Order:     m.AcceptTime.UnixNano(),
		Size:      len(m.Body) + len(m.Text) + 400,
		Row:       m,
	}
}
