package emulator

import (
	"net/http"
	"time"

	"github.com/tidwall/gjson"
)

// injectPath is the older specification's name of the parameter, which the
// newer one keeps for messages.
const injectPath = "/v1/projects/{project_id}/conversations/{message.conversation_id}"

var injectOperations = []operation{
	{
		id: "Conversation_InjectMessage", method: http.MethodPost, path: injectPath + ":inject-message",
		changes: true, body: injectMessageRequest, handle: (*Emulator).injectMessage,
	},
	{
		id: "Events_InjectEvent", method: http.MethodPost, path: conversationPath + ":inject-event",
		newer: true, changes: true, body: injectEventRequest, handle: (*Emulator).injectEvent,
	},
}

// injectableDays is how far back something that is injected can lie.
const injectableDays = 30

// injectMessageRequest is the body of Conversation_InjectMessage. The older
// specification requires nothing of it by name; it means the same.
var injectMessageRequest = &shape{
	required: []string{"channel_identity", "contact_id", "direction", "accept_time"},
	one:      []string{"app_message", "contact_message"},
	fields: map[string]*shape{
		"accept_time": {kind: text, check: checkTime}, "channel_identity": ownIdentity, "contact_id": nonEmpty,
		"app_message": appMessage, "contact_message": contactMessage, "metadata": {kind: text, max: 1024},
		"direction":       {kind: text, enum: []string{"TO_APP", "TO_CONTACT"}},
		"sender_id":       {kind: text, newer: true},
		"processing_mode": {kind: text, enum: processingMode.enum, newer: true},
		"conversation_id": {kind: text, newer: true},
	},
	check: func(v gjson.Result) string {
		if v.Get("contact_message").Exists() != (v.Get("direction").Str == "TO_APP") {
			return "must have contact_message with TO_APP, app_message with TO_CONTACT"
		}
		return ""
	},
}

// injectEventRequest is the body of Events_InjectEvent.
var injectEventRequest = &shape{
	required: []string{"accept_time", "app_event"},
	fields: map[string]*shape{
		"accept_time": {kind: text, check: checkTime}, "app_event": appEvent, "channel_identity": ownIdentity,
		"conversation_id": anyText, "contact_id": anyText, "processing_mode": processingMode,
	},
}

// contactMessage is what a contact can say: exactly one type.
var contactMessage = &shape{
	one: []string{
		"text_message", "media_message", "location_message", "choice_response_message", "fallback_message",
		"media_card_message", "product_response_message", "channel_specific_message",
	},
	fields: map[string]*shape{
		"text_message":            textMessage,
		"media_message":           mediaMessage,
		"location_message":        locationMessage,
		"choice_response_message": texts([]string{"message_id", "postback_data"}),
		"fallback_message":        {fields: map[string]*shape{"raw_message": anyText, "reason": anyObject}},
		"media_card_message":      texts([]string{"url"}, "caption"),
		"reply_to":                {required: []string{"message_id"}},
		"product_response_message": {newer: true, fields: map[string]*shape{
			"products": {kind: list, each: &shape{required: []string{"id", "marketplace"}}},
			"title":    anyText, "catalog_id": anyText,
		}},
		"channel_specific_message": {newer: true, fields: map[string]*shape{
			"message_type": {kind: text, enum: []string{"nfm_reply"}}, "message": {required: []string{"type", "nfm_reply"}},
		}},
	},
}

func checkTime(v gjson.Result) string {
	if _, err := time.Parse(time.RFC3339Nano, v.Str); err != nil {
		return "must be a time of the form 2006-01-02T15:04:05Z"
	}
	return ""
}

// injection is where and when something is put into the past.
type injection struct {
	at           int64
	conversation int
	person       int
	to           identity
}

// readInjection finds the conversation and refuses what does not belong to
// it. The caller holds the store's lock.
func (e *Emulator) readInjection(c *call, id string) (injection, *reply) {
	s := e.store
	n, found := s.conversationNumber(id)
	if !found {
		r := e.refuse(http.StatusNotFound, "conversation not found")
		return injection{}, &r
	}
	at, _ := time.Parse(time.RFC3339Nano, gjson.Get(c.body, "accept_time").Str) // its shape was checked
	in := injection{at: nanoseconds(at), conversation: n, person: s.contactIn(n)}
	var wrong violations
	if in.at > c.now || in.at <= c.now-injectableDays*day {
		wrong.add("accept_time", "must lie within the last 30 days and not ahead")
	}
	for name, is := range map[string]string{"conversation_id": id, "contact_id": string(s.contactIDOf(nil, in.person))} {
		if given := gjson.Get(c.body, name).Str; given != "" && given != is {
			wrong.add(name, "is not that of the conversation")
		}
	}
	if e.mode() == ModeDispatch || gjson.Get(c.body, "processing_mode").Str == ModeDispatch {
		wrong.add("processing_mode", "must be CONVERSATION, of the app and of what is injected")
	}
	if len(wrong) > 0 {
		wrong.sort()
		r := e.invalid(wrong...)
		return in, &r
	}
	return in, e.addressInjection(c, &in)
}

// addressInjection takes the identity that is given, else the one that the
// conversation was last held with.
func (e *Emulator) addressInjection(c *call, in *injection) *reply {
	v := gjson.Get(c.body, "channel_identity")
	if !v.IsObject() {
		to := sending{identities: e.store.identitiesOf(in.person), order: []string{e.store.conversationAt(in.conversation).channel}}
		in.to = to.reach()
		return nil
	}
	in.to = readIdentity(c.json.get("channel_identity"))
	if isScoped(in.to.channel) {
		return e.checkApp(v.Get("app_id").Str)
	}
	return nil
}

// injectMessage answers no id.
func (e *Emulator) injectMessage(c *call) reply {
	s, id := e.store, c.path["message.conversation_id"]
	s.mu.Lock()
	defer s.mu.Unlock()
	in, refused := e.readInjection(c, id)
	if refused != nil {
		return *refused
	}
	a := &arrival{
		visible: c.now + int64(e.options.ListDelay), injected: true, identity: in.to.value,
		given:    gjson.Get(c.body, "app_message").Raw,
		metadata: textOf(c.body, "metadata"), sender: textOf(c.body, "sender_id"),
	}
	a.at, a.person, a.conversation, a.channel = in.at, in.person, in.conversation, in.to.channel
	if a.toApp = gjson.Get(c.body, "direction").Str == "TO_APP"; a.toApp {
		a.given = gjson.Get(c.body, "contact_message").Raw
	}
	s.keepArrival(a)
	e.record(c, Identifiers{MessageID: string(s.messageID(nil, a.position)), ConversationID: id})
	return ok([]byte("{}"))
}

// textOf is a text of a body, as JSON; empty where there is none.
func textOf(body, name string) string {
	if v := gjson.Get(body, name); v.Type == gjson.String {
		return v.Raw
	}
	return ""
}
