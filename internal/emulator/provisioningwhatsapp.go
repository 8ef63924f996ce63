package emulator

import (
	"fmt"
	"strings"
)

func (m *maker) whatsapp(n *node) {
	n.item = fields{
		"state": "ONBOARDED", "isEmbeddedSignup": true, "businessManager": "SINCH_SEP", "wabaId": m.digits(),
		"details": fields{
			"clientBusinessManagerId": m.digits(), "wabaName": "Emulated AB",
			"senderDetails": fields{"displayName": "Emulated", "businessCategory": "SHOPPING_AND_RETAIL", "region": "EU", "metaLocalStorage": "DE"},
		},
		"wabaEnabledForInsights": true, "wabaEnabledForDirectSend": false, "wabaMaxPriceOnboarded": false,
		"compatibleRegions": []string{"eu", "us"}, "primaryBusinessLocation": "SE", "businessDailyLimit": "TIER_10K", "currency": "SEK",
	}
	m.activities(n, 4, "COMMENT_ADDED", "EDITED", "IN_PROGRESS")
	m.flows(n.at("flows"))
	m.whatsappSenders(n.at("senders"))
	for i, name := range []string{"Joint solution", "Lösung für Köln"} {
		id := m.digits()
		n.at("solutions").add(id, fields{
			"id": id, "details": fields{"name": name}, "assigned": i == 0,
			"ownerApp": fields{"id": 1000 + i, "name": "Owner"}, "partnerApp": fields{"id": 2000 + i, "name": "Partner"},
		})
	}
	m.whatsappTemplates(n.at("templates"))
}

// flowTable: one draft has no screens, which is answered 404.
var flowTable = []struct {
	name, status string
	screens      []string
}{
	{"Book a table", "FLOW_STATUS_PUBLISHED", []string{"DATE", "GUESTS", "CONFIRM"}},
	{"Förnya avtal", "FLOW_STATUS_PUBLISHED", []string{"TERMS", "SIGN"}},
	{"Return a parcel", "FLOW_STATUS_DEPRECATED", []string{"REASON", "LABEL", "PICKUP", "DONE"}},
	{"Survey 2025", "FLOW_STATUS_DRAFT", []string{"FIRST"}},
	{"Untitled", "FLOW_STATUS_DRAFT", nil},
}

func (m *maker) flows(n *node) {
	for _, row := range flowTable {
		id := m.digits()
		flow := n.add(id, fields{"id": id, "name": row.name, "status": row.status})
		for _, screen := range row.screens {
			list := flow.at("screens")
			list.items = append(list.items, fields{"id": screen})
		}
	}
}

// senderTable: a sender without a state is new, and has changes alone. The
// first has more activities than a page.
var senderTable = []struct {
	name, country, state, status string
	activities                   int
}{
	{"Nordic Parcel", "SE", "ACTIVE", "", 120},
	{"Café Zürich ☕", "CH", "ACTIVE", "IN_PROGRESS", 5},
	{"Lumière & Fils", "FR", "ACTIVE", "REJECTED", 3},
	{"Blue Taxi", "GB", "INACTIVE", "", 2},
	{"Farmácia Azul", "BR", "PENDING_VERIFICATION", "", 1},
	{"Harbour Bank", "GB", "SUSPENDED", "ERROR", 2},
	{"New Shop", "DE", "", "DRAFT", 1},
}

func (m *maker) whatsappSenders(n *node) {
	for i, row := range senderTable {
		details := fields{
			"displayName": row.name, "description": row.name + " on WhatsApp", "vertical": "SHOPPING_AND_RETAIL",
			"email": "hello@example.com", "address": "Main Street 5", "websiteOne": "https://example.com", "about": "We answer from 9 to 5.",
		}
		id := m.uuid()
		sender := fields{
			"id": id, "region": "EU", "metaLocalStorage": "DE", "cloudApi": true, "businessManager": "SINCH_SEP",
			"compatibleRegions": []string{"eu"}, "countryCode": row.country, "phoneNumber": m.digits()[:9],
			"numberProvider": "CUSTOMER", "created": m.past(400 - i), "modified": m.past(i),
		}
		if row.state != "" {
			sender["state"], sender["details"] = row.state, details
			sender["conversationApiAppDetails"], sender["bearerToken"] = m.linked(), m.secret()
			sender["maxTps"], sender["qualityRating"], sender["dailyLimit"] = 80, "GREEN", "TIER_1K"
			sender["metadata"] = fields{"displayName": fields{"value": row.name, "status": "APPROVED"}}
		}
		if row.status != "" {
			changes := fields{"status": row.status, "details": details}
			if row.status == "ERROR" || row.status == "REJECTED" {
				changes["errorReason"] = "The display name does not follow the rules."
			}
			sender["changes"] = changes
		}
		one := n.add(id, sender)
		m.activities(one, row.activities, "ACTIVE", "COMMENT_ADDED", "REGISTERED", "EDITED")
		handle := strings.ToLower(strings.Fields(row.name)[0])
		one.at("suggestedUsernames").items = []any{handle, handle + "_official", handle + "2025"}
	}
}

// Templates are named by a topic and what became of it, in three languages:
// 132 in all, listed in alphabetical order because the tables are.
var (
	templateTopics = []string{
		"account", "appointment", "booking", "coupon", "delivery", "invoice", "order", "payment", "renewal", "survey", "ticket",
	}
	templateEvents    = []string{"cancelled", "changed", "confirmed", "reminder"}
	templateLanguages = []string{"DE", "EN", "SV"}
)

func (m *maker) whatsappTemplates(n *node) {
	for _, topic := range templateTopics {
		for _, event := range templateEvents {
			for _, language := range templateLanguages {
				m.whatsappTemplate(n, topic+"_"+event, language)
			}
		}
	}
}

// whatsappTemplate adds a template to the list of all and to that of its name.
// One in twelve is a draft that was never sent in.
func (m *maker) whatsappTemplate(n *node, name, language string) {
	i := len(n.items)
	details := fields{"components": []any{
		fields{"type": "HEADER", "format": "TEXT", "text": "Hej {{1}}!"},
		fields{"type": "BODY", "text": fmt.Sprintf("Your %s, no. {{2}}.\nGrüße, <Emulated> & Co 🎉", strings.ReplaceAll(name, "_", " "))},
		fields{"type": "BUTTONS", "buttons": []any{
			fields{"type": "URL", "text": "Öppna"}, fields{"type": "QUICK_REPLY", "text": "Stop"},
		}},
	}}
	template := fields{
		"name": name, "language": language, "category": []string{"UTILITY", "MARKETING", "UTILITY", "AUTHENTICATION"}[i%4],
		"analytics": []any{analytics(name, 1)}, "isMetaGenerated": i%40 == 39,
	}
	if i%12 == 11 {
		template["changes"] = fields{"status": "DRAFT", "allowCategoryChange": true, "details": details}
	} else {
		template["state"] = []string{"APPROVED", "APPROVED", "APPROVED", "PENDING", "APPROVED", "PAUSED", "REJECTED"}[i%7]
		template["whatsappId"], template["qualityScore"], template["details"] = m.digits(), "QUALITY_SCORE_GREEN", details
	}
	byName := n.at(name)
	byName.items = append(byName.items, template)
	one := byName.at("languages", language)
	one.item = template
	n.items = append(n.items, template)
	m.activities(one, i%4, "COMMENT_ADDED", "IN_PROGRESS")
}
