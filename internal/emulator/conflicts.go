package emulator

import (
	"maps"
	"net/http"
	"slices"
)

var conflictOperation = operation{
	id: "Contact_ListIdentityConflicts", method: http.MethodGet, path: "/v1/projects/{project_id}/contacts:identityConflicts",
	newer: true, handle: (*Emulator).listConflicts,
	query: []param{{name: "page_size", kind: intParam, max: 20}, {name: "page_token"}},
}

// conflictChannels are those whose identities are telephone numbers that one
// contact alone should have.
var conflictChannels = []string{"SMS", "MMS", "RCS"}

// conflict is a number that more than one contact has.
type conflict struct {
	identity string
	place    position // in lists: whatever else comes and goes, it stays the same
	channels []string
	contacts []int
}

func (e *Emulator) listConflicts(c *call) reply {
	from, refused := e.page(c, position{number: -1})
	if refused != nil {
		return *refused
	}
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := slices.DeleteFunc(s.conflicts(), func(x conflict) bool { return !from.older(x.place) })
	size, next := c.args.number("page_size", 10), ""
	if len(found) > size {
		found = found[:size]
		next = e.nextPage(c, found[size-1].place)
	}
	j := compact()
	j.open()
	j.key("conflicts").openList()
	for _, x := range found {
		s.writeConflict(j.item(), x)
	}
	j.closeList()
	j.key("next_page_token").text(next)
	j.close()
	return ok(j.b)
}

func (s *store) writeConflict(j *writer, x conflict) {
	j.open()
	j.key("identity").text(x.identity)
	j.key("channels").openList()
	for _, name := range x.channels {
		j.item().text(name)
	}
	j.closeList()
	j.key("contact_ids").openList()
	for _, n := range x.contacts {
		j.item().text(string(s.contactIDOf(nil, n)))
	}
	j.closeList()
	j.close()
}

// conflicts finds the numbers that several contacts have, by place. At the
// start nobody shares a number, so those of contacts that calls made or changed
// are all there are to look at.
func (s *store) conflicts() []conflict {
	numbers := make(map[string]bool)
	for n := range s.written() {
		for _, i := range s.identitiesOf(n) {
			if slices.Contains(conflictChannels, i.channel) {
				numbers[i.value] = true
			}
		}
	}
	var found []conflict
	for value := range maps.Keys(numbers) {
		x := conflict{identity: value, place: position{number: int(hashText(s.seed, value) >> 1)}}
		for _, channel := range conflictChannels {
			if owners := s.reachedBy(identity{channel: channel, value: value}); len(owners) > 0 {
				x.channels = append(x.channels, channel)
				x.contacts = append(x.contacts, owners...)
			}
		}
		slices.Sort(x.contacts)
		if x.contacts = slices.Compact(x.contacts); len(x.contacts) > 1 {
			found = append(found, x)
		}
	}
	slices.SortFunc(found, func(a, b conflict) int { return a.place.number - b.place.number })
	return found
}

// hashText draws a number for a text.
func hashText(seed uint64, text string) uint64 {
	h := hash(seed, kindToken, len(text))
	for _, x := range []byte(text) {
		h = (h ^ uint64(x)) * 0x100000001b3 // FNV-1a
	}
	return mix(h)
}
