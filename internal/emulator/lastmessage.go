package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

var lastMessageOperation = operation{
	id: "Messages_ListMessagesByChannelIdentity", method: http.MethodPost,
	path:  "/v1/projects/{project_id}/messages:fetch-last-message",
	newer: true, body: lastMessageRequest, handle: (*Emulator).listLastMessages,
}

// lastMessageRequest is the body of Messages_ListMessagesByChannelIdentity,
// which has what Messages_ListMessages has in its query.
var lastMessageRequest = &shape{
	one: []string{"channel_identities", "contact_ids"},
	fields: map[string]*shape{
		"channel_identities": {kind: list, min: 1, each: nonEmpty}, "contact_ids": {kind: list, min: 1, each: nonEmpty},
		"app_id": anyText, "messages_source": {kind: text, enum: sourceParam.enum},
		"page_size": whole(1, 1000), "page_token": anyText,
		"view":       {kind: text, enum: []string{"WITH_METADATA", "WITHOUT_METADATA"}},
		"start_time": {kind: text, check: checkTime}, "end_time": {kind: text, check: checkTime},
		"channel": channel, "direction": {kind: text, enum: []string{"TO_APP", "TO_CONTACT"}},
	},
}

// listLastMessages answers the newest of the selected messages of each identity
// or contact, newest first. Who has none is left out.
func (e *Emulator) listLastMessages(c *call) reply {
	c.args = bodyArguments(c.body)
	q, refused := e.messageSelection(c)
	if refused != nil {
		return *refused
	}
	if q.dispatch && c.args["contact_ids"] != "" {
		return e.invalid(violation{"contact_ids", "are not taken with DISPATCH_SOURCE"})
	}
	from, refused := e.page(c, afterAll)
	if refused != nil {
		return *refused
	}
	last := e.lastMessages(c, q)
	last = slices.DeleteFunc(last, func(m *message) bool { return !m.older(from) })
	size, next := c.args.number("page_size", 10), ""
	if len(last) > size {
		last = last[:size]
		next = e.nextPage(c, last[size-1].position)
	}
	j := compact()
	j.open()
	j.key("messages").openList()
	for _, m := range last {
		j.item()
		j.b = e.store.appendMessage(j.b, m, c.args["view"] != "WITHOUT_METADATA")
	}
	j.closeList()
	j.key("next_page_token").text(next)
	j.close()
	return ok(j.b)
}

// lastMessages finds the newest message of each, newest first, none twice.
func (e *Emulator) lastMessages(c *call, q selection) []*message {
	var found []*message
	first := func(q selection) {
		for m := range e.store.newestFirst(q, afterAll) {
			found = append(found, m)
			return
		}
	}
	for _, value := range strs(gjson.Get(c.body, "channel_identities")) {
		one := q
		one.identity = strings.TrimPrefix(value, "+")
		first(one)
	}
	for _, id := range strs(gjson.Get(c.body, "contact_ids")) {
		one := q
		one.people = e.store.peopleBehind(id)
		first(one)
	}
	slices.SortFunc(found, func(a, b *message) int {
		switch {
		case a.position == b.position:
			return 0
		case b.older(a.position):
			return -1
		}
		return 1
	})
	return slices.CompactFunc(found, func(a, b *message) bool { return a.position == b.position })
}

// bodyArguments are the fields of a body, where it stands for a query.
func bodyArguments(body string) arguments {
	args := make(arguments)
	gjson.Parse(body).ForEach(func(key, value gjson.Result) bool {
		switch value.Type {
		case gjson.Null:
		case gjson.Number:
			args[key.Str] = strconv.FormatInt(value.Int(), 10)
		case gjson.String:
			args[key.Str] = value.Str
		default:
			args[key.Str] = value.Raw
		}
		return true
	})
	return args
}

// strs are the texts of a list.
func strs(v gjson.Result) []string {
	var texts []string
	for _, x := range v.Array() {
		texts = append(texts, x.Str)
	}
	return texts
}
