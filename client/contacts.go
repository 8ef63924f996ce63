package client

import (
	"context"
	"encoding/json"
)

var (
	getContact    = MustLookUp("Contact_GetContact")
	listContacts  = MustLookUp("Contact_ListContacts")
	createContact = MustLookUp("Contact_CreateContact")
	updateContact = MustLookUp("Contact_UpdateContact")
	deleteContact = MustLookUp("Contact_DeleteContact")
	mergeContact  = MustLookUp("Contact_MergeContact")
)

// GetContact gets one contact.
func (c *Client) GetContact(ctx context.Context, id string) (Response, error) {
	return c.Call(ctx, getContact, Call{Params: params{"contact_id": id}})
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
	return c.List(ctx, listContacts, Call{Query: params{
		"external_id": q.ExternalID,
		"channel":     q.Channel,
		"identity":    q.Identity,
		"page_size":   number(q.PageSize),
		"page_token":  q.PageToken,
	}.values()})
}

// CreateContact creates the contact that body describes, in JSON. There is no
// key that would keep it from being created twice: it is sent at most once,
// unless an attempt certainly had no effect.
func (c *Client) CreateContact(ctx context.Context, body []byte) (Response, error) {
	return c.Call(ctx, createContact, Call{Body: body})
}

// UpdateContact sets the fields in mask to what body has for them, in JSON, and
// empties those that it has not; without a mask, those that body has.
func (c *Client) UpdateContact(ctx context.Context, id string, mask []string, body []byte) (Response, error) {
	return c.CallMasked(ctx, updateContact, Call{Params: params{"contact_id": id}, Body: body}, mask)
}

// DeleteContact deletes one contact.
func (c *Client) DeleteContact(ctx context.Context, id string) (Response, error) {
	return c.Call(ctx, deleteContact, Call{Params: params{"contact_id": id}})
}

// MergeContacts moves what the contact source has into the contact destination,
// and deletes source. It answers what destination is then.
func (c *Client) MergeContacts(ctx context.Context, destination, source string) (Response, error) {
	body, _ := json.Marshal(map[string]string{"source_id": source, "strategy": "MERGE"}) // of strings: no error
	return c.Call(ctx, mergeContact, Call{Params: params{"destination_id": destination}, Body: body})
}
