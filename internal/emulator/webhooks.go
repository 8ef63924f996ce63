package emulator

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/tidwall/gjson"
)

const webhookPath = "/v1/projects/{project_id}/webhooks/{webhook_id}"

var webhookOperations = []operation{
	{id: "Webhooks_ListWebhooks", method: http.MethodGet, path: appPath + "/webhooks", handle: (*Emulator).listWebhooks},
	{
		id: "Webhooks_CreateWebhook", method: http.MethodPost, path: "/v1/projects/{project_id}/webhooks",
		changes: true, body: webhookRequest, handle: (*Emulator).createWebhook,
	},
	{id: "Webhooks_GetWebhook", method: http.MethodGet, path: webhookPath, handle: (*Emulator).getWebhook},
	{
		id: "Webhooks_UpdateWebhook", method: http.MethodPatch, path: webhookPath,
		changes: true, query: maskParams, body: webhookPatch, handle: (*Emulator).updateWebhook,
	},
	{id: "Webhooks_DeleteWebhook", method: http.MethodDelete, path: webhookPath, changes: true, handle: (*Emulator).deleteWebhook},
}

// webhook is where callbacks of an app would go: none is sent.
type webhook struct {
	id       string
	settings written
}

// webhooksPerApp is how many an app can have.
const webhooksPerApp = 5

var webhookFields = []string{"app_id", "target", "target_type", "secret", "client_credentials", "triggers"}

var (
	webhookRequest = &shape{
		required: []string{"app_id", "target"}, oldRequired: []string{"triggers"}, check: checkTarget,
		fields: webhookShapes(readOnly),
	}
	webhookPatch = &shape{
		required: []string{"target"}, oldRequired: []string{"app_id", "triggers"}, check: checkTarget,
		fields: webhookShapes(anyText),
	}
)

func webhookShapes(id *shape) map[string]*shape {
	return map[string]*shape{
		"id": id, "app_id": nonEmpty, "secret": anyText, "triggers": {kind: list, each: trigger},
		"target":      {kind: text, min: 1, max: 742},
		"target_type": {kind: text, enum: []string{"DISMISS", "HTTP", "GRPC"}},
		"client_credentials": {required: []string{"client_id", "client_secret", "endpoint"}, fields: map[string]*shape{
			"client_id": nonEmpty, "client_secret": nonEmpty, "endpoint": nonEmpty,
			"scope": {kind: text, max: 1024, newer: true}, "response_type": {kind: text, max: 64, newer: true},
			"token_request_type": {kind: text, enum: []string{"BASIC", "FORM"}, newer: true},
		}},
	}
}

// olderTriggers are those of the older specification, apart from
// UNSPECIFIED_TRIGGER, which it lists and says to be an error.
var olderTriggers = []string{
	"MESSAGE_DELIVERY", "EVENT_DELIVERY", "MESSAGE_INBOUND", "EVENT_INBOUND", "CONVERSATION_START", "CONVERSATION_STOP",
	"CONTACT_CREATE", "CONTACT_DELETE", "CONTACT_MERGE", "CONTACT_UPDATE", "UNSUPPORTED", "OPT_IN", "OPT_OUT",
	"CAPABILITY", "CONVERSATION_DELETE",
}

var trigger = &shape{kind: text, oldEnum: olderTriggers, enum: append(slices.Clone(olderTriggers),
	"CONTACT_IDENTITIES_DUPLICATION", "CHANNEL_EVENT", "SMART_CONVERSATION", "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION",
	"RECORD_NOTIFICATION", "MESSAGE_SUBMIT", "SMART_CONVERSATIONS", "BATCH_STATUS_UPDATE",
)}

var forbiddenHost = regexp.MustCompile(`(?i)(^|\.)conversation-api\.([^.]+\.)?sinch\.com$`)

// checkTarget looks at the address: one of HTTP is a URL, none is the API's
// own.
func checkTarget(v gjson.Result) string {
	target, err := url.Parse(v.Get("target").Str)
	isURL := err == nil && target.Host != "" && (target.Scheme == "http" || target.Scheme == "https")
	switch {
	case v.Get("target_type").Str == "HTTP" && !isURL:
		return "must have a target that is an http or https URL"
	case isURL && forbiddenHost.MatchString(target.Hostname()):
		return "must not have the API itself as its target"
	}
	return ""
}

