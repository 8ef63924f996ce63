package emulator

import (
	"net/http"
	"slices"
	"sort"

	"github.com/tidwall/gjson"
)

const eventPath = "/v1/projects/{project_id}/events/{event_id}"

var eventOperations = []operation{
	{
		id: "Events_ListEvents", method: http.MethodGet, path: "/v1/projects/{project_id}/events",
		newer: true, handle: (*Emulator).listEvents,
		query: []param{{name: "conversation_id"}, {name: "contact_id"}, {name: "page_size", kind: intParam, max: 20}, {name: "page_token"}},
	},
	{id: "Events_GetEvent", method: http.MethodGet, path: eventPath, newer: true, handle: (*Emulator).getEvent},
	{
		id: "Events_DeleteEvents", method: http.MethodDelete, path: eventPath,
		newer: true, changes: true, handle: (*Emulator).deleteEvent,
	},
}

// event is what an app did without saying anything. Those of CONVERSATION mode
// are kept.
type event struct {
	position
	id           string
	person       int // -1 for somebody who is no contact
	conversation int // -1 for none
	to           identity
	content      string // app_event as it was sent
	deleted      bool
}

// keepEvent numbers an event and stores it. The caller holds the store's lock.
func (e *Emulator) keepEvent(c *call, v *event) {
	v.number = int(e.events.Add(1))
	v.id = e.eventID(v.number, c.now)
	e.store.happened = append(e.store.happened, v)
}

func (e *Emulator) eventID(number int, now int64) string {
	return string(appendID(nil, e.options.Seed, kindEvent, number, now))
}

// sendEvent queues an event. It makes no contact and starts no conversation.
func (e *Emulator) sendEvent(c *call) reply {
	if refused := e.checkRecipient(c); refused != nil {
		return *refused
	}
	order := strs(gjson.Get(c.body, "channel_priority_order"))
	if slices.ContainsFunc(order, func(name string) bool { return !e.isConfigured(name) }) {
		return e.invalid(violation{"channel_priority_order", "has a channel that the app is not configured for"})
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.recipient(c.json.get("recipient"))
	if len(who.identities) == 0 { // deleted meanwhile
		return e.refuse(http.StatusNotFound, "contact not found")
	}
	to := sending{identities: who.identities, order: order[:min(1, len(order))]} // only the first counts
	v := &event{person: who.contact, conversation: -1, to: to.reach(), content: gjson.Get(c.body, "event").Raw}
	v.at = c.now
	if v.person >= 0 {
		if n, active := s.activeWith(v.person); active {
			v.conversation = n
		}
	}
	if e.mode() == ModeDispatch {
		v.id = e.nextEventID(c)
	} else {
		e.keepEvent(c, v)
	}
	e.ledger.add(entry{
		at: c.now, op: c.op.id, ids: &Identifiers{EventID: v.id}, to: &v.to, body: c.body,
	})
	c.recorded = true
	return e.answerEvent(c, v)
}

func (e *Emulator) answerEvent(c *call, v *event) reply {
	j := compact()
	j.open()
	j.key("event_id").text(v.id)
	j.key("accepted_time").time(c.now)
	j.close()
	return ok(j.b)
}

func (e *Emulator) injectEvent(c *call) reply {
	s, id := e.store, c.path["conversation_id"]
	s.mu.Lock()
	defer s.mu.Unlock()
	in, refused := e.readInjection(c, id)
	if refused != nil {
		return *refused
	}
	v := &event{person: in.person, conversation: in.conversation, to: in.to, content: gjson.Get(c.body, "app_event").Raw}
	v.at = in.at
	e.keepEvent(c, v)
	e.record(c, Identifiers{EventID: v.id, ConversationID: id})
	return e.answerEvent(c, v)
}

// listEvents answers the events of a conversation or of a contact, newest
// first: the API does not say in which order.
func (e *Emulator) listEvents(c *call) reply {
	if (c.args["conversation_id"] == "") == (c.args["contact_id"] == "") {
		return e.invalid(violation{"conversation_id", "or contact_id is required, not both"})
	}
	from, refused := e.page(c, afterAll)
	if refused != nil {
		return *refused
	}
	conversation, contact := -1, -1
	if id := c.args["conversation_id"]; id != "" {
		conversation = numberOr(e.store.findConversation(id))
	} else {
		contact = numberOr(e.store.findContact(c.args["contact_id"]))
	}
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := s.eventsOf(c, conversation, contact, from)
	size, next := c.args.number("page_size", 10), ""
	if len(found) > size {
		found = found[:size]
		next = e.nextPage(c, found[size-1].position)
	}
	j := compact()
	j.open()
	j.key("events").openList()
	for _, v := range found {
		s.writeEvent(j.item(), v)
	}
	j.closeList()
	j.key("next_page_token").text(next)
	j.close()
	return ok(j.b)
}

// The rest needs the store's lock.

// eventsOf lists what is older than a position, newest first. One of
// conversation and contact is negative.
func (s *store) eventsOf(c *call, conversation, contact int, from position) []*event {
	var found []*event
	for _, v := range s.happened {
		mine := conversation >= 0 && v.conversation == conversation ||
			contact >= 0 && v.person >= 0 && s.heirOf(v.person) == contact
		if mine && v.older(from) && s.showsEvent(v, c.now) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b *event) int {
		if b.older(a.position) {
			return -1
		}
		return 1
	})
	return found
}

// showsEvent tells that an event was neither deleted, alone or with its
// conversation, nor has outlived the retention.
func (s *store) showsEvent(v *event, now int64) bool {
	return !v.deleted && !s.isDeleted(v.conversation) && v.at >= s.floor(false, now)
}

// eventWith looks an event up by its id.
func (s *store) eventWith(id string) *event {
	number, ok := idNumber(s.seed, kindEvent, id)
	i := sort.Search(len(s.happened), func(i int) bool { return s.happened[i].number >= number })
	if !ok || i == len(s.happened) || s.happened[i].id != id {
		return nil
	}
	return s.happened[i]
}

func (s *store) writeEvent(j *writer, v *event) {
	j.open()
	j.key("id").text(v.id)
	j.key("direction").text("TO_CONTACT")
	j.key("app_event").raw(v.content)
	if v.conversation >= 0 {
		j.key("conversation_id").text(string(s.conversationIDOf(nil, v.conversation)))
	}
	if v.person >= 0 {
		j.key("contact_id").text(string(s.contactIDOf(nil, s.heirOf(v.person))))
	}
	s.writeIdentity(j.key("channel_identity"), v.to)
	j.key("accept_time").time(v.at)
	j.key("processing_mode").text(ModeConversation)
	j.close()
}

// withEvent does something with the event of the path.
func (e *Emulator) withEvent(c *call, do func(*event) reply) reply {
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.eventWith(c.path["event_id"])
	if v == nil || !s.showsEvent(v, c.now) {
		return e.refuse(http.StatusNotFound, "event not found")
	}
	return do(v)
}

func (e *Emulator) getEvent(c *call) reply {
	return e.withEvent(c, func(v *event) reply {
		j := compact()
		e.store.writeEvent(&j, v)
		return ok(j.b)
	})
}

func (e *Emulator) deleteEvent(c *call) reply {
	return e.withEvent(c, func(v *event) reply {
		v.deleted = true
		e.record(c, Identifiers{EventID: v.id})
		return ok([]byte("{}"))
	})
}
