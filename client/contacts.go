package client

import "context"

// GetContact gets one contact.
func (c *Client) GetContact(ctx context.Context, id string) (Response, error) {
	return c.do(ctx, getContact, request{ids: []string{id}})
}

// ContactQuery selects contacts: all, those with an external id, or the one
// with an identity on a channel (both go together). What is empty does not
// select.
type ContactQuery struct {
	ExternalID string
	Channel    string
	Identity   string
	PageSize   int // 20 at most
	PageToken  string
}

// ListContacts gets a page of contacts.
func (c *Client) ListContacts(ctx context.Context, q ContactQuery) (Page, error) {
	return c.list(ctx, listContacts, params{
		"external_id": q.ExternalID,
		"channel":     q.Channel,
		"identity":    q.Identity,
		"page_size":   number(q.PageSize),
		"page_token":  q.PageToken,
	}.values())
}
