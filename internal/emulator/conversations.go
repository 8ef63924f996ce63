package emulator

import "net/http"

var conversationOperations = []operation{
	{
		id: "Conversation_ListConversations", method: http.MethodGet, path: "/v1/projects/{project_id}/conversations",
		query: []param{
			{name: "app_id"}, {name: "contact_id"}, {name: "only_active", kind: boolParam, oldOnly: true},
			{name: "page_size", kind: intParam, max: 20}, {name: "page_token"},
			{name: "active_channel", enum: channels, newer: true},
		},
		handle: (*Emulator).listConversations,
	},
	{
		id: "Conversation_GetConversation", method: http.MethodGet, path: "/v1/projects/{project_id}/conversations/{conversation_id}",
		handle: (*Emulator).getConversation,
	},
	recentOperation,
}

// conversation is what a list selects by.
type conversation struct {
	number  int
	contact int
	channel string // that was used last
	active  bool
	last    *message // the newest
	latest  int64    // its accept_time; 0 without one
}

func (e *Emulator) getConversation(c *call) reply {
	n, found := e.store.findConversation(c.path["conversation_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "conversation not found")
	}
	e.store.mu.RLock()
	defer e.store.mu.RUnlock()
	j := compact()
	e.store.writeConversation(&j, e.store.conversationAt(n))
	return ok(j.b)
}

func (e *Emulator) listConversations(c *call) reply {
	app, contact := c.args["app_id"], c.args["contact_id"]
	if app == "" && contact == "" {
		return e.invalid(violation{"app_id", "or contact_id is required"})
	}
	if app != "" {
		if refused := e.checkApp(app); refused != nil {
			return *refused
		}
	}
	from, refused := e.page(c, position{number: -1})
	if refused != nil {
		return *refused
	}
	person := -1 // anybody
	if contact != "" {
		person = numberOr(e.store.findContact(contact))
	}
	return e.writeConversations(c, from, person)
}

func (e *Emulator) writeConversations(c *call, from position, person int) reply {
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	size, next, last := c.args.number("page_size", 10), "", -1
	j := compact()
	j.open()
	j.key("conversations").openList()
	for n := from.number + 1; n < s.conversations+s.talks.len(); n++ {
		if s.isDeleted(n) || person >= 0 && s.contactIn(n) != person || !s.wanted(c, n) {
			continue
		}
		if size == 0 {
			next = e.nextPage(c, position{number: last})
			break
		}
		s.writeConversation(j.item(), s.conversationAt(n))
		last = n
		size--
	}
	j.closeList()
	j.key("next_page_token").text(next)
	if total, known := s.countConversations(c, person); known {
		j.key("total_size").number(int64(total))
	}
	j.close()
	return ok(j.b)
}

// wanted applies only_active, whose false means the inactive ones alone, and
// active_channel.
func (s *store) wanted(c *call, n int) bool {
	if only := c.args["only_active"]; only != "" && s.isActiveNow(n) != (only == "true") {
		return false
	}
	channel := c.args["active_channel"]
	return channel == "" || s.conversationAt(n).channel == channel
}

// countConversations is the size of the whole list, where that costs nothing.
func (s *store) countConversations(c *call, person int) (int, bool) {
	if person >= 0 || c.args["active_channel"] != "" || s.talks.len()+len(s.revisions) > 0 {
		return 0, false
	}
	switch c.args["only_active"] {
	case "true":
		return s.active, true
	case "false":
		return s.conversations - s.active, true
	}
	return s.conversations, true
}

// The rest needs the store's lock.

func (s *store) contactIn(n int) int {
	if n < s.conversations {
		return s.heirOf(s.personOf(n))
	}
	return s.heirOf(s.talks.at(n - s.conversations).contact)
}

func (s *store) isActiveNow(n int) bool {
	if r := s.revisions[n]; r != nil && r.active != nil {
		return *r.active
	}
	return n >= s.conversations || s.isActive(n)
}

func (s *store) conversationAt(n int) conversation {
	v := conversation{number: n, contact: s.contactIn(n), active: s.isActiveNow(n)}
	if n >= s.conversations {
		v.channel = s.talks.at(n - s.conversations).channel
	} else if m := s.latest(n); m >= 0 {
		last := s.generated(m, s.times[m])
		v.last, v.latest, v.channel = &last, last.at, last.channel
	} else {
		v.channel = s.channelsOf(s.personOf(n), nil)[0]
	}
	if a := s.latestIn(n); a != nil && a.at >= v.latest {
		v.last, v.latest, v.channel = &a.message, a.at, a.channel
	}
	if r := s.revisions[n]; r != nil {
		v.channel = or(r.channel, v.channel)
	}
	return v
}

func (s *store) writeConversation(j *writer, v conversation) {
	j.open()
	j.key("id").raw(`"`)
	j.b = append(s.conversationIDOf(j.b, v.number), '"')
	j.key("app_id").text(s.app)
	j.key("contact_id").raw(`"`)
	j.b = append(s.contactIDOf(j.b, v.contact), '"')
	j.key("last_received").time(v.latest)
	j.key("active_channel").text(v.channel)
	j.key("active").boolean(v.active)
	j.key("metadata").raw(or(s.metadataOf(v.number), `""`))
	if sticky := s.metadataJSONOf(v.number); sticky != "" {
		j.key("metadata_json").raw(sticky)
	}
	if s.newer {
		j.key("correlation_id").raw(or(s.correlations[v.number], `""`))
	}
	s.writeExtra(j)
	j.close()
}
