package emulator

import (
	"net/http"
	"slices"

	"github.com/tidwall/gjson"
)

// registrations are the older way to change who is opted out. Both profiles
// have them, though newer servers may not.
func registrations(o Options) []operation {
	if o.NoRegister {
		return nil
	}
	return []operation{
		{
			id: "OptIn_RegisterOptIn", method: http.MethodPost, path: "/v1/projects/{project_id}/optins:register",
			changes: true, callback: "OPT_IN", query: optParams, body: optRequest,
			handle: func(e *Emulator, c *call) reply { return e.registerOpt(c, "opt_in", e.consents.remove) },
		},
		{
			id: "OptIn_RegisterOptOut", method: http.MethodPost, path: "/v1/projects/{project_id}/optouts:register",
			changes: true, callback: "OPT_OUT", query: optParams, body: optRequest,
			handle: func(e *Emulator, c *call) reply { return e.registerOpt(c, "opt_out", e.consents.put) },
		},
	}
}

var (
	optParams = []param{{name: "request_id"}}

	optRequest = &shape{
		required: []string{"app_id", "channels", "recipient"},
		fields: map[string]*shape{
			"app_id": nonEmpty, "recipient": recipient, "channels": {kind: list, min: 1, each: channel},
			"processing_strategy": sendRequest.fields["processing_strategy"],
		},
	}
)

// registerOpt answers what was asked, under the name that the operation has,
// with an id of the request, made up where none was given. That it changes
// OPT_OUT_ALL, by the identities that the recipient has on the given channels,
// is how we imagine it: the specification does not say what the two ways to
// opt out have to do with each other.
func (e *Emulator) registerOpt(c *call, name string, change func(app, identity string, r consentRecord)) reply {
	if refused := e.checkRecipient(c); refused != nil {
		return *refused
	}
	identities := e.identitiesOn(c.json.get("recipient"), strs(gjson.Get(c.body, "channels")))
	e.consents.mu.Lock()
	for _, i := range identities {
		change(gjson.Get(c.body, "app_id").Str, i.value, consentRecord{at: c.now, list: OptOutAll, origin: originAPI})
	}
	e.record(c, Identifiers{})
	e.consents.mu.Unlock()
	j := compact()
	j.open()
	j.key(name).raw(c.body)
	j.key("request_id").text(or(c.args["request_id"], e.nextEventID(c)))
	j.close()
	return ok(j.b)
}

// identitiesOn lists where a recipient is reached on some channels.
func (e *Emulator) identitiesOn(recipient value, channels []string) []identity {
	s := e.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	identities := slices.Clone(s.recipient(recipient).identities)
	return slices.DeleteFunc(identities, func(i identity) bool { return !slices.Contains(channels, i.channel) })
}
