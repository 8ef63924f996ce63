package emulator

import (
	"net/http"
	"slices"
	"sort"
)

// recency is the order of conversations by their latest message, worked out
// when it is asked for and as long as nothing new has come.
type recency struct {
	arrivals int
	order    []position // accept_time of the latest message, number of the conversation; oldest first
}

func (e *Emulator) listRecentConversations(c *call) reply {
	if refused := e.checkApp(c.args["app_id"]); refused != nil {
		return *refused
	}
	ascending := c.args["order"] == "ASC"
	first := afterAll
	if ascending {
		first = position{-1, -1}
	}
	from, refused := e.page(c, first)
	if refused != nil {
		return *refused
	}
	found, last, more := e.store.recent(c, from, ascending)
	j := compact()
	j.open()
	j.key("conversations").openList()
	for _, v := range found {
		j.item().open()
		e.store.writeRecent(&j, v)
		j.close()
	}
	j.closeList()
	if more {
		j.key("next_page_token").text(e.nextPage(c, last))
	}
	j.close()
	return ok(j.b)
}

// recent picks one page.
func (s *store) recent(c *call, from position, ascending bool) (found []conversation, last position, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order, size := s.orderByLatest(), c.args.number("page_size", 10)
	i, step := sort.Search(len(order), func(i int) bool { return !order[i].older(from) })-1, -1
	if ascending {
		i, step = sort.Search(len(order), func(i int) bool { return from.older(order[i]) }), 1
	}
	for ; i >= 0 && i < len(order); i += step {
		if c.args["only_active"] == "true" && !s.isActiveNow(order[i].number) {
			continue
		}
		if len(found) == size {
			return found, last, true
		}
		found = append(found, s.conversationAt(order[i].number))
		last = order[i]
	}
	return found, last, false
}

// orderByLatest needs the lock for writing.
func (s *store) orderByLatest() []position {
	if s.recency.order != nil && s.recency.arrivals == s.byNumber.len() {
		return s.recency.order
	}
	order := make([]position, 0, s.conversations+s.talks.len())
	for n := range cap(order) {
		if !s.isDeleted(n) {
			order = append(order, position{s.conversationAt(n).latest, n})
		}
	}
	slices.SortFunc(order, func(a, b position) int {
		if a.older(b) {
			return -1
		}
		return 1
	})
	s.recency = recency{arrivals: s.byNumber.len(), order: order}
	return order
}

// writeRecent writes a conversation with its latest message, if there is one
// to be seen.
func (s *store) writeRecent(j *writer, v conversation) {
	s.mu.RLock()
	s.writeConversation(j.key("conversation"), v)
	s.mu.RUnlock() // appendMessage takes it again
	if v.last != nil && !s.isHidden(v.last) {
		j.key("last_message")
		j.b = s.appendMessage(j.b, v.last, true)
	}
}

var recentOperation = operation{
	id: "Conversation_ListRecentConversations", method: http.MethodGet, path: "/v1/projects/{project_id}/conversations:recent",
	newer: true,
	query: []param{
		{name: "app_id", required: true}, {name: "only_active", kind: boolParam},
		{name: "page_size", kind: intParam, max: 50}, {name: "page_token"},
		{name: "order", enum: []string{"ASC", "DESC"}},
	},
	handle: (*Emulator).listRecentConversations,
}
