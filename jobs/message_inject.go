package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/jsonscan"
	"convbatch/pipeline"
)

// MessageInject is the kind message_inject: it puts messages into conversations,
// which carries history into another project or app (docs/MIGRATION.md). The API
// takes messages of the last 30 days.
//
// A message is either written out at `request`, or taken as the archive has it
// (`message: "{{.body}}"`), with the conversation and the contact that are its
// new ones, and with the job's app, where it has one, for identities that belong
// to an app.
type MessageInject struct {
	EachRow      `yaml:",inline"`
	Conversation Text        `yaml:"conversation" doc:"The id of the conversation that it is put into." required:"true"`
	Contact      Text        `yaml:"contact" doc:"With message: the id of the contact of that conversation."`
	Message      Text        `yaml:"message" doc:"A message as the API answered it, such as the body of the messages dataset."`
	Request      RequestNode `yaml:"request" doc:"Instead of message: the body of inject-message; strings are templates over the row's columns." instead:"message"`
	InDoubt      string      `yaml:"in_doubt" doc:"What becomes of a row whose call may have taken effect: reconcile looks for it in the conversation, hold leaves it in doubt, resend sends it again." enum:"reconcile,hold,resend" default:"reconcile"`
	After        Duration    `yaml:"reconcile_after" doc:"How long the server's lists have to catch up before a row in doubt is looked for." default:"10s"`
}

// injectable is how far back the API takes messages.
const injectable = 30 * 24 * time.Hour

// Check compiles the call. A key is injected once.
func (k *MessageInject) Check(c *Checker) {
	k.once, k.inDoubt, k.after, k.look = true, k.InDoubt, k.After, injected
	switch has := c.Has("message"); {
	case has == c.Has("request"):
		c.Problem("", "needs either message, as the archive has it, or request")
	case has && !c.Has("contact"):
		c.Problem("", "needs contact beside message: the contact of the conversation that it is put into")
	case !has && c.Has("contact"):
		c.Problem("contact", "goes with message; in a request it is contact_id")
	}
	k.calls(c, callParts{
		operation: operation("Conversation_InjectMessage"), body: k.Request, finish: func(call *client.Call) error { return injectBody(call, c.App()) },
		params: []keyed{{"conversation", k.Conversation}, {"contact", k.Contact}, {"message", k.Message}},
		names:  map[string]string{"conversation": "message.conversation_id"},
	})
}

// injectedMembers are what an archived message and one that is injected have in
// common, besides the contact. All that is within them goes along. Beside them a
// message gets more from the server than the call takes, and more with time, so
// a member that nobody knows is not sent: the row would be refused for it.
var injectedMembers = []string{"direction", "accept_time", "channel_identity", "metadata", "sender_id", "processing_mode", "app_message", "contact_message"}

// injectBody makes the body of an archived message, and checks what the API
// would refuse.
func injectBody(call *client.Call, app string) error {
	if message, ok := call.Params["message"]; ok || len(call.Body) == 0 {
		body, err := archived(message, call.Params["contact"], app)
		if err != nil {
			return err
		}
		delete(call.Params, "message")
		delete(call.Params, "contact")
		call.Body = body
	}
	f := gjson.GetManyBytes(call.Body, "accept_time", "app_message", "contact_message")
	at, err := time.Parse(time.RFC3339Nano, f[0].String())
	switch {
	case err != nil:
		return fmt.Errorf("accept_time is not a time such as 2026-01-31T12:00:00Z")
	case time.Since(at) > injectable:
		return fmt.Errorf("accept_time is %s: the API takes messages of the last 30 days", at.UTC().Format(time.DateOnly))
	case f[1].Exists() == f[2].Exists():
		return errors.New("needs one of app_message and contact_message")
	}
	return nil
}

// archived makes the body of an archived message.
func archived(message, contact, app string) ([]byte, error) {
	if contact == "" {
		return nil, errors.New("contact is empty")
	}
	if !isObject(message) {
		return nil, errors.New("message is not a JSON object, as the body of an archived message is")
	}
	body, err := appendQuoted([]byte(`{"contact_id":`), contact)
	if err != nil {
		return nil, err
	}
	for _, name := range injectedMembers {
		v := gjson.Get(message, name)
		if !v.Exists() || v.Type == gjson.Null {
			continue
		}
		raw := v.Raw
		if owner := v.Get("app_id"); name == "channel_identity" && owner.String() != "" && app != "" {
			raw = raw[:owner.Index-v.Index] + `"` + app + `"` + raw[owner.Index-v.Index+len(owner.Raw):]
		}
		body = append(append(body, `,"`+name+`":`...), raw...)
	}
	return append(body, '}'), nil
}

// injected looks for the message in its conversation: one that was injected
// there, with the same instant, in the same direction, and that reads the same.
// Two messages that agree in all of this are one to it.
func injected(ctx context.Context, env Env, call client.Call, _ pipeline.Doubt) (string, error) {
	want, at, err := contentOf(call.Body)
	if err != nil {
		return "", err
	}
	id := ""
	see := func(message []byte) {
		if was := gjson.GetBytes(message, "injected"); was.Exists() && !was.Bool() {
			return
		}
		if got, when, err := contentOf(message); err == nil && got == want && when.Equal(at) {
			id = gjson.GetBytes(message, "id").String()
		}
	}
	lister := newMessageLister(env.Client, env.App)
	q := client.MessageQuery{ConversationID: call.Params["message.conversation_id"], Source: conversationSource, PageSize: olderPage}
	return id, lister.pages(ctx, q, at, see)
}

// contentOf is what tells messages of a conversation apart, and their time.
func contentOf(message []byte) (content string, at time.Time, err error) {
	f := gjson.GetManyBytes(message, "accept_time", "direction", "app_message", "contact_message")
	if at, err = time.Parse(time.RFC3339Nano, f[0].String()); err != nil {
		return "", at, fmt.Errorf("accept_time: %w", err)
	}
	body := f[2]
	if !body.Exists() {
		body = f[3]
	}
	scan := jsonscan.New([]byte(body.Raw))
	kind, text := describe(&scan)
	return strings.Join([]string{f[1].String(), kind, text}, "\n"), at.Truncate(time.Microsecond), nil
}
