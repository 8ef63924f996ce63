package client

import (
	"context"

	"github.com/tidwall/gjson"
)

var (
	getApp   = MustLookUp("App_GetApp")
	listApps = MustLookUp("App_ListApps")
)

// App is what a bulk job needs to know of an app. What the server does not
// say is empty, 0 or nil.
type App struct {
	ID             string
	DisplayName    string
	ProcessingMode string // CONVERSATION or DISPATCH
	// RetentionDays and DispatchRetentionDays are how long messages of the two
	// modes are kept; 0 days are not kept at all.
	RetentionDays, DispatchRetentionDays *int
	QueueSize, QueueLimit                int64   // messages that wait for their channel, and how many may
	OutboundRate                         float64 // messages a second at which the queue drains
	Body                                 []byte  // as received
}

// GetApp gets one app.
func (c *Client) GetApp(ctx context.Context, id string) (App, error) {
	r, err := c.Call(ctx, getApp, Call{Params: params{"app_id": id}})
	if err != nil {
		return App{}, err
	}
	return ParseApp(r.Body), nil
}

// ListApps gets all apps of the project; the list has one page.
func (c *Client) ListApps(ctx context.Context) ([]App, error) {
	page, err := c.List(ctx, listApps, Call{})
	if err != nil {
		return nil, err
	}
	apps := make([]App, len(page.Items))
	for i, item := range page.Items {
		apps[i] = ParseApp(item)
	}
	return apps, nil
}

// ParseApp reads what a bulk job needs to know off an app as the API answers it.
func ParseApp(body []byte) App {
	a := gjson.ParseBytes(body)
	return App{
		ID:                    a.Get("id").String(),
		DisplayName:           a.Get("display_name").String(),
		ProcessingMode:        a.Get("processing_mode").String(),
		RetentionDays:         days(a.Get("retention_policy.ttl_days")),
		DispatchRetentionDays: days(a.Get("dispatch_retention_policy.ttl_days")),
		QueueSize:             a.Get("queue_stats.outbound_size").Int(),
		QueueLimit:            a.Get("queue_stats.outbound_limit").Int(),
		OutboundRate:          a.Get("rate_limits.outbound").Float(),
		Body:                  body,
	}
}

func days(r gjson.Result) *int {
	if !r.Exists() || r.Type == gjson.Null {
		return nil
	}
	n := int(r.Int())
	return &n
}
