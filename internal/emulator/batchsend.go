package emulator

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
)

// batched is one message of a batch, and the part of the request it is from.
type batched struct {
	sending
	part string
}

// sendBatch takes a batch whole or not at all. Where the specification leaves
// open who is told of a contact that nobody has, the caller is.
func (e *Emulator) sendBatch(c *call) reply {
	b, refused := e.readBatch(c)
	if refused != nil {
		return *refused
	}
	if !e.addBatch(b, c.now) {
		return e.refuse(http.StatusTooManyRequests, "The queue of the app is full.")
	}
	c.recorded = true
	j := compact()
	j.open()
	j.key("batch_id").text(b.id)
	b.writeDue(&j)
	j.close()
	return ok(j.b)
}

// leastRecipient is what a recipient takes in a request at least.
const leastRecipient = len(`{"recipient":{"contact_id":"x"}}`)

func (e *Emulator) readBatch(c *call) (*batch, *reply) {
	shared, refused := e.readSending(c)
	if refused != nil {
		return nil, refused
	}
	given := gjson.GetMany(c.body, "send_after", "batch_metadata", "recipient_and_params")
	due, fault := dueTime(given[0].Str, c.now)
	if fault != "" {
		r := e.invalid(violation{"send_after", fault})
		return nil, &r
	}
	b := &batch{id: e.nextBatchID(c), due: due}
	if given[1].IsObject() {
		b.metadata, b.tags = given[1].Raw, stringsOf(given[1])
	}
	r := batchReader{Emulator: e, shared: shared, message: newTemplate(shared.content), tagger: newTagger(shared.metadata, b.id)}
	b.sends = make([]batched, 0, min(batchMost, len(given[2].Raw)/leastRecipient+1))
	given[2].ForEach(func(_, v gjson.Result) bool {
		var s batched
		if s, refused = r.read(v, len(b.sends)); refused == nil {
			b.sends = append(b.sends, s)
		}
		return refused == nil
	})
	b.recipients = len(b.sends)
	return b, refused
}

func (e *Emulator) nextBatchID(c *call) string {
	return string(appendID(nil, e.options.Seed, kindBatch, int(e.batches.numbers.Add(1)), c.now))
}

// Limits of send_after.
const (
	furthest = 7 * 24 * time.Hour
	soon     = time.Minute // nearer than this it is sent at once
	mark     = 5 * time.Minute
)

// dueTime is when a batch is sent: 0 for now, else on the next mark.
func dueTime(given string, now int64) (due int64, fault string) {
	if given == "" {
		return 0, ""
	}
	t, err := time.Parse(time.RFC3339Nano, given)
	switch ahead := t.Sub(time.Unix(0, now)); {
	case err != nil:
		return 0, "must be a time of the form 2006-01-02T15:04:05Z"
	case isElsewhere(t):
		return 0, "must be UTC"
	case ahead > furthest:
		return 0, "must be at most 7 days ahead"
	case ahead <= soon:
		return 0, ""
	}
	onMark := t.Truncate(mark)
	if onMark.Before(t) {
		onMark = onMark.Add(mark)
	}
	return onMark.UnixNano(), ""
}

func isElsewhere(t time.Time) bool {
	_, offset := t.Zone()
	return offset != 0
}

// stringsOf are the top-level strings of an object.
func stringsOf(v gjson.Result) map[string]string {
	found := make(map[string]string)
	v.ForEach(func(key, value gjson.Result) bool {
		if value.Type == gjson.String {
			found[key.Str] = value.Str
		}
		return true
	})
	return found
}

// batchReader makes the messages of a batch, one recipient after another.
type batchReader struct {
	*Emulator
	shared  sending
	message template
	tagger  tagger
}

// read makes the message to recipient i.
func (r *batchReader) read(v gjson.Result, i int) (batched, *reply) {
	s := batched{r.shared, v.Raw}
	var parameters, own, sticky gjson.Result
	v.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "recipient":
			s.readRecipient(value)
		case "parameters":
			parameters = value
		case "message_metadata":
			own = value
		case "conversation_metadata":
			sticky = value
		}
		return true
	})
	s.metadata = r.tagger.tag(own)
	content, missing := r.message.fill(parameters)
	s.content = content
	switch {
	case s.dispatch && s.contact != "":
		return s, r.wrong(i, "recipient.contact_id", needsIdentities)
	case s.override && sticky.IsObject():
		return s, r.wrong(i, "conversation_metadata", "is not supported with DISPATCH_ONLY")
	case missing != "":
		return s, r.wrong(i, "parameters."+missing, "is required, since the message uses it")
	case s.contact == "":
		return s, nil
	}
	if _, found := r.store.findContact(s.contact); !found {
		refused := r.refuse(http.StatusNotFound, "contact not found")
		return s, &refused
	}
	return s, nil
}

func (r *batchReader) wrong(i int, field, description string) *reply {
	refused := r.invalid(violation{fmt.Sprintf("recipient_and_params[%d].%s", i, field), description})
	return &refused
}

// acceptBatch is the moment at which the messages of a batch count: at, or now
// for 0. Contacts that are gone by then get nothing. The caller holds the lock
// of the batches.
func (e *Emulator) acceptBatch(b *batch, at int64) {
	st := e.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if at == 0 {
		at = e.options.Now().UnixNano()
	}
	ids := &Identifiers{BatchID: b.id}
	for _, s := range b.sends {
		contact := -1
		if s.contact != "" {
			n, found := st.contactNumber(s.contact)
			if !found {
				continue
			}
			contact = n
		}
		a, newcomer := e.arrive(s.sending, contact, at)
		e.ledger.add(entry{
			at: at, op: "Batch_SendBatch", ids: ids, message: a.position,
			channel: a.channel, identity: a.identity, body: s.part, sent: a, newcomer: newcomer,
		})
	}
	b.status, b.sends = BatchProcessed, nil
}
