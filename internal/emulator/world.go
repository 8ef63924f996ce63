package emulator

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// world is what exists from the start. Of a message it keeps nothing but the
// time; who sent it and what it says is computed when asked for, so that five
// million of them fit in 40 MB.
//
// Messages are numbered in order of accept_time. They are dealt out to slots
// in rounds, each round visiting every slot once in an order of its own. Some
// conversations have more slots than one, and both ways between a message and
// its conversation are arithmetic.
type world struct {
	seed          uint64
	mode          string
	newer         bool // may make things that ProfileOld does not know
	extra         bool // adds extraField
	app           string
	contacts      int
	conversations int
	active        int // conversations that are
	people        int // who take part in messages, whether stored as contacts or not
	threads       int // conversations, or people in DISPATCH mode
	slots         permutation
	phones        permutation
	start         int64
	times         []int64 // of the messages, sorted
}

const (
	phoneBase   = 467_00000000 // Swedish mobile numbers
	phoneSpace  = 1_00000000
	scopedBase  = 61_00000000000000
	scopedStep  = 1_000_003
	crowd       = 8 // one conversation in so many has so many slots more
	older       = 180 * 24 * time.Hour
	sharedEvery = 4 // one block of eight messages in so many shares an instant
)

func newWorld(o Options) *world {
	w := &world{
		seed: o.Seed, mode: o.Mode, newer: o.Profile == ProfileNew, extra: o.ExtraFields,
		contacts: o.Contacts, conversations: o.Conversations,
		people: max(1, o.Contacts),
		phones: newPermutation(phoneSpace, 7_368_787),
		start:  nanoseconds(o.Start),
	}
	w.app = string(appendID(nil, w.seed, kindApp, 0, max(0, w.start-int64(older))))
	w.threads = max(1, w.conversations)
	if w.mode == ModeDispatch {
		w.threads = w.people
	}
	size := 2 * w.threads
	w.slots = newPermutation(size, size*618/1000+1)
	w.times = w.makeTimes(o.Messages, nanoseconds(o.End)-w.start)
	for k := range w.conversations {
		if w.isActive(k) {
			w.active++
		}
	}
	return w
}

// makeTimes spreads n instants over span. Their resolution varies from a
// second to a nanosecond, and runs of them are equal.
func (w *world) makeTimes(n int, span int64) []int64 {
	times := make([]int64, n)
	for i := range times {
		base := i
		if i%8 > 4 && hash(w.seed, kindTime, i/8)%sharedEvery == 0 {
			base = i - i%8 + 4
		}
		h := hash(w.seed, kindTime, -2-base)
		at := w.start + int64((float64(base)+float64(h>>40)/(1<<24))/float64(n)*float64(span))
		at -= at % resolutions[h%uint64(len(resolutions))]
		times[i] = max(at, w.start)
	}
	slices.Sort(times)
	return times
}

var resolutions = [...]int64{1e9, 1e8, 1e7, 1e6, 1e6, 1e6, 1e6, 1e5, 1e4, 1e3, 1e3, 1e3, 100, 10, 1, 1}

// slotOf and messageIn go between messages and slots.
func (w *world) slotOf(message int) int {
	round := message / w.slots.size
	return w.slots.at(message%w.slots.size, w.shift(round))
}

func (w *world) messageIn(round, slot int) int {
	return round*w.slots.size + w.slots.of(slot, w.shift(round))
}

func (w *world) shift(round int) int {
	return int(hash(w.seed, kindShift, round) % uint64(w.slots.size))
}

func (w *world) threadOf(slot int) int {
	if slot < w.threads {
		return slot
	}
	return (slot - w.threads) / crowd
}

func (w *world) appendSlots(slots []int, thread int) []int {
	slots = append(slots, thread)
	for s := w.threads + thread*crowd; s < min(w.threads+(thread+1)*crowd, w.slots.size); s++ {
		slots = append(slots, s)
	}
	return slots
}

