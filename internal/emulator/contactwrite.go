package emulator

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

var contactWrites = []operation{
	{
		id: "Contact_CreateContact", method: http.MethodPost, path: "/v1/projects/{project_id}/contacts",
		changes: true, body: contactRequest, handle: (*Emulator).createContact,
	},
	{
		id: "Contact_UpdateContact", method: http.MethodPatch, path: "/v1/projects/{project_id}/contacts/{contact_id}",
		changes: true, query: maskParams, body: contactPatch, handle: (*Emulator).updateContact,
	},
	{
		id: "Contact_DeleteContact", method: http.MethodDelete, path: "/v1/projects/{project_id}/contacts/{contact_id}",
		changes: true, handle: (*Emulator).deleteContact,
	},
	{
		id: "Contact_MergeContact", method: http.MethodPost, path: "/v1/projects/{project_id}/contacts/{destination_id}:merge",
		changes: true, body: mergeRequest, handle: (*Emulator).mergeContacts,
	},
	{
		id: "Contact_GetChannelProfile", method: http.MethodPost, path: "/v1/projects/{project_id}/contacts:getChannelProfile",
		body: profileRequest, handle: (*Emulator).getChannelProfile,
	},
}

// maskParams name the fields that a PATCH changes: a list in one value, on
// older servers a parameter for each.
var maskParams = []param{{name: "update_mask", newer: true}, {name: "update_mask.paths", older: true, repeated: true}}

// masked lists the fields that a PATCH changes: those of the mask, absent ones
// to be emptied, or without a mask those of the body.
func (e *Emulator) masked(c *call, changeable []string) ([]string, *reply) {
	var fields []string
	mask := c.args["update_mask"] + c.args["update_mask.paths"] // a server knows one of them
	if mask == "" {
		for _, name := range changeable {
			if v := gjson.Get(c.body, name); v.Exists() && v.Type != gjson.Null {
				fields = append(fields, name)
			}
		}
		return fields, nil
	}
	for name := range strings.SplitSeq(mask, ",") {
		if !slices.Contains(changeable, name) {
			r := e.invalid(violation{"update_mask", "has a path that is none of " + strings.Join(changeable, ", ")})
			return nil, &r
		}
		fields = append(fields, name)
	}
	return fields, nil
}

func (e *Emulator) createContact(c *call) reply {
	v := contact{name: unnamed}
	v.set(c.json, contactFields)
	if refused := e.checkIdentityApps(c.json); refused != nil {
		return *refused
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.answerContact(c, s.addContact(&v, c.now), "CONTACT_CREATE", "contact_create_notification")
}

func (e *Emulator) updateContact(c *call) reply {
	fields, refused := e.masked(c, contactFields)
	if refused != nil {
		return *refused
	}
	if refused := e.checkIdentityApps(c.json); refused != nil {
		return *refused
	}
	wrong := emptied(c.body, fields, contactRequest.required)
	if id := gjson.Get(c.body, "id").Str; id != "" && id != c.path["contact_id"] {
		wrong.add("id", "is not that of the path")
	}
	if len(wrong) > 0 {
		return e.invalid(wrong...)
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.contactNumber(c.path["contact_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "contact not found")
	}
	v := s.contactOf(n)
	v.set(c.json, fields)
	s.putContact(n, &v)
	return e.answerContact(c, n, "CONTACT_UPDATE", "contact_update_notification")
}

// answerContact records a write and answers what the contact is now, which a
// callback tells too. The caller holds the store's lock.
func (e *Emulator) answerContact(c *call, n int, trigger, payload string) reply {
	e.record(c, Identifiers{ContactID: string(e.store.contactIDOf(nil, n))})
	now := e.store.contactJSON(n)
	e.tellContacts(c, trigger, payload, "contact", now)
	return ok([]byte(now))
}

// contactJSON is what a contact is. The caller holds the lock.
func (s *store) contactJSON(n int) string {
	j := compact()
	s.writeContact(&j, n)
	return string(j.b)
}

// set changes the named fields to what a body says of them.
func (v *contact) set(body value, fields []string) {
	for _, name := range fields {
		value := body.get(name)
		switch name {
		case "channel_identities":
			v.identities = readIdentities(value, nil)
		case "channel_priority":
			v.priority = nil
			for channel := range value.elements() {
				v.priority = append(v.priority, channel.text())
			}
		case "display_name":
			v.name = or(value.text(), unnamed)
		case "email":
			v.email = value.text()
		case "external_id":
			v.external = value.text()
		case "language":
			v.language = value.text()
		case "metadata":
			v.metadata = value.text()
		}
	}
	v.settlePriority()
}

// checkIdentityApps refuses a contact with identities that belong to an app
// that the project does not have.
func (e *Emulator) checkIdentityApps(contact value) *reply {
	for identity := range contact.get("channel_identities").elements() {
		app := identity.get("app_id").text()
		if app == "" {
			continue
		}
		if refused := e.checkAnyApp(app); refused != nil {
			return refused
		}
	}
	return nil
}

func (e *Emulator) deleteContact(c *call) reply {
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.contactNumber(c.path["contact_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "contact not found")
	}
	gone := s.contactJSON(n)
	s.dropContact(n)
	e.record(c, Identifiers{ContactID: c.path["contact_id"]})
	e.tellContacts(c, "CONTACT_DELETE", "contact_delete_notification", "contact", gone)
	return ok([]byte("{}"))
}

func (e *Emulator) mergeContacts(c *call) reply {
	source := gjson.Get(c.body, "source_id").Str
	if source == c.path["destination_id"] {
		return e.invalid(violation{"source_id", "is the destination itself"})
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	into, found := s.contactNumber(c.path["destination_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "contact not found")
	}
	from, found := s.contactNumber(source)
	if !found {
		return e.refuse(http.StatusNotFound, "contact to merge not found")
	}
	gone := s.contactJSON(from)
	s.mergeContact(into, from)
	e.record(c, Identifiers{ContactID: c.path["destination_id"], SourceID: source})
	kept := s.contactJSON(into)
	e.tellContacts(c, "CONTACT_MERGE", "contact_merge_notification", "preserved_contact", kept, "deleted_contact", gone)
	return ok([]byte(kept))
}
