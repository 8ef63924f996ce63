package emulator

import "strconv"

// guests are the contacts and conversations that calls made.
type guests struct {
	correlations map[int]string // by conversation: the latest correlation_id, as JSON
	met          []guest
	owners       map[identity][]int // by where they are reached, in any app: contacts that were made or changed
	talks        []talk
	current      map[int]int      // contact → its active conversation
	latestIn     map[int]*arrival // conversation → its newest message that came after the start
	happened     []*event         // by number
}

// guest is a contact that was made: for a recipient nobody knew, with no more
// than these identities, or by a call, with an entry in changed.
type guest struct {
	created    int64
	identities []identity
}

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
}

func newGuests() guests {
	return guests{correlations: map[int]string{}, owners: make(map[identity][]int), current: make(map[int]int), latestIn: make(map[int]*arrival)}
}

// anywhere is an identity whatever app it belongs to.
func (i identity) anywhere() identity { return identity{channel: i.channel, value: i.value} }

// contactFor finds whom identities belong to, or makes a contact of them. The
// caller holds the lock.
func (s *store) contactFor(identities []identity, now int64) int {
	for _, i := range identities {
		if n, known := s.lookup(i); known {
			return n
		}
	}
	n := s.people + len(s.met)
	s.met = append(s.met, guest{created: now, identities: identities})
	for _, i := range identities {
		s.owners[i.anywhere()] = append(s.owners[i.anywhere()], n)
	}
	return n
}

// lookup finds a contact by identity. The caller holds the lock.
func (s *store) lookup(i identity) (int, bool) {
	if n, ok := s.untouched(i); ok {
		return n, true
	}
	if owners := s.owners[i.anywhere()]; len(owners) > 0 {
		return owners[0], true
	}
	return 0, false
}

// conversationFor finds the active conversation with a contact, or starts one.
// The caller holds the lock.
func (s *store) conversationFor(contact int, channel string, now int64) int {
	n, ok := s.activeWith(contact)
	if !ok {
		n = s.conversations + len(s.talks)
		s.talks = append(s.talks, talk{created: now, contact: contact, channel: channel})
	}
	s.current[contact] = n
	return n
}

// activeWith is a contact's active conversation. The caller holds the lock.
func (s *store) activeWith(contact int) (n int, found bool) {
	if n, ok := s.current[contact]; ok {
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

// contactIDOf and conversationIDOf give the ids of what was there from the
// start and of what came later. The caller holds the lock for the latter.
func (s *store) contactIDOf(b []byte, n int) []byte {
	if n < s.people {
		return s.contactID(b, n)
	}
	return appendID(b, s.seed, kindContact, n, s.met[n-s.people].created)
}

func (s *store) conversationIDOf(b []byte, n int) []byte {
	if n < s.conversations {
		return s.conversationID(b, n)
	}
	return appendID(b, s.seed, kindConversation, n, s.talks[n-s.conversations].created)
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
	known := ok && (n < s.contacts || n >= s.people && n < s.people+len(s.met)) && !s.dropped[n]
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
	known := ok && n < s.conversations+len(s.talks) && !s.isDeleted(n)
	return n, known && string(s.conversationIDOf(nil, n)) == id
}

// identitiesOf lists where a contact is reached, in order of priority. The
// caller holds the lock.
func (s *store) identitiesOf(contact int) []identity {
	if v := s.changed[contact]; v != nil {
		return v.byPriority()
	}
	if contact >= s.people {
		return s.met[contact-s.people].identities
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
