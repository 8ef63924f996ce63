package emulator

import (
	"fmt"
	"time"
)

// SecretMark begins every secret of the inventory: bearerToken of WhatsApp
// senders, authName and authToken of RCS senders, and convApp.webhooks.secret
// of bundles. What a client stores or writes out must not contain it.
const SecretMark = "provisioning-secret-"

// inventoryEpoch is when the inventory stands still: made up from the seed
// alone, it is the same whenever the server is started.
var inventoryEpoch = time.Date(2025, 6, 30, 12, 0, 0, 0, time.UTC)

// maker makes the inventory, drawing whatever is not in its tables.
type maker struct {
	draws   stream
	project string
	app     string // the project's app in the Conversation API
}

// makeInventory is what the Provisioning API holds.
func (e *Emulator) makeInventory() *node {
	m := &maker{
		draws: stream{hash(e.options.Seed, kindInventory, 0)}, project: e.project, app: e.store.app,
	}
	root := new(node)
	m.webhooks(root.at("webhooks"))
	m.whatsapp(root.at("whatsapp"))
	m.kakaotalk(root.at("kakaotalk"))
	m.rcs(root.at("rcs"))
	m.bundles(root.at("bundles"), m.smsApps(root.at("sms", "smsApps")))
	m.conversation(root.at("conversation", "apps", m.app))
	return root
}

func (m *maker) uuid() string {
	a, b := m.draws.next(), m.draws.next()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0xfff, b&0xffffffffffff)
}

func (m *maker) hex() string { return fmt.Sprintf("%016x%08x", m.draws.next(), m.draws.next()>>32) }

func (m *maker) digits() string { return fmt.Sprintf("%015d", m.draws.next()%1e15) }

func (m *maker) secret() string { return SecretMark + fmt.Sprintf("%016x", m.draws.next()) }

// past is a time some days before the epoch.
func (m *maker) past(days int) string {
	at := inventoryEpoch.AddDate(0, 0, -days).Add(-time.Duration(m.draws.below(86_400_000)) * time.Millisecond)
	return at.Format("2006-01-02T15:04:05.000Z")
}

// linked says which app of the Conversation API something belongs to.
func (m *maker) linked() fields {
	return fields{"id": m.app, "projectId": m.project, "region": "EU", "channelStatus": "ACTIVE"}
}

// activities gives n the list of what happened to it, newest first, of kinds
// that repeat in turn; the oldest is always that it was created.
func (m *maker) activities(n *node, count int, kinds ...string) {
	list := n.at("activities")
	for i := range count {
		kind := kinds[i%len(kinds)]
		if i == count-1 {
			kind = "CREATED"
		}
		activity := fields{"type": kind, "created": m.past(i), "author": "ops@example.com"}
		if kind == "COMMENT_ADDED" {
			activity["comment"] = fmt.Sprintf("Comment %d: naïve café, 테스트, \"quoted\"", i)
		}
		list.items = append(list.items, activity)
	}
}

func (m *maker) webhooks(n *node) {
	for i, triggers := range [][]string{
		{"ALL"},
		{"WHATSAPP_SENDER_ACTIVE", "WHATSAPP_TEMPLATE_APPROVED", "WHATSAPP_TEMPLATE_REJECTED"},
		{"BUNDLE_DONE", "RCS_SENDER_STATUS_UPDATED"},
	} {
		hook := m.webhook(fmt.Sprintf("https://hooks.example.com/%d", i), triggers)
		n.add(hook["id"].(string), hook)
	}
}

func (m *maker) webhook(target string, triggers []string) fields {
	return fields{"id": m.uuid(), "projectId": m.project, "target": target, "triggers": triggers}
}

// smsApps gives back what it made, for bundles to have.
func (m *maker) smsApps(n *node) []fields {
	var made []fields
	for i, status := range []string{"ACTIVE", "IN_PROGRESS_ADD", "PROVISIONING_FAILED"} {
		app := m.smsApp(fmt.Sprintf("SMS %d", i+1), status)
		made = append(made, app)
		if i == 0 {
			app["conversationApiAppDetails"] = m.linked()
		}
		n.add(app["id"].(string), app)
	}
	return made
}

func (m *maker) smsApp(name, status string) fields {
	return fields{
		"id": m.hex(), "smsServiceId": m.hex(), "name": name, "status": status, "regions": []string{"EU", "US"}, "test": status != "ACTIVE",
	}
}

// bundleCount is more than a page of bundles has when nothing is asked.
const bundleCount = 12

func (m *maker) bundles(n *node, apps []fields) {
	for i := range bundleCount {
		id := m.hex()
		bundle := fields{
			"id": id, "projectId": m.project, "name": fmt.Sprintf("Customer %d", i+1),
			"state": "DONE", "region": []string{"EU", "US", "BR"}[i%3],
			"subproject": fields{
				"id": m.uuid(), "name": fmt.Sprintf("customer-%d", i+1), "parentProjectId": m.project, "status": "READY",
				"labels": fields{"tier": "gold"},
			},
		}
		n.add(id, bundle)
		switch i {
		case bundleCount - 1: // has only just begun
			bundle["state"] = "IN_PROGRESS"
			continue
		case bundleCount - 2:
			bundle["state"] = "FAILED"
			continue
		}
		if i < len(apps) {
			bundle["smsApp"] = apps[i]
		} else {
			bundle["smsApp"] = m.smsApp(fmt.Sprintf("Bundled %d", i), "ACTIVE")
		}
		app := m.app
		if i > 0 {
			app = string(appendID(nil, m.draws.next(), kindApp, i, inventoryEpoch.UnixNano()))
		}
		bundle["convApp"] = m.bundledApp(app, i)
		hook := m.webhook(fmt.Sprintf("https://hooks.example.com/bundles/%d", i), []string{"BUNDLE_DONE"})
		bundle["webhooks"] = []fields{hook}
		bundle["webhookDeliveryStatuses"] = []fields{{"webhookId": hook["id"], "httpStatusCode": 200, "date": m.past(i)}}
	}
}

func (m *maker) bundledApp(id string, i int) fields {
	return fields{
		"id": id, "name": fmt.Sprintf("Bundled %d", i), "processingMode": []string{"CONVERSATION", "DISPATCH"}[i%2],
		"retentionPolicy":        fields{"retentionPolicyType": "MESSAGE_EXPIRE_POLICY", "ttl": 180},
		"consentManagerSettings": fields{"mode": "DISABLED"}, "smsChannelStatus": "ACTIVE",
		"webhooks": []fields{{
			"id": m.uuid(), "target": "https://hooks.example.com/messages", "triggers": []string{"MESSAGE_DELIVERY"}, "secret": m.secret(),
		}},
	}
}

// conversation is what is known of the app's channels: of those that it does
// not have there is nothing.
func (m *maker) conversation(n *node) {
	n.at("telegram").item = fields{
		"status": "ACTIVE", "name": "Emulated bot", "username": "emulated_bot",
		"canJoinGroups": true, "canReadAllGroupMessages": false, "supportsInlineQueries": false,
	}
	n.at("messenger").item = fields{
		"status": "ERROR", "statusDescription": "The page's access token has expired.",
		"id": m.digits(), "name": "Emulated page", "globalBrandPageName": "Emulated page",
	}
}
