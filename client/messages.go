package client

import (
	"context"
	"time"
)

var (
	sendMessage  = MustLookUp("Messages_SendMessage")
	getMessage   = MustLookUp("Messages_GetMessage")
	listMessages = MustLookUp("Messages_ListMessages")
)

// SendMessage sends the message that body describes, a SendMessageRequest in
// JSON. It is sent at most once, unless an attempt certainly had no effect.
func (c *Client) SendMessage(ctx context.Context, body []byte) (Response, error) {
	return c.Call(ctx, sendMessage, Call{Body: body})
}

// GetMessage gets one message; source as in MessageQuery.
func (c *Client) GetMessage(ctx context.Context, id, source string) (Response, error) {
	return c.Call(ctx, getMessage, Call{Params: params{"message_id": id}, Query: params{"messages_source": source}.values()})
}

// MessageQuery selects messages. What is empty does not select.
type MessageQuery struct {
	AppID          string
	ConversationID string
	ContactID      string
	Start, End     time.Time // of accept_time; whether the ends are inside is the server's secret
	PageSize       int       // 1000 at most, 20 on older servers
	PageToken      string
	Source         string // CONVERSATION_SOURCE or DISPATCH_SOURCE
	View           string // WITH_METADATA or WITHOUT_METADATA
	Direction      string // TO_APP or TO_CONTACT; newer servers only

	Item ItemReader // as in Call
}

// ListMessages gets a page of messages, the newest first.
func (c *Client) ListMessages(ctx context.Context, q MessageQuery) (Page, error) {
	return c.List(ctx, listMessages, Call{Query: params{
		"app_id":          q.AppID,
		"conversation_id": q.ConversationID,
		"contact_id":      q.ContactID,
		"start_time":      instant(q.Start),
		"end_time":        instant(q.End),
		"page_size":       number(q.PageSize),
		"page_token":      q.PageToken,
		"messages_source": q.Source,
		"view":            q.View,
		"direction":       q.Direction,
	}.values(), Item: q.Item})
}

// instant is t as the API takes it (RFC 3339, UTC, with its nanoseconds).
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
