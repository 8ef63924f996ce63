package emulator

import "github.com/tidwall/gjson"

// createContacts makes contacts as createContact makes one, even of an
// identity that another contact has. The ledger has a line for each.
func (e *Emulator) createContacts(c *call) reply {
	given := gjson.Get(c.body, "contacts").Array()
	for _, v := range given {
		if refused := e.checkIdentityApps(v.Get("channel_identities")); refused != nil {
			return *refused
		}
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range given {
		v := contact{name: unnamed}
		v.set(raw.Raw, contactFields)
		v.language = or(v.language, unspecified)
		n := s.addContact(&v, c.now)
		e.recordPart(c, entry{ids: &Identifiers{ContactID: string(s.contactIDOf(nil, n))}, body: raw.Raw})
		e.tellContacts(c, "CONTACT_CREATE", "contact_create_notification", "contact", s.contactJSON(n))
	}
	return ok([]byte("{}"))
}

// deleteContacts deletes those that are there.
func (e *Emulator) deleteContacts(c *call) reply {
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	c.recorded = true // even where nobody is there
	for _, id := range gjson.Get(c.body, "contact_ids").Array() {
		if n, found := s.contactNumber(id.Str); found {
			gone := s.contactJSON(n)
			s.dropContact(n)
			e.recordPart(c, entry{ids: &Identifiers{ContactID: id.Str}, body: id.Raw})
			e.tellContacts(c, "CONTACT_DELETE", "contact_delete_notification", "contact", gone)
		}
	}
	return ok([]byte("{}"))
}

// recordPart writes one of the things that a call did to the ledger.
func (e *Emulator) recordPart(c *call, x entry) {
	x.at, x.op = c.now, c.op.id
	e.ledger.add(x)
	c.recorded = true
}
