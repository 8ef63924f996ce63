package emulator

import "strconv"

// guests are the contacts and conversations that calls made.
type guests struct {
	correlations map[int]string // by conversation: the latest correlation_id, as JSON
	met          series[guest]
	owners       owners
	talks        series[talk]
	current      map[int]int      // contact from the start → its active conversation
	newest       map[int]*arrival // conversation from the start → its newest message that came later
	happened     []*event         // by number
}

// guest is a contact that was made: for a recipient nobody knew, with no more
// than these identities, or by a call, with an entry in changed.
type guest struct {
	created    int64
	identities []identity
	current    int // its active conversation; noTalk for none
}

const noTalk = -1

// identity is where a contact is reached on one channel.
type identity struct {
	channel, value string
	app            string // that it belongs to; empty for the first, and where it belongs to none
}

// talk is a conversation that was started by a message or a call.
type talk struct {
	created int64
	contact int
	channel string
	latest  *arrival // its newest message
}

func newGuests() guests {
	return guests{correlations: map[int]string{}, owners: newOwners(), current: map[int]int{}, newest: map[int]*arrival{}}
}

// contactFor finds whom identities belong to, or makes a contact of them. The
// caller holds the lock.
func (s *store) contactFor(identities []identity, now int64) int {
	for _, i := range identities {
		if n, known := s.lookup(i); known {
			return n
		}
	}
	n := s.people + s.met.len()
	s.met.add(guest{created: now, identities: identities, current: noTalk})
	for _, i := range identities {
		s.owners.add(i, n)
	}
	return n
}

// lookup finds a contact by identity. The caller holds the lock.
func (s *store) lookup(i identity) (int, bool) {
	if n, ok := s.untouched(i); ok {
		return n, true
	}
	return s.owners.one(i)
}

// conversationFor finds the active conversation with a contact, or starts one.
// The caller holds the lock.
func (s *store) conversationFor(contact int, channel string, now int64) int {
	n, ok := s.activeWith(contact)
	if !ok {
		n = s.conversations + s.talks.len()
		s.talks.add(talk{created: now, contact: contact, channel: channel})
	}
	s.setCurrent(contact, n)
	return n
}

// activeWith is a contact's active conversation. The caller holds the lock.
func (s *store) activeWith(contact int) (n int, found bool) {
	if n := s.currentOf(contact); n != noTalk {
		return n, true
	}
	for _, person := range s.family(contact) {
		if person >= s.people {
			continue
		}
		for _, t := range s.threadsOf(person) {
			if t < s.conversations && s.isActiveNow(t) {
				n, found = t, true
			}
		}
	}
	return n, found
}

// currentOf is the active conversation of a contact, as far as it was noted:
// noTalk for none. The caller holds the lock, here and below.
func (s *store) currentOf(contact int) int {
	if contact >= s.people {
		return s.met.at(contact - s.people).current
	}
	if n, noted := s.current[contact]; noted {
		return n
	}
	return noTalk
}

func (s *store) setCurrent(contact, n int) {
	switch {
	case contact >= s.people:
		s.met.at(contact - s.people).current = n
	case n == noTalk:
		delete(s.current, contact)
	default:
		s.current[contact] = n
	}
}

// latestIn is the newest message of a conversation that came after the start,
// or nil.
func (s *store) latestIn(conversation int) *arrival {
	if conversation >= s.conversations {
		return s.talks.at(conversation - s.conversations).latest
	}
	return s.newest[conversation]
}

func (s *store) setLatest(a *arrival) {
	if a.conversation >= s.conversations {
		s.talks.at(a.conversation - s.conversations).latest = a
		return
	}
	s.newest[a.conversation] = a
}

// contactIDOf and conversationIDOf give the ids of what was there from the
// start and of what came later. The caller holds the lock for the latter.
func (s *store) contactIDOf(b []byte, n int) []byte {
	if n < s.people {
		return s.contactID(b, n)
	}
	return appendID(b, s.seed, kindContact, n, s.met.at(n-s.people).created)
}

func (s *store) conversationIDOf(b []byte, n int) []byte {
	if n < s.conversations {
		return s.conversationID(b, n)
	}
	return appendID(b, s.seed, kindConversation, n, s.talks.at(n-s.conversations).created)
}

// findContact looks a contact up by id.
func (s *store) findContact(id string) (int, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.contactNumber(id)
}

// contactNumber is findContact for a caller that holds the lock.
func (s *store) contactNumber(id string) (int, bool) {
	n, ok := idNumber(s.seed, kindContact, id)
	known := ok && (n < s.contacts || n >= s.people && n < s.people+s.met.len()) && !s.dropped[n]
	return n, known && string(s.contactIDOf(nil, n)) == id
}

// findConversation looks a conversation up by id.
func (s *store) findConversation(id string) (int, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.conversationNumber(id)
}

// conversationNumber is findConversation for a caller that holds the lock.
func (s *store) conversationNumber(id string) (int, bool) {
	n, ok := idNumber(s.seed, kindConversation, id)
	known := ok && n < s.conversations+s.talks.len() && !s.isDeleted(n)
	return n, known && string(s.conversationIDOf(nil, n)) == id
}

// identitiesOf lists where a contact is reached, in order of priority. The
// caller holds the lock.
func (s *store) identitiesOf(contact int) []identity {
	if v := s.changed[contact]; v != nil {
		return v.byPriority()
	}
	if contact >= s.people {
		return s.met.at(contact - s.people).identities
	}
	var is []identity
	for _, channel := range s.channelsOf(contact, nil) {
		is = append(is, identity{channel: channel, value: string(s.appendIdentity(nil, contact, channel))})
	}
	return is
}

// externalID is what a contact is called elsewhere. One contact in fifty
// shares it with the one before: the API does not promise that it is unique.
func externalID(b []byte, contact int) []byte {
	if contact%50 == 49 {
		contact--
	}
	return strconv.AppendInt(append(b, "crm-"...), int64(contact)+100_000, 10)
}
