package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
)

const appPath = "/v1/projects/{project_id}/apps/{app_id}"

var appOperations = []operation{
	{id: "App_ListApps", method: http.MethodGet, path: "/v1/projects/{project_id}/apps", handle: (*Emulator).listApps},
	{id: "App_GetApp", method: http.MethodGet, path: appPath, handle: (*Emulator).getApp},
	{
		id: "App_CreateApp", method: http.MethodPost, path: "/v1/projects/{project_id}/apps",
		changes: true, body: appRequest, handle: (*Emulator).createApp,
	},
	{
		id: "App_UpdateApp", method: http.MethodPatch, path: appPath,
		changes: true, query: maskParams, body: appPatch, handle: (*Emulator).updateApp,
	},
	{id: "App_DeleteApp", method: http.MethodDelete, path: appPath, changes: true, handle: (*Emulator).deleteApp},
}

// app is one app of the project. Messages go through the first one alone;
// the others hold settings and webhooks, and identities can belong to them.
type app struct {
	id       string
	settings written
	mode     string   // of settings
	channels []string // of settings
	webhooks []*webhook
}

// apps are those of the project, in the order in which they were made.
type apps struct {
	mu    sync.RWMutex
	list  []*app
	first *app // the one from the start, also when it was deleted
	made  int  // apps so far
	hooks int  // webhooks so far
}

func newApps(o Options, id string) *apps {
	first := &app{id: id, settings: written{
		"display_name":              `"Emulated app"`,
		"channel_credentials":       bornCredentials(o),
		"processing_mode":           `"` + o.Mode + `"`,
		"retention_policy":          fmt.Sprintf(`{"ttl_days":%d}`, o.RetentionDays),
		"dispatch_retention_policy": fmt.Sprintf(`{"ttl_days":%d}`, o.DispatchRetentionDays),
	}}
	first.settle(o.Profile)
	return &apps{list: []*app{first}, first: first, made: 1}
}

// settle gives settings that were not given their defaults, and works out what
// follows from them.
func (a *app) settle(profile string) {
	defaults := written{
		"channel_credentials": `[]`, "conversation_metadata_report_view": `"NONE"`,
		"processing_mode": `"` + ModeDispatch + `"`, "smart_conversation": `{"enabled":false}`,
	}
	if profile == ProfileOld {
		defaults["processing_mode"] = `"` + ModeConversation + `"`
	}
	for name, value := range defaults {
		a.settings[name] = or(a.settings[name], value)
	}
	a.settings["retention_policy"] = policy(a.settings["retention_policy"], 180)
	a.settings["dispatch_retention_policy"] = policy(a.settings["dispatch_retention_policy"], 0)
	a.mode = strings.Trim(a.settings["processing_mode"], `"`)
	a.channels = nil
	for _, name := range gjson.Get(a.settings["channel_credentials"], "#.channel").Array() {
		a.channels = append(a.channels, name.Str)
	}
}

// policy is a retention policy with what it leaves out.
func policy(raw string, days int64) string {
	v := gjson.Parse(raw)
	if ttl := v.Get("ttl_days"); ttl.Type == gjson.Number {
		days = ttl.Int()
	}
	return fmt.Sprintf(`{"retention_type":%q,"ttl_days":%d}`, or(v.Get("retention_type").Str, expirePolicy), days)
}

// find looks an app up. The caller holds the lock.
func (a *apps) find(id string) *app {
	if i := slices.IndexFunc(a.list, func(x *app) bool { return x.id == id }); i >= 0 {
		return a.list[i]
	}
	return nil
}

func (a *apps) has(id string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.find(id) != nil
}

// mode is the processing mode of the app that messages go through.
func (e *Emulator) mode() string {
	e.apps.mu.RLock()
	defer e.apps.mu.RUnlock()
	return e.apps.first.mode
}

// isConfigured tells whether the app that messages go through has a channel.
func (e *Emulator) isConfigured(channel string) bool {
	e.apps.mu.RLock()
	defer e.apps.mu.RUnlock()
	return slices.Contains(e.apps.first.channels, channel)
}

// checkApp refuses an app that messages can not go through: 400 for what can
// not be an app's id, 404 for every app but the first.
func (e *Emulator) checkApp(id string) *reply {
	if refused := e.checkAnyApp(id); refused != nil || id == e.store.app {
		return refused
	}
	r := e.refuse(http.StatusNotFound, "app not found: messages go through the project's first app alone")
	return &r
}

