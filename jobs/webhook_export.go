package jobs

// WebhookExport is the kind webhook_export: it reads the webhooks of all apps of
// the project, or of the job's app, each run a snapshot. Their secrets are not
// kept.
type WebhookExport struct{ snapshot }

// Check says what is read.
func (k *WebhookExport) Check(c *Checker) {
	k.ofApps(c.App(), func(app step) []step { return []step{app.as("webhooks")} })
	k.lists["webhooks"] = &list{operation: operation("Webhooks_ListWebhooks"), dataset: "webhooks", row: webhookRow, redacted: true, mayGo: c.App() == ""}
}
