package client

import (
	"context"
	"strconv"
)

var (
	getConversation   = MustLookUp("Conversation_GetConversation")
	listConversations = MustLookUp("Conversation_ListConversations")
)

// GetConversation gets one conversation.
func (c *Client) GetConversation(ctx context.Context, id string) (Response, error) {
	return c.Call(ctx, getConversation, Call{Params: params{"conversation_id": id}})
}

// ConversationQuery selects conversations, of an app or of a contact. What is
// empty does not select.
type ConversationQuery struct {
	AppID      string
	ContactID  string
	OnlyActive *bool // true: the active, false: the inactive, nil: all (older servers refuse nil)
	PageSize   int   // 20 at most
	PageToken  string
}

// ListConversations gets a page of conversations.
func (c *Client) ListConversations(ctx context.Context, q ConversationQuery) (Page, error) {
	active := ""
	if q.OnlyActive != nil {
		active = strconv.FormatBool(*q.OnlyActive)
	}
	return c.List(ctx, listConversations, Call{Query: params{
		"app_id":      q.AppID,
		"contact_id":  q.ContactID,
		"only_active": active,
		"page_size":   number(q.PageSize),
		"page_token":  q.PageToken,
	}.values()})
}
