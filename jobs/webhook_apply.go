package jobs

import "slices"

// WebhookApply is the kind webhook_apply: it creates and updates webhooks, so
// that there is one as each row says. A row's webhook is known by its id or
// else by its app and its target. What a row became is in results: `ref` is the
// webhook's id.
//
// Members that the request does not have stay as they are. A secret that the
// server does not show counts as different in every run.
type WebhookApply struct {
	ApplyRows `yaml:",inline"`
}

// webhooks are what webhook_apply applies rows to. Servers ask for the target
// with every change, older ones for the app and the triggers as well.
var webhooks = &sortOfThing{
	name: "webhook", param: "webhook_id", match: "target", ofApp: true,
	list: operation("Webhooks_ListWebhooks"), get: operation("Webhooks_GetWebhook"),
	create: operation("Webhooks_CreateWebhook"), update: operation("Webhooks_UpdateWebhook"),
	needs: []string{"target"},
	along: []string{"app_id", "target", "triggers"},
}

// Check compiles the request.
func (k *WebhookApply) Check(c *Checker) {
	k.check(c, webhooks)
	if keys := k.Request.keys(); len(keys) > 0 && k.OnMissing == "create" && !k.ID.given() && !slices.Contains(keys, "target_type") {
		c.Warn("request", "has no target_type: a webhook that is created without one is sent nothing; write target_type: HTTP")
	}
}
