package emulator

// revision is what was changed of a conversation.
type revision struct {
	deleted      bool
	active       *bool   // nil: as it was
	channel      string  // until the next message
	metadata     *string // as JSON
	metadataJSON *string // as JSON; empty for none
}

// revise gives what was changed of a conversation, to be changed. The caller
// holds the store's lock, here and below.
func (s *store) revise(n int) *revision {
	r := s.revisions[n]
	if r == nil {
		r = new(revision)
		s.revisions[n] = r
	}
	return r
}

func (s *store) isDeleted(conversation int) bool {
	r := s.revisions[conversation]
	return r != nil && r.deleted
}

// setActive starts or stops a conversation. A contact has one active
// conversation at most, so another one ends.
func (s *store) setActive(n int, active bool) {
	contact := s.contactIn(n)
	current, found := s.activeWith(contact)
	switch {
	case active && found && current != n:
		s.setActive(current, false)
		fallthrough
	case active:
		s.setCurrent(contact, n)
	case found && current == n:
		s.setCurrent(contact, noTalk)
	}
	s.revise(n).active = &active
}

// deleteConversation hides a conversation and, with it, its messages.
func (s *store) deleteConversation(n int) {
	s.setActive(n, false)
	s.revise(n).deleted = true
	s.recency = recency{}
}

func (s *store) metadataOf(n int) string {
	if r := s.revisions[n]; r != nil && r.metadata != nil {
		return *r.metadata
	}
	return ""
}

func (s *store) metadataJSONOf(n int) string {
	switch r := s.revisions[n]; {
	case r != nil && r.metadataJSON != nil:
		return *r.metadataJSON
	case n%7 == 0 && n < s.conversations:
		return `{"source":"web","n":1.50}`
	}
	return ""
}
