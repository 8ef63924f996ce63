package emulator

import "strconv"

// guests are the contacts and conversations that sending made.
type guests struct {
	correlations map[int]string // by conversation: the latest correlation_id, as JSON
	met          []guest
	identities   map[string]int // "SMS:46…" → number of the contact
	talks        []talk
	current      map[int]int      // contact → its active conversation
	latestIn     map[int]*arrival // conversation → its newest message that came after the start
}

// guest is a contact that was made for a recipient nobody knew.
type guest struct {
	created    int64
	identities []identity
}

// identity is where a contact is reached on one channel.
type identity struct{ channel, value string }

// talk is a conversation that was started by a message.
type talk struct {
	created int64
	contact int
	channel string
}

func newGuests() guests {
	return guests{correlations: map[int]string{}, identities: make(map[string]int), current: make(map[int]int), latestIn: make(map[int]*arrival)}
}

func (i identity) key() string { return i.channel + ":" + i.value }

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
		s.identities[i.key()] = n
	}
	return n
}

// lookup finds a contact by identity. The caller holds the lock.
func (s *store) lookup(i identity) (int, bool) {
	if n, ok := s.person(i.channel, i.value); ok && n < s.contacts {
		return n, true
	}
	n, ok := s.identities[i.key()]
	return n, ok
}

// conversationFor finds the active conversation with a contact, or starts one.
// The caller holds the lock.
func (s *store) conversationFor(contact int, channel string, now int64) int {
	if n, ok := s.current[contact]; ok {
		return n
	}
	n := -1
	if contact < s.people {
		for _, t := range s.threadsOf(contact) {
			if t < s.conversations && s.isActive(t) {
				n = t
			}
		}
	}
	if n < 0 {
		n = s.conversations + len(s.talks)
		s.talks = append(s.talks, talk{created: now, contact: contact, channel: channel})
	}
	s.current[contact] = n
	return n
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
	n, ok := idNumber(s.seed, kindContact, id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	known := ok && (n < s.contacts || n >= s.people && n < s.people+len(s.met))
	return n, known && string(s.contactIDOf(nil, n)) == id
}

// findConversation looks a conversation up by id.
func (s *store) findConversation(id string) (int, bool) {
	n, ok := idNumber(s.seed, kindConversation, id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	known := ok && n < s.conversations+len(s.talks)
	return n, known && string(s.conversationIDOf(nil, n)) == id
}

// identitiesOf lists where a contact is reached, in order of priority. The
// caller holds the lock.
func (s *store) identitiesOf(contact int) []identity {
	if contact >= s.people {
		return s.met[contact-s.people].identities
	}
	var is []identity
	for _, channel := range s.channelsOf(contact, nil) {
		is = append(is, identity{channel, string(s.appendIdentity(nil, contact, channel))})
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
