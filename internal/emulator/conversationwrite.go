package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/tidwall/gjson"
)

const conversationPath = "/v1/projects/{project_id}/conversations/{conversation_id}"

var conversationWrites = []operation{
	{
		id: "Conversation_CreateConversation", method: http.MethodPost, path: "/v1/projects/{project_id}/conversations",
		changes: true, handle: (*Emulator).createConversation,
		body: &shape{required: []string{"app_id", "contact_id"}, fields: conversationShapes("app_id", "contact_id")},
	},
	{
		id: "Conversation_UpdateConversation", method: http.MethodPatch, path: conversationPath,
		changes: true, handle: (*Emulator).updateConversation,
		query: append([]param{{name: "metadata_update_strategy", enum: []string{"REPLACE", "MERGE_PATCH"}}}, maskParams...),
		body:  &shape{fields: conversationShapes("app_id", "contact_id", "id", "last_received")},
	},
	{
		id: "Conversation_DeleteConversation", method: http.MethodDelete, path: conversationPath,
		changes: true, handle: (*Emulator).deleteConversation,
	},
	{
		id: "Conversation_StopActiveConversation", method: http.MethodPost, path: conversationPath + ":stop",
		changes: true, handle: (*Emulator).stopConversation,
	},
}

// conversationFields are what a PATCH can change.
var conversationFields = []string{"active", "active_channel", "metadata", "metadata_json", "correlation_id"}

func conversationShapes(others ...string) map[string]*shape {
	shapes := map[string]*shape{
		"active": {kind: boolean}, "active_channel": channel, "metadata": {kind: text, max: 1024}, "metadata_json": anyObject,
		"correlation_id": {kind: text, max: 128, newer: true},
	}
	for _, name := range others {
		shapes[name] = nonEmpty
	}
	return shapes
}

// createConversation makes a conversation, active unless it says otherwise.
func (e *Emulator) createConversation(c *call) reply {
	if refused := e.checkApp(gjson.Get(c.body, "app_id").Str); refused != nil {
		return *refused
	}
	if e.mode() == ModeDispatch {
		return e.invalid(violation{"app_id", "is of an app in DISPATCH mode, which has no conversations"})
	}
	fields, _ := e.masked(c, conversationFields) // refuses nothing without a mask
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	contact, found := s.contactNumber(gjson.Get(c.body, "contact_id").Str)
	if !found {
		return e.refuse(http.StatusNotFound, "contact not found")
	}
	first := s.identitiesOf(contact)[0].channel
	n := s.conversations + s.talks.len()
	s.talks.add(talk{created: c.now, contact: contact, channel: first})
	active := gjson.Get(c.body, "active")
	s.setActive(n, !active.IsBool() || active.Bool())
	s.reviseFields(n, c.body, fields, false)
	return e.answerConversation(c, n)
}

func (e *Emulator) updateConversation(c *call) reply {
	fields, refused := e.masked(c, conversationFields)
	if refused != nil {
		return *refused
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.conversationNumber(c.path["conversation_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "conversation not found")
	}
	var wrong violations
	for name, is := range map[string]string{
		"id": c.path["conversation_id"], "app_id": s.app, "contact_id": string(s.contactIDOf(nil, s.contactIn(n))),
	} {
		if given := gjson.Get(c.body, name).Str; given != "" && given != is {
			wrong.add(name, "can not be changed")
		}
	}
	if len(wrong) > 0 {
		wrong.sort()
		return e.invalid(wrong...)
	}
	s.reviseFields(n, c.body, fields, c.args["metadata_update_strategy"] == "MERGE_PATCH")
	return e.answerConversation(c, n)
}

// answerConversation records a write and answers what the conversation is now.
// The caller holds the store's lock.
func (e *Emulator) answerConversation(c *call, n int) reply {
	s := e.store
	s.recency = recency{}
	e.record(c, Identifiers{ConversationID: string(s.conversationIDOf(nil, n))})
	j := compact()
	s.writeConversation(&j, s.conversationAt(n))
	return ok(j.b)
}

// reviseFields changes the named fields to what a body says of them. The
// caller holds the lock.
func (s *store) reviseFields(n int, body string, fields []string, merge bool) {
	for _, name := range fields {
		value, r := gjson.Get(body, name), s.revise(n)
		switch name {
		case "active":
			s.setActive(n, value.Bool())
		case "active_channel":
			r.channel = value.Str
		case "metadata":
			r.metadata = &value.Raw
		case "metadata_json":
			now := value.Raw
			if merge {
				now = mergePatch(s.metadataJSONOf(n), now)
			}
			r.metadataJSON = &now
		case "correlation_id":
			s.correlations[n] = value.Raw
		}
	}
}

// mergePatch applies a patch to an object as RFC 7386 says. Numbers keep the
// digits they have.
func mergePatch(target, patch string) string {
	if patch == "" {
		return target
	}
	b, _ := json.Marshal(merged(decoded(target), decoded(patch))) // it came from JSON
	return string(b)
}

func merged(target, patch any) any {
	changes, isObject := patch.(map[string]any)
	if !isObject {
		return patch
	}
	into, isObject := target.(map[string]any)
	if !isObject {
		into = make(map[string]any)
	}
	for name, value := range changes {
		if value == nil {
			delete(into, name)
			continue
		}
		into[name] = merged(into[name], value)
	}
	return into
}

func decoded(text string) (v any) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	_ = d.Decode(&v) // empty is nothing; the rest was checked
	return v
}

func (e *Emulator) deleteConversation(c *call) reply {
	return e.end(c, e.store.deleteConversation)
}

func (e *Emulator) stopConversation(c *call) reply {
	return e.end(c, func(n int) { e.store.setActive(n, false) })
}

// end does to the conversation of the path what ends it.
func (e *Emulator) end(c *call, how func(n int)) reply {
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.conversationNumber(c.path["conversation_id"])
	if !found {
		return e.refuse(http.StatusNotFound, "conversation not found")
	}
	how(n)
	e.record(c, Identifiers{ConversationID: c.path["conversation_id"]})
	return ok([]byte("{}"))
}
