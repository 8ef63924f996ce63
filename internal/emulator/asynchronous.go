package emulator

import (
	"net/http"

	"github.com/tidwall/gjson"
)

// asynchronousOperations are accepted here, and their outcome comes as a
// callback: see CallbacksAfter. Transcoding answers at once and is recorded
// like them.
var asynchronousOperations = []operation{
	{
		id: "Capability_QueryCapability", method: http.MethodPost, path: "/v1/projects/{project_id}/capability:query",
		changes: true, callback: "CAPABILITY", body: capabilityRequest, handle: (*Emulator).queryCapability,
	},
	{
		id: "Events_SendEvent", method: http.MethodPost, path: "/v1/projects/{project_id}/events:send",
		changes: true, callback: "EVENT_DELIVERY", body: eventRequest, handle: (*Emulator).sendEvent,
	},
	{
		id: "Transcoding_TranscodeMessage", method: http.MethodPost, path: "/v1/projects/{project_id}/messages:transcode",
		changes: true, body: transcodeRequest, handle: (*Emulator).transcode,
	},
}

var (
	capabilityRequest = &shape{
		required: []string{"app_id", "recipient"},
		fields:   map[string]*shape{"app_id": nonEmpty, "recipient": recipient, "request_id": anyText},
	}

	transcodeRequest = &shape{
		required: []string{"app_id", "app_message", "channels"},
		fields: map[string]*shape{
			"app_id": nonEmpty, "app_message": appMessage, "channels": {kind: list, min: 1, each: channel},
			"from": anyText, "to": anyText,
		},
	}

	eventRequest = &shape{
		required: []string{"app_id", "recipient", "event"},
		fields: map[string]*shape{
			"app_id": nonEmpty, "recipient": recipient, "event": appEvent, "callback_url": anyText, "event_metadata": anyText,
			"channel_priority_order": {kind: list, each: channel}, "queue": sendRequest.fields["queue"],
		},
	}

	agentEvent = &shape{required: []string{"agent"}, fields: map[string]*shape{"agent": anyObject}, newer: true}

	// appEvent stands directly under event, as in the vendor's samples.
	appEvent = &shape{
		one: []string{
			"composing_event", "composing_end_event", "read_message_event", "comment_reply_event", "agent_joined_event",
			"agent_left_event", "generic_event",
		},
		fields: map[string]*shape{
			"composing_event":     anyObject,
			"composing_end_event": {newer: true},
			"read_message_event":  {newer: true},
			"comment_reply_event": textMessage,
			"agent_joined_event":  agentEvent,
			"agent_left_event":    agentEvent,
			"generic_event":       {required: []string{"payload"}, fields: map[string]*shape{"payload": anyObject}, newer: true},
		},
	}
)

// checkRecipient refuses a request whose app or recipient nobody has.
func (e *Emulator) checkRecipient(c *call) *reply {
	if refused := e.checkApp(gjson.Get(c.body, "app_id").Str); refused != nil {
		return refused
	}
	contact := gjson.Get(c.body, "recipient.contact_id").Str
	if contact == "" {
		return nil
	}
	if e.mode() == ModeDispatch || gjson.Get(c.body, "processing_strategy").Str == "DISPATCH_ONLY" {
		r := e.invalid(violation{"recipient.contact_id", needsIdentities})
		return &r
	}
	if _, found := e.store.findContact(contact); !found {
		r := e.refuse(http.StatusNotFound, "contact not found")
		return &r
	}
	return nil
}

func (e *Emulator) queryCapability(c *call) reply {
	if refused := e.checkRecipient(c); refused != nil {
		return *refused
	}
	j := compact()
	j.open()
	given := gjson.Parse(c.body)
	j.key("app_id").raw(given.Get("app_id").Raw)
	j.key("recipient").raw(given.Get("recipient").Raw)
	j.key("request_id").text(or(given.Get("request_id").Str, e.nextEventID(c)))
	j.close()
	return ok(j.b)
}

// nextEventID makes an id for what is neither a message, a contact nor a
// conversation.
func (e *Emulator) nextEventID(c *call) string {
	return e.eventID(int(e.events.Add(1)), c.now)
}

// transcode answers for each channel the message as it was given.
func (e *Emulator) transcode(c *call) reply {
	if refused := e.checkApp(gjson.Get(c.body, "app_id").Str); refused != nil {
		return *refused
	}
	message := gjson.Get(c.body, "app_message").Raw
	seen := make(map[string]bool)
	j := compact()
	j.open()
	j.key("transcoded_message").open()
	for _, name := range gjson.Get(c.body, "channels").Array() {
		if !seen[name.Str] {
			j.key(name.Str).text(message)
		}
		seen[name.Str] = true
	}
	j.close()
	j.close()
	return ok(j.b)
}

// Callbacks is how many requests were accepted whose outcome comes as a
// callback, by trigger, without messages. The callbacks themselves are those of
// CallbacksAfter.
func (e *Emulator) Callbacks() map[string]int {
	counts := make(map[string]int)
	triggers := make(map[string]string)
	for _, op := range e.router.operations {
		triggers[op.id] = op.callback
	}
	for x := range e.accepted().from(0) {
		if trigger := triggers[x.op]; trigger != "" {
			counts[trigger]++
		}
	}
	return counts
}
