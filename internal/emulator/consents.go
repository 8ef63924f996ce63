package emulator

import (
	"iter"
	"strings"
	"sync"
)

// The lists of who does not want messages. Each app has its own.
const (
	OptOutAll          = "OPT_OUT_ALL"
	OptOutMarketing    = "OPT_OUT_MARKETING"
	OptOutNotification = "OPT_OUT_NOTIFICATION"
)

var consentLists = []string{OptOutAll, OptOutMarketing, OptOutNotification}

// Where a change of consent came from, and what it was.
const (
	originAPI = "ORIGIN_API"
	originMO  = "ORIGIN_MO" // a message from the handset

	consentInsert = "OPERATION_INSERT"
	consentUpdate = "OPERATION_UPDATE"
	consentDelete = "OPERATION_DELETE"
)

// consents are the lists of all apps and the history of each identity. That
// somebody is on a list keeps no message from being accepted: the API itself
// does not refuse them.
type consents struct {
	mu      sync.Mutex
	lists   map[consentKey]*optOuts
	history map[consentKey][]consentRecord
}

// consentKey is an app together with the name of a list or with an identity.
type consentKey struct{ app, name string }

// optOuts keep the order in which identities were put on the list. A place
// stays empty when its identity is taken off, so that pages do not shift.
type optOuts struct {
	places []string
	at     map[string]int
}

// after yields the identities behind a place, with theirs.
func (l *optOuts) after(place int) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i := place + 1; i < len(l.places); i++ {
			if l.places[i] != "" && !yield(i, l.places[i]) {
				return
			}
		}
	}
}

// consentRecord is one line of an identity's history.
type consentRecord struct {
	at                      int64
	list, origin, operation string
}

func newConsents() consents {
	return consents{lists: make(map[consentKey]*optOuts), history: make(map[consentKey][]consentRecord)}
}

// bare is an identity as consents hold it: they know of no channel, so a "+"
// can only be that of a telephone number.
func bare(identity string) string { return strings.TrimPrefix(identity, "+") }

// list gives an app's list. The caller holds the lock, here and below.
func (s *consents) list(app, name string) *optOuts {
	key := consentKey{app, name}
	if s.lists[key] == nil {
		s.lists[key] = &optOuts{at: make(map[string]int)}
	}
	return s.lists[key]
}

// put puts an identity on a list. Doing so again leaves the list as it is and
// shows as an update in the history.
func (s *consents) put(app, identity string, r consentRecord) {
	l := s.list(app, r.list)
	identity = bare(identity)
	r.operation = consentUpdate
	if _, there := l.at[identity]; !there {
		r.operation = consentInsert
		l.at[identity] = len(l.places)
		l.places = append(l.places, identity)
	}
	s.remember(app, identity, r)
}

// remove takes an identity off a list, if it is there.
func (s *consents) remove(app, identity string, r consentRecord) {
	l := s.list(app, r.list)
	identity = bare(identity)
	place, there := l.at[identity]
	if !there {
		return
	}
	l.places[place] = ""
	delete(l.at, identity)
	r.operation = consentDelete
	s.remember(app, identity, r)
}

func (s *consents) remember(app, identity string, r consentRecord) {
	key := consentKey{app, identity}
	s.history[key] = append(s.history[key], r)
}

// OptedOut lists the identities on one of the app's lists, such as OptOutAll,
// in the order in which they were put there.
func (e *Emulator) OptedOut(list string) []string {
	e.consents.mu.Lock()
	defer e.consents.mu.Unlock()
	var identities []string
	for _, identity := range e.consents.list(e.store.app, list).after(-1) {
		identities = append(identities, identity)
	}
	return identities
}

// OptOut puts an identity on one of the app's lists as its owner does who
// answers STOP: the origin of the change is the handset.
func (e *Emulator) OptOut(list, identity string) {
	e.consents.mu.Lock()
	defer e.consents.mu.Unlock()
	e.consents.put(e.store.app, identity, e.fromHandset(list))
}

// OptIn takes an identity off a list again, as its owner does.
func (e *Emulator) OptIn(list, identity string) {
	e.consents.mu.Lock()
	defer e.consents.mu.Unlock()
	e.consents.remove(e.store.app, identity, e.fromHandset(list))
}

func (e *Emulator) fromHandset(list string) consentRecord {
	return consentRecord{at: e.options.Now().UnixNano(), list: list, origin: originMO}
}
