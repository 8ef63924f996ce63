package emulator

import (
	"net/http"
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
	numbers, filtered, refused := e.lookUpContacts(c)
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
	total := s.contacts + len(s.met)
	if filtered {
		total = len(numbers)
	}
	size := c.args.number("page_size", 10)
	j := compact()
	j.open()
	j.key("contacts").openList()
	i := from.number + 1
	for ; i < total && size > 0; i, size = i+1, size-1 {
		n := s.contactAt(i)
		if filtered {
			n = numbers[i]
		}
		s.writeContact(j.item(), n)
	}
	j.closeList()
	if i < total {
		j.key("next_page_token").text(e.nextPage(c, position{number: i - 1}))
	}
	j.close()
	return ok(j.b)
}

// contactAt is the number of the i-th contact: those from the start come
// first, those that sending made after them.
func (s *store) contactAt(i int) int {
	if i < s.contacts {
		return i
	}
	return s.people + i - s.contacts
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
		if n, found := s.lookup(identity{channel, canonical(channel, value)}); found {
			numbers = append(numbers, n)
		}
	case external != "":
		numbers = s.named(external)
	default:
		return nil, false, nil
	}
	return numbers, true, nil
}

// named finds the contacts of an external_id: none, one or two.
func (s *store) named(external string) []int {
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
	guest := n >= s.people
	h := hash(s.seed, kindContact, n)
	j.open()
	j.key("id").raw(`"`)
	j.b = append(s.contactIDOf(j.b, n), '"')
	identities := s.identitiesOf(n)
	j.key("channel_identities").openList()
	for _, i := range identities {
		j.item().open()
		j.key("channel").text(i.channel)
		j.key("identity").text(i.value)
		j.key("app_id")
		if isScoped(i.channel) {
			j.text(s.app)
		} else {
			j.raw(`""`)
		}
		j.close()
	}
	j.closeList()
	j.key("channel_priority").openList()
	for _, i := range identities {
		j.item().text(i.channel)
	}
	j.closeList()
	if guest {
		j.raw(`,"display_name":"Unknown","email":"","external_id":"","metadata":"","language":"UNSPECIFIED"}`)
		j.follows = true
		return
	}
	j.key("display_name").text(givenNames[h&7] + " " + lastNames[h>>3&7])
	j.key("email").raw(`"c` + strconv.Itoa(n) + `@example.com"`)
	j.key("external_id").raw(`"`)
	j.b = append(externalID(j.b, n), '"')
	j.key("metadata")
	if h>>9%3 == 0 {
		j.text(`{"tier":"` + strconv.Itoa(int(h>>20%4)) + `"}`)
	} else {
		j.raw(`""`)
	}
	j.key("language").text(languages[h>>6&7])
	j.close()
}
