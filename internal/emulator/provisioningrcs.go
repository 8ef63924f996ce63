package emulator

import (
	"fmt"
	"strings"
)

// rcsCountries are those where a sender can be launched.
var rcsCountries = []string{
	"AT", "BE", "BR", "CA", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR", "HU", "IT", "LT", "MX", "NL", "NO", "PE", "PL", "PT",
	"SE", "SG", "SK", "US",
}

// agentTable are the RCS senders; tests are the states of their test numbers.
var agentTable = []struct {
	name, state, useCase string
	tests                []string
}{
	{"Nordic Parcel", "LAUNCHED", "TRANSACTIONAL", []string{"VERIFIED", "PENDING", "DECLINED"}},
	{"Café Zürich ☕", "IN_TEST", "MULTIUSE", []string{"VERIFIED", "UNVERIFIED"}},
	{"Harbour Bank", "LAUNCHING", "OTP", []string{"VERIFIED"}},
	{"New Shop", "DRAFT", "PROMOTIONAL", nil},
}

// rcsFeatures are those of every test number's telephone.
var rcsFeatures = []any{"RICHCARD_STANDALONE", "RICHCARD_CAROUSEL", "ACTION_DIAL", "ACTION_OPEN_URL", "REVOCATION"}

func (m *maker) rcs(n *node) {
	m.activities(n, 3, "COMMENT_ADDED")
	for _, useCase := range []string{"MULTIUSE", "OTP", "PROMOTIONAL", "TRANSACTIONAL"} {
		n.at("questionnaire", useCase).item = questionnaire("questions", func(i int) any {
			return fields{
				"question":         fmt.Sprintf("Question %d on %s messages?", i, strings.ToLower(useCase)),
				"suggestedAnswers": []string{"Yes", "No"},
			}
		})
	}
	for i, row := range agentTable {
		m.rcsSender(n.at("senders"), i, row.name, row.state, row.useCase, row.tests)
	}
}

// rcsSender adds a sender of some 10 kB, most of it answers to questions.
func (m *maker) rcsSender(n *node, i int, name, state, useCase string, tests []string) {
	id := m.uuid()
	answers := questionnaire("answers", func(i int) any {
		return fmt.Sprintf("Answer %d. %s", i, strings.Repeat("We write to customers who asked us to. ", 12))
	})
	sender := fields{
		"id": id, "region": "EU", "billingCategory": "CONVERSATIONAL", "useCase": useCase, "hostingRegion": "EUROPE", "state": state,
		"authName": m.secret(), "authToken": m.secret(), "created": rcsTime(m.past(90 - i)), "modified": rcsTime(m.past(i)),
		"supplierDetails": fields{"google": fields{"agentId": "agent_" + m.hex(), "brandId": m.uuid()}},
		"brandDetails":    fields{"id": m.uuid(), "status": "COMPLETED", "registration": fields{"id": m.uuid(), "status": "COMPLETED"}},
	}
	if i == 0 {
		sender["conversationApiAppDetails"], sender["launched"] = m.linked(), rcsTime(m.past(30))
	}
	if state != "DRAFT" {
		sender["countryStatus"] = []fields{{"country": "SE", "status": "PENDING", "operators": []fields{
			{"name": "Operator 1", "status": "LAUNCHED", "modified": rcsTime(m.past(10))}, {"name": "Operator 2", "status": "PENDING"},
		}}}
	}
	one := n.add(id, sender)
	numbers, numberStates := []string{}, []fields{}
	for k, test := range tests {
		number := fmt.Sprintf("+4670%d%06d", i, k+1)
		tester := fields{"number": number, "state": test, "submitted": rcsTime(m.past(60 - k))}
		numbers, numberStates = append(numbers, number), append(numberStates, tester)
		at := one.at("testNumbers", number)
		at.item = tester
		at.at("retry").item = tester
		at.at("capabilities").items = rcsFeatures
	}
	sender["testNumberStates"] = numberStates
	sender["details"] = fields{
		"brand": rcsBrand(name), "testNumbers": numbers, "countries": []string{"SE", "GB"}, "questionnaire": answers,
	}
	m.activities(one, 2+i, "TEST", "COMMENT_ADDED", "EDITED")
}

func rcsBrand(name string) fields {
	return fields{
		"name": name, "description": name + " on RCS", "color": "#004488", "logoUrl": "https://example.com/logo.png",
		"bannerUrl": "https://example.com/banner.png", "privacyPolicyUrl": "https://example.com/privacy",
		"termsOfServiceUrl": "https://example.com/terms",
		"emails":            []fields{{"label": "Help", "address": "help@example.com"}},
		"phones":            []fields{{"label": "Help", "number": "+46701999999"}},
		"websites":          []fields{{"label": "Home", "url": "https://example.com"}},
	}
}

// questionnaire has five sections of five fields each, all under one key.
func questionnaire(key string, field func(int) any) fields {
	sections := make(fields)
	for i, section := range []string{"general", "verification", "gb", "fr", "us"} {
		each := make(fields)
		for k := range 5 {
			each[fmt.Sprintf("field%d", k+1)] = field(5*i + k + 1)
		}
		sections[section] = fields{key: each}
	}
	return sections
}

// rcsTime is a time as RCS answers have it, with a small t.
func rcsTime(text string) string { return strings.Replace(text, "T", "t", 1) }
