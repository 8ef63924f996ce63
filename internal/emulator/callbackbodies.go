package emulator

import (
	"slices"

	"github.com/tidwall/gjson"
)

// envelope is what every callback has around its payload. It came about so
// many milliseconds after it was accepted.
func (e *Emulator) envelope(at, millis int64, request string, payload func(*writer)) []byte {
	j := compact()
	j.open()
	j.key("app_id").text(e.store.app)
	j.key("project_id").text(e.project)
	j.key("accepted_time").time(at)
	j.key("event_time").time(at + millis*1e6)
	j.key("message_metadata").raw(or(textOf(request, "message_metadata"), `""`))
	j.key("correlation_id").raw(or(textOf(request, "correlation_id"), `""`))
	payload(&j)
	j.close()
	return j.b
}

// request is what was asked for, as one who sends a single message asks for it:
// of a batch's message, what reports on it repeat.
func (x *entry) request() string {
	if x.sent == nil || x.sent.batch == nil {
		return x.body
	}
	return `{"message_metadata":` + or(x.sent.tags(), `""`) + `}`
}

func (e *Emulator) messageReport(x *entry, millis int64, status string) []byte {
	s := e.store
	m, stored := s.numbered(x.sent.number)
	s.mu.RLock()
	defer s.mu.RUnlock()
	contact, conversation, dispatch := "", "", true
	if stored && !m.dispatch {
		dispatch = false
		contact = string(s.contactIDOf(nil, s.heirOf(m.person)))
		conversation = string(s.conversationIDOf(nil, m.conversation))
	}
	request := x.request()
	return e.envelope(x.at, millis, request, func(j *writer) {
		j.key("message_delivery_report").open()
		j.key("message_id").text(string(s.messageID(nil, x.sent.position)))
		j.key("conversation_id").text(conversation)
		s.writeReport(j, x, contact, status, dispatch)
		j.key("metadata").raw(or(textOf(request, "message_metadata"), `""`))
		j.close()
	})
}

func (e *Emulator) eventReport(x *entry, millis int64, status string) []byte {
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	contact := ""
	v := s.eventWith(x.ids.EventID)
	if v != nil && v.person >= 0 {
		contact = string(s.contactIDOf(nil, s.heirOf(v.person)))
	}
	return e.envelope(x.at, millis, x.body, func(j *writer) {
		j.key("event_delivery_report").open()
		j.key("event_id").text(x.ids.EventID)
		s.writeReport(j, x, contact, status, v == nil)
		j.key("metadata").raw(or(textOf(x.body, "event_metadata"), `""`))
		j.close()
	})
}

// writeReport writes what reports on messages and on events have in common.
func (s *store) writeReport(j *writer, x *entry, contact, status string, dispatch bool) {
	j.key("status").text(status)
	s.writeIdentity(j.key("channel_identity"), x.recipient())
	j.key("contact_id").text(contact)
	j.key("processing_mode").text(mode(dispatch))
}

// newcomerBody tells of a contact that a message made, as it was then.
func (e *Emulator) newcomerBody(x *entry) []byte {
	s := e.store
	m, _ := s.numbered(x.sent.number)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.metAs(m.person)
	return e.envelope(x.at, 0, "", func(j *writer) {
		j.key("contact_create_notification").open()
		s.writeContactAs(j.key("contact"), m.person, &v)
		j.close()
	})
}

// tellContacts puts a callback on the queue that has contacts, as JSON, under
// the names given: name, contact, name, contact.
func (e *Emulator) tellContacts(c *call, trigger, payload string, named ...string) {
	e.ledger.note(trigger, e.envelope(c.now, 0, "", func(j *writer) {
		j.key(payload).open()
		for i := 0; i < len(named); i += 2 {
			j.key(named[i]).raw(named[i+1])
		}
		j.close()
	}))
}

// tellOutcome puts on the queue what becomes of a request whose outcome comes
// later, if the operation is of that sort.
func (e *Emulator) tellOutcome(c *call, answer []byte) {
	switch c.op.callback {
	case "OPT_IN":
		e.tellOpt(c, "opt_in_notification", "OPT_IN", answer)
	case "OPT_OUT":
		e.tellOpt(c, "opt_out_notification", "OPT_OUT", answer)
	case "CAPABILITY":
		e.tellCapability(c, answer)
	}
}

// tellOpt: it succeeds on every channel where the recipient can be reached.
func (e *Emulator) tellOpt(c *call, payload, what string, answer []byte) {
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	who, mode := s.recipient(c.json.get("recipient")), e.mode()
	if gjson.Get(c.body, "processing_strategy").Str == "DISPATCH_ONLY" {
		mode = ModeDispatch
	}
	for _, channel := range distinct(strs(gjson.Get(c.body, "channels"))) {
		i := slices.IndexFunc(who.identities, func(i identity) bool { return i.channel == channel })
		e.ledger.note(what, e.envelope(c.now, 0, "", func(j *writer) {
			j.key(payload).open()
			j.key("request_id").text(gjson.GetBytes(answer, "request_id").Str)
			j.key("contact_id").text(s.idOf(who))
			j.key("channel").text(channel)
			if i >= 0 {
				j.key("identity").text(who.identities[i].value)
				j.key("status").text(what + "_SUCCEEDED")
			} else {
				j.key("status").text(what + "_FAILED")
				j.key("error_details").raw(`{"description":"the recipient has no identity on this channel"}`)
			}
			j.key("processing_mode").text(mode)
			j.close()
		}))
	}
}

// tellCapability: the recipient can do everything on the channels that the app
// is configured for, and nothing on the others.
func (e *Emulator) tellCapability(c *call, answer []byte) {
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	who := s.recipient(c.json.get("recipient"))
	for _, i := range who.identities {
		e.ledger.note("CAPABILITY", e.envelope(c.now, 0, "", func(j *writer) {
			j.key("capability_notification").open()
			j.key("contact_id").text(s.idOf(who))
			j.key("identity").text(i.value)
			j.key("channel").text(i.channel)
			j.key("request_id").text(gjson.GetBytes(answer, "request_id").Str)
			if e.isConfigured(i.channel) {
				j.key("capability_status").text("CAPABILITY_FULL")
				j.key("channel_capabilities").raw("[]")
			} else {
				j.key("capability_status").text("NO_CAPABILITY")
				j.key("reason").raw(notConfigured)
			}
			j.close()
		}))
	}
}

const notConfigured = `{"code":"CHANNEL_CONFIGURATION_MISSING","description":"the app is not configured for the channel",` +
	`"sub_code":"UNSPECIFIED_SUB_CODE"}`

func distinct(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// party is whom a request is about.
type party struct {
	contact    int // -1 for somebody who is no contact
	identities []identity
}

// recipient finds whom a recipient is. The caller holds the lock, here and
// below.
func (s *store) recipient(v value) party {
	id, identities := readRecipient(v, nil)
	who := party{contact: -1, identities: identities}
	if n, found := s.contactNumber(id); found {
		return party{n, s.identitiesOf(n)}
	}
	for _, i := range identities {
		if n, known := s.lookup(i); known {
			who.contact = n
			break
		}
	}
	return who
}

// idOf is the id of a contact, empty for somebody who is none.
func (s *store) idOf(who party) string {
	if who.contact < 0 {
		return ""
	}
	return string(s.contactIDOf(nil, who.contact))
}
