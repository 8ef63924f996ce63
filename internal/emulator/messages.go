package emulator

import (
	"math"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

var channels = []string{
	"SMS", "RCS", "WHATSAPP", "MMS", "KAKAOTALK", "KAKAOTALKCHAT", "VIBERBM", "LINE",
	"INSTAGRAM", "MESSENGER", "WECHAT", "TELEGRAM", "APPLEBC", "VIBER",
}

var sourceParam = param{name: "messages_source", enum: []string{"CONVERSATION_SOURCE", "DISPATCH_SOURCE"}}

var messageOperations = []operation{
	{
		id: "Messages_SendMessage", method: http.MethodPost, path: "/v1/projects/{project_id}/messages:send",
		changes: true, body: sendRequest, handle: (*Emulator).sendMessage,
	},
	{
		id: "Messages_ListMessages", method: http.MethodGet, path: "/v1/projects/{project_id}/messages",
		query: []param{
			{name: "conversation_id"}, {name: "contact_id"}, {name: "app_id"},
			{name: "page_size", kind: intParam, max: 1000, oldMax: 20}, {name: "page_token"},
			{name: "view", enum: []string{"WITH_METADATA", "WITHOUT_METADATA"}}, sourceParam,
			{name: "only_recipient_originated", kind: boolParam},
			{name: "start_time", kind: timeParam, newer: true}, {name: "end_time", kind: timeParam, newer: true},
			{name: "channel_identity", newer: true}, {name: "channel", enum: channels, newer: true},
			{name: "direction", enum: []string{"TO_APP", "TO_CONTACT"}, newer: true},
		},
		handle: (*Emulator).listMessages,
	},
	{
		id: "Messages_GetMessage", method: http.MethodGet, path: "/v1/projects/{project_id}/messages/{message_id}",
		query: []param{sourceParam}, handle: (*Emulator).getMessage,
	},
	{
		id: "Messages_DeleteMessage", method: http.MethodDelete, path: "/v1/projects/{project_id}/messages/{message_id}",
		changes: true, query: []param{sourceParam}, handle: (*Emulator).deleteMessage,
	},
	{
		id: "Messages_UpdateMessageMetadata", method: http.MethodPatch, path: "/v1/projects/{project_id}/messages/{message_id}",
		newer: true, changes: true, query: []param{sourceParam}, handle: (*Emulator).patchMessage,
		body: &shape{fields: map[string]*shape{"metadata": {kind: text, max: 1024}}, required: []string{"metadata"}},
	},
	lastMessageOperation,
}

func (e *Emulator) listMessages(c *call) reply {
	q, refused := e.messageSelection(c)
	if refused != nil {
		return *refused
	}
	from, refused := e.page(c, afterAll)
	if refused != nil {
		return *refused
	}
	size, metadata := c.args.number("page_size", 10), c.args["view"] != "WITHOUT_METADATA"
	pooled := buffers.Get().(*[]byte)
	b := append(*pooled, `{"messages":[`...)
	next, n := "", 0
	var last position
	for m := range e.store.newestFirst(q, from) {
		if n == size {
			next = e.nextPage(c, last)
			break
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = e.store.appendMessage(b, m, metadata)
		last = m.position
		n++
	}
	b = append(b, `],"next_page_token":"`...)
	b = append(append(b, next...), `"}`...)
	return reply{status: http.StatusOK, body: b, pooled: pooled}
}

// messageSelection turns the query into what is selected, and refuses what
// the operation's row can not express.
func (e *Emulator) messageSelection(c *call) (selection, *reply) {
	q := selection{conversation: -1, to: math.MaxInt64, from: math.MinInt64, now: c.now}
	q.dispatch = c.args["messages_source"] == "DISPATCH_SOURCE"
	q.channel, q.direction = c.args["channel"], c.args["direction"]
	if c.args["only_recipient_originated"] == "true" {
		q.direction = "TO_APP"
	}
	q.identity = strings.TrimPrefix(c.args["channel_identity"], "+")
	if refused := e.checkSource(c, q.dispatch); refused != nil {
		return q, refused
	}
	if refused := e.bound(c, &q); refused != nil {
		return q, refused
	}
	if app := c.args["app_id"]; app != "" {
		if refused := e.checkApp(app); refused != nil {
			return q, refused
		}
	}
	// An id that nothing has selects nothing: a list is no look-up.
	if id := c.args["contact_id"]; id != "" {
		q.people = e.store.peopleBehind(id)
	}
	if id := c.args["conversation_id"]; id != "" {
		q.conversation = numberOr(e.store.findConversation(id))
	}
	return q, nil
}

// nowhere is a number that no contact and no conversation has.
const nowhere = math.MaxInt

func numberOr(n int, found bool) int {
	if !found {
		return nowhere
	}
	return n
}

func (e *Emulator) checkSource(c *call, dispatch bool) *reply {
	var wrong violations
	threaded := c.args["conversation_id"] != "" || c.args["contact_id"] != ""
	old := e.options.Profile == ProfileOld
	switch {
	case dispatch && threaded:
		wrong.add("messages_source", "DISPATCH_SOURCE takes neither conversation_id nor contact_id")
	case dispatch && old && c.args["app_id"] == "":
		wrong.add("app_id", "is required with DISPATCH_SOURCE")
	case !dispatch && old && !threaded:
		wrong.add("conversation_id", "or contact_id is required with CONVERSATION_SOURCE")
	default:
		return nil
	}
	r := e.invalid(wrong...)
	return &r
}

// bound sets the span of accept_time. Inside, both ends belong to it.
func (e *Emulator) bound(c *call, q *selection) *reply {
	start, hasStart := c.args.time("start_time")
	end, hasEnd := c.args.time("end_time")
	if hasStart && hasEnd && start >= end {
		r := e.invalid(violation{"start_time", "must be before end_time"})
		return &r
	}
	edge := int64(1)
	if e.options.BoundsInclusive {
		edge = 0
	}
	if hasStart {
		q.from = start + edge
	}
	if hasEnd {
		q.to = end - edge
	}
	return nil
}

// sought finds the message that the path names.
func (e *Emulator) sought(c *call) (*message, bool) {
	return e.store.find(c.path["message_id"], c.args["messages_source"] == "DISPATCH_SOURCE", c.now)
}

func (e *Emulator) getMessage(c *call) reply {
	m, found := e.sought(c)
	if !found {
		return e.refuse(http.StatusNotFound, "message not found")
	}
	return ok(e.store.appendMessage(nil, m, true))
}

func (e *Emulator) deleteMessage(c *call) reply {
	m, found := e.sought(c)
	if !found {
		return e.refuse(http.StatusNotFound, "message not found")
	}
	e.store.change(m.number, func(p *patch) { p.deleted = true })
	return ok([]byte("{}"))
}

func (e *Emulator) patchMessage(c *call) reply {
	m, found := e.sought(c)
	switch {
	case !found:
		return e.refuse(http.StatusNotFound, "message not found")
	case m.dispatch:
		return e.invalid(violation{"messages_source", "metadata can be changed in CONVERSATION mode only"})
	}
	metadata := gjson.Get(c.body, "metadata").String()
	e.store.change(m.number, func(p *patch) { p.metadata = &metadata })
	return ok(e.store.appendMessage(nil, m, true))
}
