package emulator

import (
	"fmt"
	"net/http"
	"time"
)

// batched is one message of a batch: whom it goes to, and the part of the
// request that it is made of.
type batched struct {
	contact    string // id; empty where identities are given
	identities []identity
	part       string
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

func (e *Emulator) readBatch(c *call) (*batch, *reply) {
	shared, refused := e.readSending(c)
	if refused != nil {
		return nil, refused
	}
	due, fault := dueTime(c.json.get("send_after").text(), c.now)
	if fault != "" {
		r := e.invalid(violation{"send_after", fault})
		return nil, &r
	}
	b := &batch{id: e.nextBatchID(c), due: due, shared: shared}
	if given := c.json.get("batch_metadata"); given.is(object) {
		b.metadata, b.tags = given.raw(), stringsOf(given)
	}
	b.wording = newWording(shared, b.id)
	recipients := c.json.get("recipient_and_params")
	b.recipients = recipients.count()
	r := batchReader{Emulator: e, batch: b, identities: make([]identity, 0, b.recipients)}
	b.sends = make([]batched, 0, b.recipients)
	for v := range recipients.elements() {
		if refused := r.read(v); refused != nil {
			return nil, refused
		}
	}
	return b, nil
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
func stringsOf(v value) map[string]string {
	found := make(map[string]string)
	for name, value := range v.fields() {
		if value.is(text) {
			found[name] = value.text()
		}
	}
	return found
}

// batchReader reads the recipients of a batch, one after another.
type batchReader struct {
	*Emulator
	batch      *batch
	identities []identity // of all recipients so far: one slice, since there are so many
}

// read adds the message to the next recipient. What it says is made when
// somebody reads it.
func (r *batchReader) read(v value) *reply {
	b, s := r.batch, batched{part: v.raw()}
	var parameters, sticky value
	for name, field := range v.fields() {
		switch name {
		case "recipient":
			begin := len(r.identities)
			s.contact, r.identities = readRecipient(field, r.identities)
			s.identities = r.identities[begin:len(r.identities):len(r.identities)]
		case "parameters":
			parameters = field
		case "conversation_metadata":
			sticky = field
		}
	}
	missing, isMissing := b.wording.message.missing(parameters)
	switch {
	case b.shared.dispatch && s.contact != "":
		return r.wrong("recipient.contact_id", needsIdentities)
	case b.shared.override && sticky.is(object):
		return r.wrong("conversation_metadata", "is not supported with DISPATCH_ONLY")
	case isMissing:
		return r.wrong("parameters."+or(missing, "${}"), "is required, since the message uses it")
	}
	if s.contact != "" {
		if _, found := r.store.findContact(s.contact); !found {
			refused := r.refuse(http.StatusNotFound, "contact not found")
			return &refused
		}
	}
	b.sends = append(b.sends, s)
	return nil
}

// wrong refuses the batch for a field of the recipient that is being read.
func (r *batchReader) wrong(field, description string) *reply {
	refused := r.invalid(violation{fmt.Sprintf("recipient_and_params[%d].%s", len(r.batch.sends), field), description})
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
	arrivals := make([]arrival, len(b.sends))
	for i, sent := range b.sends {
		contact := -1
		if sent.contact != "" {
			n, found := st.contactNumber(sent.contact)
			if !found {
				continue
			}
			contact = n
		}
		s, a := b.shared, &arrivals[i]
		s.identities = sent.identities
		a.given, a.batch = sent.part, b.wording
		newcomer := e.arrive(a, s, contact, at)
		e.ledger.add(entry{at: at, op: "Batch_SendBatch", ids: ids, sent: a, newcomer: newcomer})
	}
	b.status, b.sends = BatchProcessed, nil
}
