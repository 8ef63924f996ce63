package emulator

import "net/http"

// appChannels are those that the app is configured for.
var appChannels = []string{"WHATSAPP", "RCS", "SMS", "MMS", "MESSENGER", "INSTAGRAM", "TELEGRAM", "VIBERBM"}

var appOperations = []operation{
	{id: "App_ListApps", method: http.MethodGet, path: "/v1/projects/{project_id}/apps", handle: (*Emulator).listApps},
	{id: "App_GetApp", method: http.MethodGet, path: "/v1/projects/{project_id}/apps/{app_id}", handle: (*Emulator).getApp},
}

func (e *Emulator) listApps(c *call) reply {
	j := compact()
	j.open()
	j.key("apps").openList()
	e.writeApp(j.item(), c.now)
	j.closeList()
	j.close()
	return ok(j.b)
}

func (e *Emulator) getApp(c *call) reply {
	if refused := e.checkApp(c.path["app_id"]); refused != nil {
		return *refused
	}
	j := compact()
	e.writeApp(&j, c.now)
	return ok(j.b)
}

func (e *Emulator) writeApp(j *writer, now int64) {
	o := e.options
	j.open()
	j.key("id").text(e.store.app)
	j.key("display_name").text("Emulated app")
	j.key("channel_credentials").openList()
	for _, channel := range appChannels {
		j.item().open()
		j.key("channel").text(channel)
		if e.store.newer {
			j.key("state").raw(`{"status":"ACTIVE","description":""}`)
		}
		j.close()
	}
	j.closeList()
	j.key("conversation_metadata_report_view").text("NONE")
	j.key("processing_mode").text(o.Mode)
	j.key("retention_policy").open()
	j.key("retention_type").text("MESSAGE_EXPIRE_POLICY")
	j.key("ttl_days").number(int64(o.RetentionDays))
	j.close()
	j.key("dispatch_retention_policy").open()
	j.key("retention_type").text("MESSAGE_EXPIRE_POLICY")
	j.key("ttl_days").number(int64(o.DispatchRetentionDays))
	j.close()
	j.key("rate_limits").open()
	j.key("inbound").number(25)
	j.key("outbound").number(int64(or(o.DrainRate, DefaultDrainRate)))
	j.key("webhooks").number(25)
	j.close()
	if e.store.newer {
		j.key("queue_stats").open()
		j.key("outbound_size").number(e.queue.fill(now))
		j.key("outbound_limit").number(int64(o.QueueLimit))
		j.close()
	}
	j.close()
}
