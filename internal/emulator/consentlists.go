package emulator

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

var consentOperations = []operation{
	{
		id: "Consents_GetConsents", method: http.MethodGet, path: "/v1/projects/{project_id}/apps/{app_id}/consents/{list_type}",
		newer: true, handle: (*Emulator).listConsents,
		query: []param{
			{name: "page_size", kind: intParam, max: 50}, {name: "page_token"},
			{name: "page_number", kind: intParam, max: math.MaxInt32, zero: true},
		},
	},
	{
		id:   "Consents_GetConsentsAuditRecords",
		path: "/v1/projects/{project_id}/apps/{app_id}/consents/identities/{identity}", method: http.MethodGet,
		newer: true, colons: true, handle: (*Emulator).auditConsents,
	},
}

// listConsents answers a page of identities. page_number says where to begin
// without a token; with one it no longer matters.
func (e *Emulator) listConsents(c *call) reply {
	app, name := c.path["app_id"], c.path["list_type"]
	if refused := e.checkAnyApp(app); refused != nil {
		return *refused
	}
	if !slices.Contains(consentLists, name) {
		return e.invalid(violation{"list_type", "must be one of " + strings.Join(consentLists, ", ")})
	}
	from, refused := e.page(c, position{number: -1})
	if refused != nil {
		return *refused
	}
	size, skip := c.args.number("page_size", 10), 0
	if from.number < 0 {
		skip = size * c.args.number("page_number", 0)
	}
	e.consents.mu.Lock()
	defer e.consents.mu.Unlock()
	j := compact()
	j.open()
	j.key("identities").openList()
	n, next := 0, ""
	for place, identity := range e.consents.list(app, name).after(from.number) {
		if n == skip+size {
			next = e.nextPage(c, position{number: place - 1})
			break
		}
		if n >= skip {
			writeIdentity(j.item(), identity)
		}
		n++
	}
	j.closeList()
	j.key("next_page_token").text(next)
	j.close()
	return ok(j.b)
}

func writeIdentity(j *writer, identity string) {
	j.open()
	j.key("identity").text(identity)
	j.close()
}

// auditConsents answers the whole history of an identity, oldest first; 404
// for one that was never on a list.
func (e *Emulator) auditConsents(c *call) reply {
	app, identity := c.path["app_id"], bare(c.path["identity"])
	if refused := e.checkAnyApp(app); refused != nil {
		return *refused
	}
	e.consents.mu.Lock()
	defer e.consents.mu.Unlock()
	records := e.consents.history[consentKey{app, identity}]
	if len(records) == 0 {
		return e.refuse(http.StatusNotFound, "identity not found")
	}
	j := compact()
	j.open()
	writeIdentity(j.key("identity"), identity)
	j.key("audit_records").openList()
	for _, r := range records {
		j.item().open()
		j.key("origin").text(r.origin)
		j.key("operation").text(r.operation)
		j.key("list_type").text(r.list)
		j.key("project_id").text(e.project)
		j.key("app_id").text(app)
		j.key("datetime").time(r.at)
		j.close()
	}
	j.closeList()
	j.close()
	return ok(j.b)
}

// insertConsents puts identities on lists. The ledger has a line for each.
func (e *Emulator) insertConsents(c *call) reply {
	app := gjson.Get(c.body, "app_id").Str
	if refused := e.checkAnyApp(app); refused != nil {
		return *refused
	}
	e.consents.mu.Lock()
	defer e.consents.mu.Unlock()
	c.recorded = true // even without records
	for _, v := range gjson.Get(c.body, "consent_records").Array() {
		who, list := v.Get("identification").Str, or(v.Get("consent_type").Str, OptOutAll)
		e.consents.put(app, who, consentRecord{at: c.now, list: list, origin: originAPI})
		e.recordPart(c, entry{to: &identity{value: bare(who)}, body: v.Raw})
	}
	return ok([]byte("{}"))
}
