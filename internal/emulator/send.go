package emulator

import "net/http"

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
	for name, value := range c.json.fields() {
		if value.is(null) {
			continue
		}
		switch name {
		case "app_id":
			app = value.text()
		case "processing_strategy":
			strategy = value.text()
		case "conversation_metadata":
			sticky = append(sticky, name)
		case "correlation_id":
			sticky = append(sticky, name)
			s.correlation = value.raw()
		case "message":
			s.content = value.raw()
		case "message_metadata":
			s.metadata = value.raw()
		case "channel_priority_order":
			for v := range value.elements() {
				s.order = append(s.order, v.text())
			}
		case "recipient":
			s.contact, s.identities = readRecipient(value, nil)
		}
	}
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

// readRecipient reads the id of a contact, or identities, which it appends to
// those of others.
func readRecipient(v value, others []identity) (contact string, identities []identity) {
	identities = others
	for name, value := range v.fields() {
		switch name {
		case "contact_id":
			contact = value.text()
		case "identified_by":
			identities = readIdentities(value.get("channel_identities"), others)
		}
	}
	return contact, identities
}

// readIdentities reads a list of channel identities, as they are read back, and
// appends them to others.
func readIdentities(v value, others []identity) []identity {
	for i := range v.elements() {
		others = append(others, readIdentity(i))
	}
	return others
}

func readIdentity(v value) identity {
	var i identity
	for name, value := range v.fields() {
		switch name {
		case "channel":
			i.channel = value.text()
		case "identity":
			i.value = value.text()
		case "app_id":
			i.app = value.text()
		}
	}
	if !isScoped(i.channel) {
		i.app = ""
	}
	i.value = canonical(i.channel, i.value)
	return i
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
	a := &arrival{given: s.content, metadata: s.metadata}
	newcomer := e.arrive(a, s, contact, e.options.Now().UnixNano())
	e.ledger.add(entry{at: a.at, op: c.op.id, sent: a, body: c.body, newcomer: newcomer})
	c.recorded = true
	return a.position
}

// arrive keeps a message that a request asks for, whose words are there, and
// tells whether it made its recipient a contact. The caller holds the store's
// lock.
func (e *Emulator) arrive(a *arrival, s sending, contact int, now int64) (newcomer bool) {
	st := e.store
	a.visible = now + int64(e.options.ListDelay)
	a.at, a.dispatch, a.person, a.conversation = now, s.dispatch, -1, -1
	if contact >= 0 {
		s.identities = st.identitiesOf(contact)
	}
	to, known := s.reach(), st.met.len()
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
	return st.met.len() > known
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
	if before := s.latestIn(a.conversation); before == nil || before.older(a.position) {
		s.setLatest(a)
	}
}
