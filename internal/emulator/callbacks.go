package emulator

import (
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"sort"
	"strconv"
)

// Callback is one that the API would send. They are numbered from 1 on, without
// gaps, in the order in which they came about.
type Callback struct {
	Number  int64           `json:"number"`
	Trigger string          `json:"trigger"` // as a webhook names it
	Body    json.RawMessage `json:"body"`    // as it would be posted
}

// mostNotes is how many callbacks are kept that do not follow from the ledger:
// when there are more, the oldest are forgotten, which shows as a gap in the
// numbers. Reports of delivery cost nothing to keep, and all of them are.
const mostNotes = 1 << 16

// note is a callback that is kept as it is.
type note struct {
	number  int64
	trigger string
	body    []byte
}

// reports is how many callbacks follow from a line of the ledger: of a
// message or an event that it is on its channel and that it is delivered, and
// of a contact that a message made.
func (x *entry) reports() int64 {
	switch x.op {
	case "Messages_SendMessage", "Batch_SendBatch":
		if x.newcomer {
			return 3
		}
		return 2
	case "Events_SendEvent":
		return 2
	}
	return 0
}

// note puts a callback on the queue.
func (l *ledger) note(trigger string, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.numbered++
	l.notes = append(l.notes, note{number: l.numbered, trigger: trigger, body: body})
	if len(l.notes) >= 2*mostNotes {
		l.notes = slices.Clone(l.notes[len(l.notes)-mostNotes:])
	}
}

// after gives the lines and the notes with callbacks later than n.
func (l *ledger) after(n int64) (iter.Seq[*entry], []note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, notes := l.entries.snapshot(), l.notes[:len(l.notes):len(l.notes)]
	notes = notes[max(0, len(notes)-mostNotes):]
	i := sort.Search(lines.len(), func(i int) bool { return lines.at(i).first+lines.at(i).reports() > n+1 })
	j := sort.Search(len(notes), func(j int) bool { return notes[j].number > n })
	return lines.from(i), notes[j:]
}

// CallbacksAfter yields the callbacks with numbers above n, 0 for all that are
// kept, up to now. It may be called while requests are served. Nothing is
// delivered anywhere: whoever reads them posts them, if that is wanted.
//
// A message or an event that was sent, alone or in a batch, is told to be on its
// channel and then to be delivered, at once. Contacts are told of when they are
// made, also by a message, changed, merged and deleted; of opt-ins and opt-outs there is one
// callback for each channel, of a capability one for each channel of the
// recipient.
func (e *Emulator) CallbacksAfter(n int64) iter.Seq[Callback] {
	return func(yield func(Callback) bool) {
		e.sendDue(e.options.Now().UnixNano())
		lines, notes := e.ledger.after(n)
		give := func(c Callback) bool { return c.Number <= n || yield(c) }
		giveNotes := func(below int64) bool {
			for len(notes) > 0 && notes[0].number < below {
				next := notes[0]
				notes = notes[1:]
				if !give(Callback{next.number, next.trigger, next.body}) {
					return false
				}
			}
			return true
		}
		for x := range lines {
			for k := range x.reports() {
				if !giveNotes(x.first) || !give(e.report(x, k)) {
					return
				}
			}
		}
		giveNotes(1 << 62)
	}
}

// controlCallbacks answers the callbacks after a number, a line of JSON for
// each: all that there are, or as many as limit says.
func (e *Emulator) controlCallbacks(w http.ResponseWriter, r *http.Request) {
	after, limit := int64(0), int64(1<<62)
	for name, into := range map[string]*int64{"after": &after, "limit": &limit} {
		if given := r.URL.Query().Get(name); given != "" {
			n, err := strconv.ParseInt(given, 10, 64)
			if err != nil || n < 0 {
				http.Error(w, name+" must be a number, 0 or more", http.StatusBadRequest)
				return
			}
			*into = n
		}
	}
	w.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for c := range e.CallbacksAfter(after) {
		if limit--; limit < 0 || lines.Encode(c) != nil {
			return // or the reader is gone
		}
	}
}

// report makes one of the callbacks that follow from a line of the ledger.
func (e *Emulator) report(x *entry, k int64) Callback {
	c := Callback{Number: x.first + k}
	if x.newcomer {
		if k == 0 {
			c.Trigger, c.Body = "CONTACT_CREATE", e.newcomerBody(x)
			return c
		}
		k--
	}
	status := [...]string{"QUEUED_ON_CHANNEL", "DELIVERED"}[k]
	if x.op == "Events_SendEvent" {
		c.Trigger, c.Body = "EVENT_DELIVERY", e.eventReport(x, k+1, status)
	} else {
		c.Trigger, c.Body = "MESSAGE_DELIVERY", e.messageReport(x, k+1, status)
	}
	return c
}
