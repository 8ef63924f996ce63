package client

import "context"

// tokenRequest is what errors call a visit to the token endpoint.
var tokenRequest = Operation{ID: "token", Service: "conversation"}

// Authorize gets an access token, unless there is a good one, and calls
// nothing. With basic authorization there is none to get.
func (c *Client) Authorize(ctx context.Context) error {
	ctx, release := c.halt.bind(ctx)
	defer release()
	_, a, ok := c.authorize(ctx)
	if ok {
		return nil
	}
	return c.failure(&call{op: tokenRequest}, classify(false, false, a.outcome), a)
}
