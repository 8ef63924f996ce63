package emulator

import (
	"iter"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
)

// position is a message's place: lists go from the newest to the oldest, and
// messages of the same instant by number.
type position struct {
	at     int64
	number int
}

func (p position) older(q position) bool {
	return p.at < q.at || p.at == q.at && p.number < q.number
}

// afterAll is newer than every message.
var afterAll = position{math.MaxInt64, math.MaxInt}

// message is what lists select by. Its content is built when it is sent.
type message struct {
	position
	person       int
	conversation int // -1 in DISPATCH mode
	channel      string
	toApp        bool
	dispatch     bool
	arrival      *arrival // nil for a message that existed from the start
}

// arrival is a message that came after the start.
type arrival struct {
	message
	visible  int64  // when it shows up in lists
	identity string // as read back
	given    string // app_message or contact_message as it was sent, or a part of a batch; empty for one that is made up
	metadata string // as JSON; empty for none, and for that of a batch
	batch    *wording
	sender   string // as JSON; empty for none that was given
	injected bool
}

// content is what a message says, as JSON; empty for one that is made up.
func (a *arrival) content() string {
	if a.batch != nil {
		return a.batch.content(a.given)
	}
	return a.given
}

// tags are the metadata of a message, as JSON; empty for none.
func (a *arrival) tags() string {
	if a.batch != nil {
		return a.batch.tags(a.given)
	}
	return a.metadata
}

// patch is what was changed of a message.
type patch struct {
	deleted  bool
	metadata *string
}

// store keeps what came after the start, next to the world, which never
// changes.
type store struct {
	*world
	keep, keepDispatch atomic.Int64 // how long messages are stored, nanoseconds

	mu       sync.RWMutex
	arrivals []*arrival // by position; replaced as a whole where one comes out of order
	byNumber series[*arrival]
	patches  map[int]patch
	unkept   int // messages that were accepted and not stored
	recency  recency
	guests
	changes
}

func newStore(o Options) *store {
	s := &store{world: newWorld(o), patches: make(map[int]patch), guests: newGuests(), changes: newChanges()}
	s.keep.Store(int64(o.RetentionDays) * day)
	s.keepDispatch.Store(int64(o.DispatchRetentionDays) * day)
	return s
}

const day = int64(24 * time.Hour)

// forever is longer than anything here has existed.
const forever = 36_500 * day

// retain sets how long messages are kept to what the policies of the app say,
// which are whole. A conversation that expires as one is not imitated: under
// any policy but that of messages, everything is kept.
func (s *store) retain(policy, dispatchPolicy string) {
	keep := gjson.Get(policy, "ttl_days").Int() * day
	if gjson.Get(policy, "retention_type").Str != expirePolicy {
		keep = forever
	}
	s.keep.Store(keep)
	s.keepDispatch.Store(gjson.Get(dispatchPolicy, "ttl_days").Int() * day)
}

// add stores a message and numbers it. The caller holds the lock.
func (s *store) add(a *arrival) {
	a.number = len(s.times) + s.byNumber.len()
	s.byNumber.add(a)
	if n := len(s.arrivals); n == 0 || s.arrivals[n-1].older(a.position) {
		s.arrivals = append(s.arrivals, a)
		return
	}
	i := sort.Search(len(s.arrivals), func(i int) bool { return a.older(s.arrivals[i].position) })
	s.arrivals = slices.Insert(slices.Clone(s.arrivals), i, a) // readers hold the old one
}

// generated gives the facts of a message of the world. Beyond the world's
// messages it makes up further ones.
func (w *world) generated(number int, at int64) message {
	thread := w.threadOf(w.slotOf(number))
	m := message{
		position:     position{at, number},
		person:       w.personOf(thread),
		conversation: thread,
		dispatch:     w.mode == ModeDispatch,
	}
	if m.dispatch {
		m.conversation = -1
	}
	h := hash(w.seed, kindMessage, number)
	m.toApp = h%5 < 2
	var room [4]string
	channels := w.channelsOf(m.person, room[:0])
	m.channel = channels[h>>32%uint64(len(channels))]
	return m
}

// selection says which messages are wanted. The zero value of a field that is
// not a number takes all; conversation is -1 for all.
type selection struct {
	dispatch     bool
	people       []int // any of these
	conversation int
	channel      string
	identity     string
	direction    string
	from, to     int64 // both inside
	now          int64
	all          bool // also what does not show up in lists yet
}

func (s *store) takes(q *selection, m *message) bool {
	switch {
	case m.dispatch != q.dispatch,
		q.people != nil && !slices.Contains(q.people, m.person),
		q.conversation >= 0 && m.conversation != q.conversation,
		q.channel != "" && m.channel != q.channel,
		q.direction != "" && m.toApp != (q.direction == "TO_APP"),
		m.at < q.from || m.at > q.to:
		return false
	case q.identity == "":
		return true
	}
	var room [24]byte
	return string(s.appendIdentityOf(room[:0], m)) == q.identity
}

