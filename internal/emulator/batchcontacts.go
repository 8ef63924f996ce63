package emulator

// createContacts makes contacts as createContact makes one, even of an
// identity that another contact has. The ledger has a line for each.
func (e *Emulator) createContacts(c *call) reply {
	given := c.json.get("contacts")
	for v := range given.elements() {
		if refused := e.checkIdentityApps(v); refused != nil {
			return *refused
		}
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for part := range given.elements() {
		v := contact{name: unnamed}
		v.set(part, contactFields)
		v.language = or(v.language, unspecified)
		n := s.addContact(&v, c.now)
		e.recordPart(c, entry{ids: &Identifiers{ContactID: string(s.contactIDOf(nil, n))}, body: part.raw()})
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
	for id := range c.json.get("contact_ids").elements() {
		if n, found := s.contactNumber(id.text()); found {
			gone := s.contactJSON(n)
			s.dropContact(n)
			e.recordPart(c, entry{ids: &Identifiers{ContactID: id.text()}, body: id.raw()})
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
