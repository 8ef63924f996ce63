package client

import "context"

var (
	getConsents    = MustLookUp("Consents_GetConsents")
	insertConsents = MustLookUp("Batch_InsertConsents")
)

// ConsentQuery selects the identities on one of an app's lists; all of it is
// needed but the page.
type ConsentQuery struct {
	AppID     string
	List      string // OPT_OUT_ALL, OPT_OUT_MARKETING or OPT_OUT_NOTIFICATION
	PageSize  int    // 50 at most
	PageToken string
}

// GetConsents gets a page of identities. Newer servers only.
func (c *Client) GetConsents(ctx context.Context, q ConsentQuery) (Page, error) {
	return c.List(ctx, getConsents, Call{
		Params: params{"app_id": q.AppID, "list_type": q.List},
		Query:  params{"page_size": number(q.PageSize), "page_token": q.PageToken}.values(),
	})
}

// InsertConsents puts identities on lists of an app, as body says in JSON, with
// the Batch API. When it fails some of them may be there; it can be repeated.
func (c *Client) InsertConsents(ctx context.Context, body []byte) (Response, error) {
	return c.Call(ctx, insertConsents, Call{Body: body})
}