func (s *store) appendIdentityOf(b []byte, m *message) []byte {
	if m.arrival != nil {
		return append(b, m.arrival.identity...)
	}
	return s.appendIdentity(b, m.person, m.channel)
}

// floor is when the oldest message was accepted that is still kept.
func (s *store) floor(dispatch bool, now int64) int64 {
	if dispatch {
		return now - s.keepDispatch.Load()
	}
	return now - s.keep.Load()
}

// keeps tells whether messages of a mode are stored at all.
func (s *store) keeps(dispatch bool) bool { return !dispatch || s.keepDispatch.Load() > 0 }

// newestFirst yields the selected messages that are older than p.
func (s *store) newestFirst(q selection, p position) iter.Seq[*message] {
	return func(yield func(*message) bool) {
		if !s.keeps(q.dispatch) {
			return
		}
		q.from = max(q.from, s.floor(q.dispatch, q.now))
		if !q.all {
			q.to = min(q.to, q.now) // what lies ahead has yet to be accepted
		}
		if q.to < math.MaxInt64 && p.at > q.to {
			p = position{q.to + 1, -1}
		}
		s.mu.RLock()
		arrivals, changed := s.arrivals, len(s.patches)+len(s.revisions) > 0
		s.mu.RUnlock()
		take := func(m *message) bool {
			return !s.takes(&q, m) || changed && s.isHidden(m) || yield(m)
		}
		next := sort.Search(len(arrivals), func(i int) bool { return !arrivals[i].older(p) }) - 1
		takeArrivals := func(newerThan position) bool {
			for ; next >= 0 && newerThan.older(arrivals[next].position); next-- {
				if a := arrivals[next]; (q.all || a.visible <= q.now) && !take(&a.message) {
					return false
				}
			}
			return true
		}
		for number := range s.numbers(q, p) {
			m := s.generated(number, s.times[number])
			if !takeArrivals(m.position) || !take(&m) {
				return
			}
		}
		takeArrivals(position{q.from, -1})
	}
}

// numbers yields the numbers of the world's messages that may be selected,
// newest first: all of the span, or those of some threads.
func (s *store) numbers(q selection, p position) iter.Seq[int] {
	low, high := s.before(position{q.from, -1}), s.before(p)
	threads, all := s.narrow(q)
	if all {
		return func(yield func(int) bool) {
			for n := high - 1; n >= low && yield(n); n-- {
			}
		}
	}
	var slots []int
	for _, t := range threads {
		slots = s.appendSlots(slots, t)
	}
	return func(yield func(int) bool) {
		found := make([]int, 0, len(slots))
		for round := (high - 1) / s.slots.size; high > low && round >= low/s.slots.size; round-- {
			found = found[:0]
			for _, slot := range slots {
				if n := s.messageIn(round, slot); n >= low && n < high {
					found = append(found, n)
				}
			}
			slices.Sort(found)
			for _, n := range slices.Backward(found) {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// narrow finds the threads that a selection is confined to.
func (s *store) narrow(q selection) (threads []int, all bool) {
	switch {
	case q.dispatch != (s.mode == ModeDispatch):
		return nil, false
	case q.conversation >= s.conversations && q.conversation >= 0:
		return nil, false
	case q.conversation >= 0:
		return []int{q.conversation}, false
	case q.people != nil:
		for _, person := range q.people {
			if person < s.people {
				threads = append(threads, s.threadsOf(person)...)
			}
		}
		return threads, false
	case q.identity != "":
		for _, channel := range [...]string{"SMS", "MESSENGER"} { // one of either sort
			if person, ok := s.person(channel, q.identity); ok {
				return s.threadsOf(person), false
			}
		}
		return nil, false
	}
	return nil, true
}

func (s *store) patchOf(number int) patch {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.patches[number]
}

// isHidden tells whether a message was deleted, alone or with its conversation.
func (s *store) isHidden(m *message) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.patches[m.number].deleted || s.isDeleted(m.conversation)
}

// find looks a message up by its id.
func (s *store) find(id string, dispatch bool, now int64) (*message, bool) {
	number, ok := idNumber(s.seed, kindMessage, id)
	if !ok || !s.keeps(dispatch) {
		return nil, false
	}
	m, ok := s.numbered(number)
	if !ok || string(s.messageID(nil, m.position)) != id ||
		m.dispatch != dispatch || m.at > now || m.at < s.floor(dispatch, now) || s.isHidden(m) {
		return nil, false
	}
	return m, true
}

func (s *store) numbered(number int) (*message, bool) {
	if number < len(s.times) {
		m := s.generated(number, s.times[number])
		return &m, true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i := number - len(s.times); i < s.byNumber.len() {
		a := *s.byNumber.at(i)
		return &a.message, true
	}
	return nil, false
}

func (w *world) messageID(b []byte, p position) []byte {
	return appendID(b, w.seed, kindMessage, p.number, p.at)
}

// change replaces what was changed of a message.
func (s *store) change(number int, f func(*patch)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.patches[number]
	f(&p)
	s.patches[number] = p
}
