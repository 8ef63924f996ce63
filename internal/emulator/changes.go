package emulator

import (
	"iter"
	"slices"
)

// changes are what calls did to contacts and conversations, those from the
// start and those that were made. All of it needs the store's lock.
type changes struct {
	changed   map[int]*contact // contacts that differ from what they were born as
	dropped   map[int]bool     // contacts that were deleted or merged into another
	externals map[string][]int // external_id → contacts in changed
	heirs     map[int]int      // contact that was merged → the one that stayed
	absorbed  map[int][]int    // the reverse
	revisions map[int]*revision
}

func newChanges() changes {
	return changes{
		changed:   make(map[int]*contact),
		dropped:   make(map[int]bool),
		externals: make(map[string][]int),
		heirs:     make(map[int]int),
		absorbed:  make(map[int][]int),
		revisions: make(map[int]*revision),
	}
}

// contact is what a server says of one, apart from its id.
type contact struct {
	identities []identity // in the order given
	priority   []string   // channels, each of which has an identity
	name       string
	email      string
	external   string
	metadata   string
	language   string
}

// settlePriority leaves out channels without an identity and puts those that
// have one, and are not named, at the end.
func (v *contact) settlePriority() {
	var order []string
	for _, channel := range slices.Concat(v.priority, v.channels()) {
		if slices.Contains(v.channels(), channel) && !slices.Contains(order, channel) {
			order = append(order, channel)
		}
	}
	v.priority = order
}

func (v *contact) channels() []string {
	var cs []string
	for _, i := range v.identities {
		cs = append(cs, i.channel)
	}
	return cs
}

// byPriority lists the identities in the order in which they are tried.
func (v *contact) byPriority() []identity {
	sorted := slices.Clone(v.identities)
	slices.SortStableFunc(sorted, func(a, b identity) int {
		return slices.Index(v.priority, a.channel) - slices.Index(v.priority, b.channel)
	})
	return sorted
}

// contactOf is what a contact is now.
func (s *store) contactOf(n int) contact {
	if v := s.changed[n]; v != nil {
		return *v
	}
	if n < s.people {
		return s.bornAs(n)
	}
	return s.metAs(n)
}

// metAs is what a contact was that a message made, or a call before it said
// what it is.
func (s *store) metAs(n int) contact {
	v := contact{identities: s.met.at(n - s.people).identities, name: unnamed, language: unspecified}
	v.settlePriority()
	return v
}

// isTouched tells that a contact is no longer what it was at the start.
func (s *store) isTouched(n int) bool { return s.changed[n] != nil || s.dropped[n] }

// written yields the contacts that calls made or changed and that are there
// still, some twice.
func (s *store) written() iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := range s.changed {
			if !yield(n) {
				return
			}
		}
		for n := s.people; n < s.people+s.met.len(); n++ {
			if !s.dropped[n] && !yield(n) {
				return
			}
		}
	}
}

// untouched finds the contact that had an identity at the start and has still.
func (s *store) untouched(i identity) (int, bool) {
	n, ok := s.person(i.channel, i.value)
	return n, ok && n < s.contacts && !s.isTouched(n)
}

// reachedBy finds the contacts of an identity, in the order of lists. The API
// does not promise that there is one only.
func (s *store) reachedBy(i identity) []int {
	numbers := s.owners.of(i)
	if n, ok := s.untouched(i); ok {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

// addContact makes a contact and gives its number.
func (s *store) addContact(v *contact, now int64) int {
	n := s.people + s.met.len()
	s.met.add(guest{created: now, current: noTalk})
	s.putContact(n, v)
	return n
}

// putContact replaces what a contact is.
func (s *store) putContact(n int, v *contact) {
	s.unlist(n)
	s.changed[n] = v
	for _, i := range v.identities {
		s.owners.add(i, n)
	}
	if v.external != "" {
		s.externals[v.external] = append(s.externals[v.external], n)
	}
}

// dropContact forgets a contact. Its conversations and messages stay: the API
// says nothing of them.
func (s *store) dropContact(n int) {
	s.unlist(n)
	delete(s.changed, n)
	s.dropped[n] = true
}

// unlist takes a contact out of the look-ups.
func (s *store) unlist(n int) {
	v := s.contactOf(n)
	for _, i := range v.identities {
		s.owners.remove(i, n)
	}
	s.withoutExternal(v.external, n)
}

func (s *store) withoutExternal(name string, n int) {
	left := slices.DeleteFunc(s.externals[name], func(x int) bool { return x == n })
	if len(left) == 0 {
		delete(s.externals, name)
		return
	}
	s.externals[name] = left
}

// heirOf is the contact that what belonged to one belongs to now.
func (s *store) heirOf(n int) int {
	if heir, merged := s.heirs[n]; merged {
		return heir
	}
	return n
}

// family is a contact and those that were merged into it.
func (s *store) family(n int) []int { return append([]int{n}, s.absorbed[n]...) }

// peopleBehind are whom messages of a contact may have been exchanged with;
// for an id that nobody has they are nobody. It takes the lock itself.
func (s *store) peopleBehind(id string) []int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, found := s.contactNumber(id)
	if !found {
		return []int{}
	}
	return s.family(n)
}

// mergeContact gives everything of a contact to another. Of two active
// conversations that of the destination stays active.
func (s *store) mergeContact(destination, source int) {
	into, from := s.contactOf(destination), s.contactOf(source)
	into.take(from)
	if theirs, active := s.activeWith(source); active {
		if _, both := s.activeWith(destination); both {
			s.setActive(theirs, false)
		} else {
			s.setCurrent(destination, theirs)
		}
	}
	s.setCurrent(source, noTalk)
	s.dropContact(source)
	s.putContact(destination, &into)
	for _, n := range s.family(source) {
		s.heirs[n] = destination
		s.absorbed[destination] = append(s.absorbed[destination], n)
	}
	delete(s.absorbed, source)
}

// take adds the identities of channels that v lacks, in the order of their
// priority, and fills what is empty.
func (v *contact) take(from contact) {
	had := v.channels()
	v.identities, v.priority = slices.Clone(v.identities), slices.Clone(v.priority)
	for _, i := range from.byPriority() {
		if !slices.Contains(had, i.channel) {
			v.identities = append(v.identities, i)
		}
	}
	v.settlePriority()
	if v.name == unnamed {
		v.name = from.name
	}
	if v.language == unspecified {
		v.language = from.language
	}
	v.email = or(v.email, from.email)
	v.external = or(v.external, from.external)
	v.metadata = or(v.metadata, from.metadata)
}