// settle gives what was not given its default.
func (w *webhook) settle(profile string) {
	kind := `"DISMISS"`
	if profile == ProfileOld {
		kind = `"HTTP"`
	}
	w.settings["target_type"] = or(w.settings["target_type"], kind)
	w.settings["triggers"] = or(w.settings["triggers"], "[]")
}

// listWebhooks answers secrets, as the specification has it: none of its
// fields is for writing alone.
func (e *Emulator) listWebhooks(c *call) reply {
	return e.withApp(c, false, func(a *app) reply {
		j := compact()
		j.open()
		j.key("webhooks").openList()
		for _, w := range a.webhooks {
			e.writeWebhook(j.item(), w)
		}
		j.closeList()
		j.close()
		return ok(j.b)
	})
}

func (e *Emulator) writeWebhook(j *writer, w *webhook) {
	j.open()
	j.key("id").text(w.id)
	w.settings.write(j, webhookFields)
	e.store.writeExtra(j)
	j.close()
}

func (e *Emulator) answerWebhook(w *webhook) reply {
	j := compact()
	e.writeWebhook(&j, w)
	return ok(j.b)
}

func (e *Emulator) createWebhook(c *call) reply {
	id := gjson.Get(c.body, "app_id").Str
	if refused := e.checkAnyApp(id); refused != nil {
		return *refused
	}
	s := e.apps
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.find(id)
	switch {
	case a == nil: // deleted meanwhile
		return e.refuse(http.StatusNotFound, "app not found")
	case len(a.webhooks) >= webhooksPerApp:
		return e.invalid(violation{"app_id", "is of an app that has 5 webhooks, which is all it can have"})
	}
	w := &webhook{id: string(appendID(nil, e.options.Seed, kindWebhook, s.hooks, c.now)), settings: written{}}
	w.settings.set(c.body, webhookFields)
	w.settle(e.options.Profile)
	s.hooks++
	a.webhooks = append(a.webhooks, w)
	e.record(c, Identifiers{AppID: a.id, WebhookID: w.id})
	return e.answerWebhook(w)
}

// withWebhook does something with the webhook of the path, holding the lock.
func (e *Emulator) withWebhook(c *call, do func(*app, *webhook) reply) reply {
	e.apps.mu.Lock()
	defer e.apps.mu.Unlock()
	for _, a := range e.apps.list {
		for _, w := range a.webhooks {
			if w.id == c.path["webhook_id"] {
				return do(a, w)
			}
		}
	}
	return e.refuse(http.StatusNotFound, "webhook not found")
}

func (e *Emulator) getWebhook(c *call) reply {
	return e.withWebhook(c, func(_ *app, w *webhook) reply { return e.answerWebhook(w) })
}

func (e *Emulator) updateWebhook(c *call) reply {
	names, refused := e.masked(c, webhookFields)
	if refused != nil {
		return *refused
	}
	return e.withWebhook(c, func(a *app, w *webhook) reply {
		wrong := emptied(c.body, names, []string{"app_id", "target"})
		for name, is := range map[string]string{"id": w.id, "app_id": a.id} {
			if given := gjson.Get(c.body, name).Str; given != "" && given != is {
				wrong.add(name, "can not be changed")
			}
		}
		if len(wrong) > 0 {
			wrong.sort()
			return e.invalid(wrong...)
		}
		w.settings.set(c.body, names)
		w.settle(e.options.Profile)
		e.record(c, Identifiers{AppID: a.id, WebhookID: w.id})
		return e.answerWebhook(w)
	})
}

func (e *Emulator) deleteWebhook(c *call) reply {
	return e.withWebhook(c, func(a *app, w *webhook) reply {
		a.webhooks = slices.DeleteFunc(a.webhooks, func(x *webhook) bool { return x == w })
		e.record(c, Identifiers{AppID: a.id, WebhookID: w.id})
		return ok([]byte("{}"))
	})
}
