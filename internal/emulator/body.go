package emulator

import (
	"strconv"
	"time"
)

// styles are ways in which servers write the same object. An archive that
// keeps bodies as received must not care, and one that encodes them again
// shows it here.
var styles = [...]struct{ colon, comma string }{
	{":", ","}, {":", ","}, {":", ","}, {": ", ", "}, {":", ", "}, {": ", ",\n  "},
}

// appendMessage appends a message as every answer has it: the same bytes each
// time, apart from metadata that was changed or is not asked for.
func (s *store) appendMessage(b []byte, m *message, withMetadata bool) []byte {
	r := stream{hash(s.seed, kindMessage, m.number)}
	style := &styles[r.below(len(styles))]
	p := pen{writer: writer{b: b, colon: style.colon, comma: style.comma}, stream: r, newer: s.newer}
	p.escape = p.oneIn(4)
	p.open()
	switch p.below(3) {
	case 0:
		s.writeIDs(&p, m)
		s.writeContent(&p, m)
		s.writeRest(&p, m, withMetadata)
	case 1:
		s.writeContent(&p, m)
		s.writeIDs(&p, m)
		s.writeRest(&p, m, withMetadata)
	default:
		s.writeRest(&p, m, withMetadata)
		s.writeIDs(&p, m)
		s.writeContent(&p, m)
	}
	if s.newer && p.oneIn(16) {
		p.key("routing_hints").raw(`{"zone":"eu-1", "score":0.70,"tags":["a","b"],"next":null}`) // of some later version
	}
	s.writeExtra(&p.writer)
	p.close()
	return p.b
}

func (s *store) writeIDs(p *pen, m *message) {
	p.key("id").raw(`"`)
	p.b = append(s.messageID(p.b, m.position), '"')
	if m.dispatch {
		if p.oneIn(2) {
			p.key("conversation_id").raw(`""`)
			p.key("contact_id").raw(`""`)
		}
	} else {
		s.writeThread(p, m)
	}
	p.key("channel_identity").open()
	p.key("channel").text(m.channel)
	p.key("identity").raw(`"`)
	p.b = append(s.appendIdentityOf(p.b, m), '"')
	switch {
	case isScoped(m.channel):
		p.key("app_id").text(s.app)
	case p.oneIn(2):
		p.key("app_id").raw(`""`)
	}
	p.close()
}

func (s *store) writeThread(p *pen, m *message) {
	s.mu.RLock() // it may belong to those that came later, or to others since
	defer s.mu.RUnlock()
	p.key("conversation_id").raw(`"`)
	p.b = append(s.conversationIDOf(p.b, m.conversation), '"')
	p.key("contact_id").raw(`"`)
	p.b = append(s.contactIDOf(p.b, s.heirOf(m.person)), '"')
}

func (s *store) writeContent(p *pen, m *message) {
	switch a := m.arrival; {
	case a != nil && a.given != "" && m.toApp:
		p.key("direction").raw(`"TO_APP"`)
		p.key("contact_message").raw(a.content())
	case a != nil && a.given != "":
		p.key("direction").raw(`"TO_CONTACT"`)
		p.key("app_message").raw(a.content())
	case m.toApp:
		p.key("direction").raw(`"TO_APP"`)
		p.key("contact_message")
		p.contactMessage()
	default:
		p.key("direction").raw(`"TO_CONTACT"`)
		p.key("app_message")
		p.appMessage()
	}
}

func (s *store) writeRest(p *pen, m *message, withMetadata bool) {
	p.key("accept_time").raw(`"`)
	p.b = append(appendAcceptTime(p.b, m.at, p.below(10)), '"')
	p.key("processing_mode").text(mode(m.dispatch))
	a := m.arrival
	p.key("injected").boolean(a != nil && a.injected || !m.dispatch && a == nil && p.oneIn(30))
	sender := [...]string{"", `""`, `"46771000000"`}[p.below(3)]
	if a != nil && a.injected {
		sender = a.sender
	}
	if s.newer && sender != "" {
		p.key("sender_id").raw(sender)
	}
	if s.newer && p.oneIn(12) {
		p.key("message_status").raw("null")
	}
	invented := p.next() // drawn in any case: the rest of the message must not depend on the view
	if withMetadata {
		s.writeMetadata(p, m, invented)
	}
}

func (s *store) writeMetadata(p *pen, m *message, invented uint64) {
	if changed := s.patchOf(m.number).metadata; changed != nil {
		p.key("metadata").text(*changed)
		return
	}
	if a := m.arrival; a != nil && a.given != "" {
		p.key("metadata").raw(or(a.tags(), `""`))
		return
	}
	switch invented % 4 {
	case 0:
		p.key("metadata").raw(`""`)
	case 1:
		p.key("metadata").raw(`"{\"campaign\":\"vår-26\",\"row\":`)
		p.b = strconv.AppendUint(p.b, invented>>44, 10)
		p.raw(`}"`)
	case 2:
		p.key("metadata").raw(`"row-`)
		p.b = strconv.AppendUint(p.b, invented>>40, 10)
		p.raw(`"`)
	}
}

func mode(dispatch bool) string {
	if dispatch {
		return ModeDispatch
	}
	return ModeConversation
}

// appendAcceptTime writes an instant with at least the digits that it needs
// and, where there is a choice, any number up to nine.
func appendAcceptTime(b []byte, nanos int64, digits int) []byte {
	b = time.Unix(0, nanos).UTC().AppendFormat(b, "2006-01-02T15:04:05")
	fraction := int(nanos % 1e9)
	needed := 9
	for f := fraction; needed > 0 && f%10 == 0; f /= 10 {
		needed--
	}
	if digits = max(digits, needed); digits > 0 {
		at := len(b)
		b = strconv.AppendInt(b, int64(fraction+1e9), 10)
		b[at] = '.'
		b = b[:at+1+digits]
	}
	return append(b, 'Z')
}
