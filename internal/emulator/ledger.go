package emulator

import (
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// Accepted is one call that took effect, whether or not the caller learned of
// it.
type Accepted struct {
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"` // as the specification names it
	Identifiers
	Channel  string `json:"channel,omitempty"`  // that a sent message or event goes to
	Identity string `json:"identity,omitempty"` // as it is read back
	Metadata string `json:"metadata,omitempty"` // message_metadata, or metadata
	Text     string `json:"text,omitempty"`     // of a text message
	Body     string `json:"body,omitempty"`     // the request as received; of the Batch API the part that this is about
}

// Identifiers are the ids that a call made or was about.
type Identifiers struct {
	AppID          string `json:"app_id,omitempty"`          // of an app that was made, changed or deleted, or whose webhook was
	WebhookID      string `json:"webhook_id,omitempty"`      // of one that was made, changed or deleted
	MessageID      string `json:"message_id,omitempty"`      // of a message that was sent, injected, deleted or changed
	ContactID      string `json:"contact_id,omitempty"`      // of a merge: the one that stays
	SourceID       string `json:"source_id,omitempty"`       // of a merge: the one that is gone
	ConversationID string `json:"conversation_id,omitempty"` // of one that was made, changed, stopped or deleted, or injected to
	BatchID        string `json:"batch_id,omitempty"`        // that a message was part of, or that was cancelled
	EventID        string `json:"event_id,omitempty"`        // of an event that was sent, injected or deleted
}

// entry is Accepted as it is kept: what can be read out of the request is read
// when somebody asks.
type entry struct {
	at       int64
	op       string
	ids      *Identifiers // where there are others than that of sent
	sent     *arrival     // the message, if it was one that was sent
	to       *identity    // where an event went, or whose consent it is
	body     string       // empty for a batch's message, which has its part
	newcomer bool         // the message made its recipient a contact
	first    int64        // number of the next callback, which is the entry's own if it has any
}

// recipient is where a message or an event went, no identity for anything else.
func (x *entry) recipient() identity {
	switch {
	case x.sent != nil:
		return identity{channel: x.sent.channel, value: x.sent.identity}
	case x.to != nil:
		return *x.to
	}
	return identity{}
}

// ledger is what was accepted, and the callbacks that follow from it: most
// when they are read, the others are noted.
type ledger struct {
	mu       sync.Mutex
	entries  series[entry]
	notes    []note
	numbered int64 // callbacks so far
}

func (l *ledger) add(e entry) {
	l.mu.Lock()
	e.first = l.numbered + 1
	l.numbered += e.reports()
	l.entries.add(e)
	l.mu.Unlock()
}

func (l *ledger) snapshot() *series[entry] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries.snapshot()
}

// accepted is the ledger with what is due by now.
func (e *Emulator) accepted() *series[entry] {
	e.sendDue(e.options.Now().UnixNano())
	return e.ledger.snapshot()
}

// Accepted lists what took effect so far, in the order in which it did.
func (e *Emulator) Accepted() []Accepted {
	entries := e.accepted()
	accepted := make([]Accepted, entries.len())
	for i := range accepted {
		accepted[i] = e.readEntry(entries.at(i))
	}
	return accepted
}

// AcceptedCount is the length of Accepted, without reading any of it.
func (e *Emulator) AcceptedCount() int { return e.accepted().len() }

func (e *Emulator) readEntry(x *entry) Accepted {
	to := x.recipient()
	a := Accepted{
		Time: time.Unix(0, x.at).UTC(), Operation: x.op,
		Channel: to.channel, Identity: to.value, Body: x.body,
	}
	if x.ids != nil {
		a.Identifiers = *x.ids
	}
	if sent := x.sent; sent != nil {
		a.MessageID = string(e.store.messageID(nil, sent.position))
		if sent.batch != nil {
			a.Body, a.Metadata = sent.given, gjson.Parse(sent.tags()).Str
			a.Text = gjson.Get(sent.content(), "text_message.text").String()
			return a
		}
	}
	for i, v := range gjson.GetMany(x.body, "message_metadata", "metadata", "message.text_message.text") {
		switch {
		case i < 2 && a.Metadata == "":
			a.Metadata = v.String()
		case i == 2:
			a.Text = v.String()
		}
	}
	return a
}

// record writes an accepted call to the ledger. Handlers that hold the store's
// lock call it there, so that the ledger has the order of the effects.
func (e *Emulator) record(c *call, ids Identifiers) {
	e.ledger.add(entry{at: c.now, op: c.op.id, ids: &ids, body: c.body})
	c.recorded = true
}
