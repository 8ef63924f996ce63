package emulator

import (
	"net/http"

	"github.com/tidwall/gjson"
)

// getChannelProfile answers what a person is called on a channel: the name of
// the contact, or one made up for somebody who is none.
func (e *Emulator) getChannelProfile(c *call) reply {
	app, wanted := gjson.Get(c.body, "app_id").Str, gjson.Get(c.body, "channel").Str
	if refused := e.checkApp(app); refused != nil {
		return *refused
	}
	if wanted == "LINE" && e.options.Profile == ProfileOld {
		return e.invalid(violation{"channel", "has no profiles"})
	}
	contact, identities := readRecipient(c.json.get("recipient"), nil)
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	if contact != "" {
		n, found := s.contactNumber(contact)
		if !found {
			return e.refuse(http.StatusNotFound, "contact not found")
		}
		identities = s.identitiesOf(n)
	}
	for _, i := range identities {
		if i.channel == wanted {
			j := compact()
			j.open()
			j.key("profile_name").text(s.nameOf(i))
			j.close()
			return ok(j.b)
		}
	}
	return e.refuse(http.StatusNotFound, "the recipient has no profile on this channel")
}

// nameOf is what a person calls himself. The caller holds the lock.
func (s *store) nameOf(i identity) string {
	if n, known := s.lookup(i); known {
		return s.contactOf(n).name
	}
	return "User " + i.value
}