// personOf is who takes part in a thread.
func (w *world) personOf(thread int) int { return thread % w.people }

// threadsOf is the reverse: the threads of a person.
func (w *world) threadsOf(person int) []int {
	var threads []int
	for t := person; t < w.threads; t += w.people {
		threads = append(threads, t)
	}
	return threads
}

// isActive: of a contact's conversations with an app only the latest can be.
func (w *world) isActive(conversation int) bool {
	return conversation+w.people >= w.conversations && hash(w.seed, kindConversation, conversation)%4 != 0
}

// latest is the newest message of a thread, or -1.
func (w *world) latest(thread int) int {
	slots := w.appendSlots(make([]int, 0, 1+crowd), thread)
	for round := (len(w.times) - 1) / w.slots.size; round >= 0 && len(w.times) > 0; round-- {
		newest := -1
		for _, slot := range slots {
			if m := w.messageIn(round, slot); m < len(w.times) {
				newest = max(newest, m)
			}
		}
		if newest >= 0 {
			return newest
		}
	}
	return -1
}

// before counts the messages that are older than (at, number).
func (w *world) before(p position) int {
	return sort.Search(len(w.times), func(i int) bool { return !(position{w.times[i], i}).older(p) })
}

// channelsOf lists the channels of a person, in order of priority.
func (w *world) channelsOf(person int, into []string) []string {
	h := hash(w.seed, kindPhone, person)
	if h%3 == 0 {
		into = append(into, "WHATSAPP")
	}
	into = append(into, "SMS")
	if h>>8%5 == 0 {
		into = append(into, "MESSENGER")
	}
	if h>>16%7 == 0 {
		into = append(into, "RCS")
	}
	return into
}

// isScoped tells whether identities of a channel belong to one app.
func isScoped(channel string) bool {
	switch channel {
	case "MESSENGER", "INSTAGRAM", "LINE", "WECHAT", "VIBER", "APPLEBC":
		return true
	}
	return false
}

func (w *world) appendIdentity(b []byte, person int, channel string) []byte {
	n := w.phones.at(person%phoneSpace, int(hash(w.seed, kindPhone, -1)%phoneSpace))
	if isScoped(channel) {
		return strconv.AppendInt(b, scopedBase+int64(n)*scopedStep, 10)
	}
	return strconv.AppendInt(b, phoneBase+int64(n), 10)
}

// person finds whom an identity belongs to.
func (w *world) person(channel, identity string) (int, bool) {
	n, err := strconv.ParseInt(identity, 10, 64)
	if err != nil || identity[0] == '+' {
		return 0, false
	}
	if isScoped(channel) {
		n = (n - scopedBase) / scopedStep
	} else {
		n -= phoneBase
	}
	if n < 0 || n >= phoneSpace {
		return 0, false
	}
	p := w.phones.of(int(n), int(hash(w.seed, kindPhone, -1)%phoneSpace))
	known := p < w.people && slices.Contains(w.channelsOf(p, nil), channel) &&
		string(w.appendIdentity(nil, p, channel)) == identity
	return p, known
}

// canonical is an identity as it is read back: telephone numbers without "+".
func canonical(channel, identity string) string {
	if isScoped(channel) || channel == "TELEGRAM" {
		return identity
	}
	return strings.TrimPrefix(identity, "+")
}

func (w *world) contactID(b []byte, person int) []byte {
	return appendID(b, w.seed, kindContact, person, w.createdAt(kindContact, person))
}

func (w *world) conversationID(b []byte, conversation int) []byte {
	return appendID(b, w.seed, kindConversation, conversation, w.createdAt(kindConversation, conversation))
}

// createdAt is some time in the half year before the messages begin.
func (w *world) createdAt(k kind, n int) int64 {
	return max(0, w.start-1-int64(hash(w.seed, k, n)%uint64(older)))
}
