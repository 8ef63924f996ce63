package emulator

import (
	"iter"
	"math"
	"time"
)

// Message is one stored message.
type Message struct {
	ID         string
	AcceptTime time.Time
	Source     string // CONVERSATION_SOURCE or DISPATCH_SOURCE
	Body       []byte // exactly what every answer has; the caller's to keep
}

// Messages yields what is stored, newest first, including what does not show
// up in lists yet and without what was deleted or outlived its retention.
func (e *Emulator) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		e.sendDue(e.options.Now().UnixNano())
		for _, dispatch := range [...]bool{false, true} {
			q := selection{conversation: -1, from: math.MinInt64, to: math.MaxInt64, dispatch: dispatch, all: true}
			q.now = e.options.Now().UnixNano()
			for m := range e.store.newestFirst(q, afterAll) {
				stored := Message{
					ID:         string(e.store.messageID(nil, m.position)),
					AcceptTime: time.Unix(0, m.at).UTC(),
					Source:     source(dispatch),
					Body:       e.store.appendMessage(nil, m, true),
				}
				if !yield(stored) {
					return
				}
			}
		}
	}
}

func source(dispatch bool) string {
	if dispatch {
		return "DISPATCH_SOURCE"
	}
	return "CONVERSATION_SOURCE"
}

// AddMessages lets n further messages arrive, all accepted at the given time,
// which may lie in the past: so a message arrives late.
func (e *Emulator) AddMessages(n int, at time.Time) {
	e.sendDue(e.options.Now().UnixNano()) // or what is due would come out of order
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.keepArrival(s.madeUp(nanoseconds(at)))
	}
}

// madeUp makes the next message. The caller holds the lock.
func (s *store) madeUp(at int64) *arrival {
	number := len(s.times) + s.byNumber.len()
	a := &arrival{message: s.generated(number, at), visible: math.MinInt64}
	a.identity = string(s.appendIdentity(nil, a.person, a.channel))
	switch {
	case a.dispatch:
		a.person = -1
	case s.conversations == 0, s.dropped[a.person], s.isDeleted(a.conversation): // nobody to write to: let somebody write first
		a.person = s.contactFor([]identity{{channel: a.channel, value: a.identity}}, at)
		a.conversation = s.conversationFor(a.person, a.channel, at)
	}
	return a
}
