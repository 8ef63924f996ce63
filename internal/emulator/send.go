package emulator

import (
	"net/http"

	"github.com/tidwall/gjson"
)

// sending is a send request as far as the server looks at it.
type sending struct {
	dispatch    bool
	override    bool   // DISPATCH in spite of the app's mode
	contact     string // id; empty where identities are given
	identities  []identity
	order       []string // of channels
	content     string   // app_message as written
	metadata    string   // as JSON
	correlation string   // as JSON
}

const needsIdentities = "is not taken in DISPATCH mode; identify the recipient by channel_identities"

func (e *Emulator) sendMessage(c *call) reply {
	s, refused := e.readSending(c)
	if refused != nil {
		return *refused
	}
	contact := -1
	if s.contact != "" {
		n, found := e.store.findContact(s.contact)
		if !found {
			return e.refuse(http.StatusNotFound, "contact not found")
		}
		contact = n
	}
	if !e.queue.put(c.now) {
		return e.refuse(http.StatusTooManyRequests, "The queue of the app is full.")
	}
	accepted := e.accept(c, s, contact)
	j := compact()
	j.open()
	j.key("message_id").raw(`"`)
	j.b = append(e.store.messageID(j.b, accepted), '"')
	j.key("accepted_time").time(accepted.at)
	j.close()
	return ok(j.b)
}

// readSending takes a request that has the right shape and refuses what the
// shape can not express.
func (e *Emulator) readSending(c *call) (sending, *reply) {
	var s sending
	var app, strategy string
	var sticky []string // fields that belong to a conversation
	gjson.Parse(c.body).ForEach(func(key, value gjson.Result) bool {
		if value.Type == gjson.Null {
			return true
		}
		switch name := key.Str; name {
		case "app_id":
			app = value.Str
		case "processing_strategy":
			strategy = value.Str
		case "conversation_metadata":
			sticky = append(sticky, name)
		case "correlation_id":
			sticky = append(sticky, name)
			s.correlation = value.Raw
		case "message":
			s.content = value.Raw
		case "message_metadata":
			s.metadata = value.Raw
		case "channel_priority_order":
			value.ForEach(func(_, v gjson.Result) bool { s.order = append(s.order, v.Str); return true })
		case "recipient":
			s.readRecipient(value)
		}
		return true
	})
	if refused := e.checkApp(app); refused != nil {
		return s, refused
	}
	mode := e.mode()
	s.override = mode == ModeConversation && strategy == "DISPATCH_ONLY"
	s.dispatch = mode == ModeDispatch || s.override
	var wrong violations
	if s.dispatch && s.contact != "" {
		wrong.add("recipient.contact_id", needsIdentities)
	}
	if s.override {
		for _, name := range sticky {
			wrong.add(name, "is not supported with DISPATCH_ONLY")
		}
	}
	for _, channel := range s.order {
		if !e.isConfigured(channel) {
			wrong.add("channel_priority_order", "has a channel that the app is not configured for")
		}
	}
	if len(wrong) > 0 {
		r := e.invalid(wrong...)
		return s, &r
	}
	return s, nil
}

func (s *sending) readRecipient(v gjson.Result) {
	s.contact, s.identities = "", nil // of a recipient given twice the last one counts
	v.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "contact_id" {
			s.contact = value.Str
		} else {
			s.identities = readIdentities(value.Get("channel_identities"))
		}
		return true
	})
}

// readIdentities reads a list of channel identities, as they are read back.
func readIdentities(v gjson.Result) []identity {
	var identities []identity
	v.ForEach(func(_, i gjson.Result) bool {
		var channel, value, app string
		i.ForEach(func(k, v gjson.Result) bool {
			switch k.Str {
			case "channel":
				channel = v.Str
			case "identity":
				value = v.Str
			case "app_id":
				app = v.Str
			}
			return true
		})
		if !isScoped(channel) {
			app = ""
		}
		identities = append(identities, identity{channel, canonical(channel, value), app})
		return true
	})
	return identities
}

// reach picks where a message goes: the first channel of the order that the
// recipient has, else the recipient's first.
func (s *sending) reach() identity {
	for _, channel := range s.order {
		for _, i := range s.identities {
			if i.channel == channel {
				return i
			}
		}
	}
	return s.identities[0]
}

// accept is the moment at which a message counts: it gets its number, its time
// and its line in the ledger, all under one lock, so that the order of the
// three is the same.
func (e *Emulator) accept(c *call, s sending, contact int) position {
	st := e.store
	st.mu.Lock()
	defer st.mu.Unlock()
	a, newcomer := e.arrive(s, contact, e.options.Now().UnixNano())
	e.ledger.add(entry{
		at: a.at, op: c.op.id, message: a.position,
		channel: a.channel, identity: a.identity, body: c.body, newcomer: newcomer,
	})
	c.recorded = true
	return a.position
}

// arrive makes and keeps the message that a request asks for, and tells whether
// it made its recipient a contact. The caller holds the store's lock.
func (e *Emulator) arrive(s sending, contact int, now int64) (a *arrival, newcomer bool) {
	st := e.store
	a = &arrival{visible: now + int64(e.options.ListDelay), content: s.content, metadata: s.metadata}
	a.at, a.dispatch, a.person, a.conversation = now, s.dispatch, -1, -1
	if contact >= 0 {
		s.identities = st.identitiesOf(contact)
	}
	to, known := s.reach(), len(st.met)
	a.channel, a.identity = to.channel, to.value
	if !s.dispatch {
		if contact < 0 {
			contact = st.contactFor(s.identities, now)
		}
		a.person = contact
		a.conversation = st.conversationFor(contact, to.channel, now)
		if s.correlation != "" { // it stays with the conversation until the next one
			st.correlations[a.conversation] = s.correlation
		}
	}
	st.keepArrival(a)
	return a, len(st.met) > known
}

// unkeptBase is where the numbers of messages begin that are not stored.
const unkeptBase = 1 << 39

// keepArrival numbers a message, and stores it unless messages of its mode
// are not kept. The caller holds the store's lock.
func (s *store) keepArrival(a *arrival) {
	a.arrival = a
	if !s.keeps(a.dispatch) {
		a.number = unkeptBase + s.unkept
		s.unkept++
		return
	}
	s.add(a)
	if a.dispatch {
		return
	}
	if r := s.revisions[a.conversation]; r != nil && !a.injected {
		r.channel = ""
	}
	if before := s.latestIn[a.conversation]; before == nil || before.older(a.position) {
		s.latestIn[a.conversation] = a
	}
}