// checkAnyApp refuses an app that the project does not have.
func (e *Emulator) checkAnyApp(id string) *reply {
	var r reply
	switch {
	case e.apps.has(id):
		return nil
	case !isULID(id):
		r = e.invalid(violation{"app_id", "is not a ULID"})
	default:
		r = e.refuse(http.StatusNotFound, "app not found")
	}
	return &r
}

func (e *Emulator) listApps(c *call) reply {
	e.apps.mu.RLock()
	defer e.apps.mu.RUnlock()
	j := compact()
	j.open()
	j.key("apps").openList()
	for _, a := range e.apps.list {
		e.writeApp(j.item(), a, c.now)
	}
	j.closeList()
	j.close()
	return ok(j.b)
}

func (e *Emulator) getApp(c *call) reply {
	return e.withApp(c, false, func(a *app) reply { return e.answerApp(c, a) })
}

// withApp does something with the app of the path, holding the lock, for
// writing where changes says so.
func (e *Emulator) withApp(c *call, changes bool, do func(*app) reply) reply {
	id := c.path["app_id"]
	if refused := e.checkAnyApp(id); refused != nil {
		return *refused
	}
	lock, unlock := e.apps.mu.RLock, e.apps.mu.RUnlock
	if changes {
		lock, unlock = e.apps.mu.Lock, e.apps.mu.Unlock
	}
	lock()
	defer unlock()
	a := e.apps.find(id)
	if a == nil { // deleted meanwhile
		return e.refuse(http.StatusNotFound, "app not found")
	}
	return do(a)
}

// answerApp answers what an app is now. The caller holds the lock.
func (e *Emulator) answerApp(c *call, a *app) reply {
	j := compact()
	e.writeApp(&j, a, c.now)
	return ok(j.b)
}

func (e *Emulator) createApp(c *call) reply {
	names, _ := e.masked(c, e.appFields()) // refuses nothing without a mask
	s := e.apps
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &app{id: string(appendID(nil, e.options.Seed, kindApp, s.made, c.now)), settings: written{}}
	a.settings.set(c.body, names)
	a.settle(e.options.Profile)
	s.made++
	s.list = append(s.list, a)
	e.record(c, Identifiers{AppID: a.id})
	return e.answerApp(c, a)
}

// updateApp replaces what is given, lists and objects as a whole. What the
// first app says of its mode, its channels and how long messages are kept
// holds from then on.
func (e *Emulator) updateApp(c *call) reply {
	names, refused := e.masked(c, e.appFields())
	if refused != nil {
		return *refused
	}
	if wrong := emptied(c.body, names, []string{"display_name"}); len(wrong) > 0 {
		return e.invalid(wrong...)
	}
	return e.withApp(c, true, func(a *app) reply {
		a.settings.set(c.body, names)
		a.settle(e.options.Profile)
		if a == e.apps.first {
			e.store.retain(a.settings["retention_policy"], a.settings["dispatch_retention_policy"])
		}
		e.record(c, Identifiers{AppID: a.id})
		return e.answerApp(c, a)
	})
}

// deleteApp takes the webhooks along; contacts and messages stay.
func (e *Emulator) deleteApp(c *call) reply {
	return e.withApp(c, true, func(a *app) reply {
		e.apps.list = slices.DeleteFunc(e.apps.list, func(x *app) bool { return x == a })
		e.record(c, Identifiers{AppID: a.id})
		return ok([]byte("{}"))
	})
}

// writeApp writes an app. The caller holds the lock of apps.
func (e *Emulator) writeApp(j *writer, a *app, now int64) {
	j.open()
	j.key("id").text(a.id)
	j.key("channel_credentials").openList()
	for _, credential := range gjson.Parse(a.settings["channel_credentials"]).Array() {
		raw := credential.Raw
		if e.store.newer {
			raw = strings.TrimSuffix(raw, "}") + `,"state":{"status":"ACTIVE","description":""}}`
		}
		j.item().raw(raw)
	}
	j.closeList()
	a.settings.write(j, slices.DeleteFunc(e.appFields(), func(name string) bool { return name == "channel_credentials" }))
	j.key("rate_limits").open()
	j.key("inbound").number(25)
	j.key("outbound").number(int64(or(e.options.DrainRate, DefaultDrainRate)))
	j.key("webhooks").number(25)
	j.close()
	if e.store.newer {
		j.key("queue_stats").open()
		j.key("outbound_size").number(e.outboundSize(a, now))
		j.key("outbound_limit").number(int64(e.options.QueueLimit))
		j.close()
	}
	e.store.writeExtra(j)
	j.close()
}

// outboundSize is how full an app's queue is.
func (e *Emulator) outboundSize(a *app, now int64) int64 {
	if a != e.apps.first {
		return 0
	}
	return e.queue.fill(now)
}
