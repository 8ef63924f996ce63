package emulator

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

var contactOperations = []operation{
	{
		id: "Contact_ListContacts", method: http.MethodGet, path: "/v1/projects/{project_id}/contacts",
		query: []param{
			{name: "page_size", kind: intParam, max: 20}, {name: "page_token"},
			{name: "external_id", newer: true}, {name: "channel", enum: channels, newer: true}, {name: "identity", newer: true},
		},
		handle: (*Emulator).listContacts,
	},
	{
		id: "Contact_GetContact", method: http.MethodGet, path: "/v1/projects/{project_id}/contacts/{contact_id}",
		handle: (*Emulator).getContact,
	},
	conflictOperation,
}

func (e *Emulator) getContact(c *call) reply {
	n, found := e.store.findContact(c.path["contact_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "contact not found")
	}
	e.store.mu.RLock()
	defer e.store.mu.RUnlock()
	j := compact()
	e.store.writeContact(&j, n)
	return ok(j.b)
}

func (e *Emulator) listContacts(c *call) reply {
	named, filtered, refused := e.lookUpContacts(c)
	if refused != nil {
		return *refused
	}
	from, refused := e.page(c, position{number: -1})
	if refused != nil {
		return *refused
	}
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	numbers := s.contactsAfter(from.number)
	if filtered {
		numbers = slices.Values(named)
	}
	size, next, last := c.args.number("page_size", 10), "", -1
	j := compact()
	j.open()
	j.key("contacts").openList()
	for n := range numbers {
		if n <= from.number {
			continue
		}
		if size == 0 {
			next = e.nextPage(c, position{number: last})
			break
		}
		s.writeContact(j.item(), n)
		last = n
		size--
	}
	j.closeList()
	if next != "" {
		j.key("next_page_token").text(next)
	}
	j.close()
	return ok(j.b)
}

// contactsAfter yields the contacts after one: those from the start come
// first, then those that were made. The caller holds the lock.
func (s *store) contactsAfter(last int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := last + 1; n < s.people+s.met.len(); n++ {
			exists := (n < s.contacts || n >= s.people) && !s.dropped[n]
			if exists && !yield(n) {
				return
			}
		}
	}
}

// lookUpContacts finds the contacts that the query names, if it names any.
func (e *Emulator) lookUpContacts(c *call) (numbers []int, filtered bool, refused *reply) {
	external, channel, value := c.args["external_id"], c.args["channel"], c.args["identity"]
	var wrong violations
	switch {
	case (channel == "") != (value == ""):
		wrong.add("channel", "and identity go together")
	case external != "" && channel != "":
		wrong.add("external_id", "excludes channel and identity")
	}
	if len(wrong) > 0 {
		r := e.invalid(wrong...)
		return nil, false, &r
	}
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case channel != "":
		numbers = s.reachedBy(identity{channel: channel, value: canonical(channel, value)})
	case external != "":
		numbers = s.named(external)
	default:
		return nil, false, nil
	}
	return numbers, true, nil
}

// named finds the contacts of an external_id, in the order of lists.
func (s *store) named(external string) []int {
	numbers := slices.Clone(s.externals[external])
	for _, n := range s.bornWith(external) {
		if !s.isTouched(n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// bornWith finds the contacts that had an external_id at the start: none, one
// or two.
func (s *store) bornWith(external string) []int {
	digits, found := strings.CutPrefix(external, "crm-")
	n, err := strconv.Atoi(digits)
	n -= 100_000
	if !found || err != nil || n < 0 || n >= s.contacts || string(externalID(nil, n)) != external {
		return nil
	}
	if n+1 < s.contacts && string(externalID(nil, n+1)) == external {
		return []int{n, n + 1}
	}
	return []int{n}
}

var (
	givenNames = []string{"Åsa", "Jürgen", "María", "O'Neil", "李", "Anna \"Ann\"", "Zoë", "Павел"}
	lastNames  = []string{"Öberg", "Müller", "García", "Smith", "小龍", "Ivanov", "D'Angelo", "Ek"}
	languages  = []string{"SV", "DE", "ES", "EN_GB", "ZH_CN", "UNSPECIFIED", "FR", "RU"}
)

// writeContact writes a contact. The caller holds the lock.
func (s *store) writeContact(j *writer, n int) {
	v := s.contactOf(n)
	s.writeContactAs(j, n, &v)
}

// writeIdentity writes a channel identity. One of a channel whose identities
// belong to no app has an empty app_id.
func (s *store) writeIdentity(j *writer, i identity) {
	j.open()
	j.key("channel").text(i.channel)
	j.key("identity").text(i.value)
	app := ""
	if isScoped(i.channel) {
		app = or(i.app, s.app)
	}
	j.key("app_id").text(app)
	j.close()
}

// writeContactAs writes what a contact is or was.
func (s *store) writeContactAs(j *writer, n int, v *contact) {
	j.open()
	j.key("id").raw(`"`)
	j.b = append(s.contactIDOf(j.b, n), '"')
	j.key("channel_identities").openList()
	for _, i := range v.identities {
		s.writeIdentity(j.item(), i)
	}
	j.closeList()
	j.key("channel_priority").openList()
	for _, channel := range v.priority {
		j.item().text(channel)
	}
	j.closeList()
	j.key("display_name").text(v.name)
	j.key("email").text(v.email)
	j.key("external_id").text(v.external)
	j.key("metadata").text(v.metadata)
	j.key("language").text(v.language)
	s.writeExtra(j)
	j.close()
}

// bornAs is what a contact was at the start. The caller holds the lock.
func (s *store) bornAs(n int) contact {
	h := hash(s.seed, kindContact, n)
	v := contact{
		name:       givenNames[h&7] + " " + lastNames[h>>3&7],
		email:      "c" + strconv.Itoa(n) + "@example.com",
		external:   string(externalID(nil, n)),
		language:   languages[h>>6&7],
		identities: s.identitiesOf(n),
	}
	if h>>9%3 == 0 {
		v.metadata = `{"tier":"` + strconv.Itoa(int(h>>20%4)) + `"}`
	}
	v.settlePriority()
	return v
}
