package jobs

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
)

// App is one row of the apps dataset. The body is the JSON as received, without
// its secrets; what the server does not say is null.
type App struct {
	ProjectID      string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	ID             string    `parquet:"id" keep:"needed" doc:"Of the app."`
	DisplayName    string    `parquet:"display_name" doc:"What it is called."`
	ProcessingMode string    `parquet:"processing_mode,dict" doc:"CONVERSATION or DISPATCH."`
	RetentionDays  *int32    `parquet:"retention_days,optional" doc:"How many days messages are kept; null where it does not say."`
	DispatchDays   *int32    `parquet:"dispatch_retention_days,optional" doc:"The same in DISPATCH mode."`
	Channels       []string  `parquet:"channels,list" doc:"It has credentials for."`
	QueueSize      int64     `parquet:"queue_size" doc:"Messages that wait in its queue."`
	QueueLimit     int64     `parquet:"queue_limit" doc:"How many can."`
	OutboundRate   float64   `parquet:"outbound_rate" doc:"Messages a second that leave it."`
	Body           string    `parquet:"body" keep:"repeats" doc:"The JSON as received, without secrets."`
	ExportedAt     time.Time `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

func appRow(r *snapshotReader, _ step, body []byte) (any, string, error) {
	app := client.ParseApp(body)
	if app.ID == "" {
		return nil, "", errors.New("an app in the answer has no id")
	}
	row := &App{
		ProjectID: r.env.Project, ID: app.ID, DisplayName: app.DisplayName, ProcessingMode: app.ProcessingMode,
		RetentionDays: days(app.RetentionDays), DispatchDays: days(app.DispatchRetentionDays),
		QueueSize: app.QueueSize, QueueLimit: app.QueueLimit, OutboundRate: app.OutboundRate,
		Body: string(body), ExportedAt: r.now(),
	}
	for _, c := range gjson.GetBytes(body, "channel_credentials.#.channel").Array() {
		row.Channels = append(row.Channels, c.String())
	}
	return row, app.ID, nil
}

func days(n *int) *int32 {
	if n == nil {
		return nil
	}
	d := int32(*n)
	return &d
}

// Webhook is one row of the webhooks dataset. The body is the JSON as received,
// without its secrets.
type Webhook struct {
	ProjectID  string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	AppID      string    `parquet:"app_id,dict" keep:"needed" doc:"The app."`
	ID         string    `parquet:"id" keep:"needed" doc:"Of the webhook."`
	Target     string    `parquet:"target" doc:"Where its callbacks go."`
	TargetType string    `parquet:"target_type,dict" doc:"HTTP, mostly."`
	Triggers   []string  `parquet:"triggers,list" doc:"What it is called for."`
	Body       string    `parquet:"body" keep:"repeats" doc:"The JSON as received, without secrets."`
	ExportedAt time.Time `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

func webhookRow(r *snapshotReader, s step, body []byte) (any, string, error) {
	f := gjson.GetManyBytes(body, "id", "app_id", "target", "target_type", "triggers")
	if f[0].String() == "" {
		return nil, "", errors.New("a webhook in the answer has no id")
	}
	row := &Webhook{
		ProjectID: r.env.Project, AppID: f[1].String(), ID: f[0].String(), Target: f[2].String(), TargetType: f[3].String(),
		Body: string(body), ExportedAt: r.now(),
	}
	if row.AppID == "" {
		row.AppID = s.Params["app_id"]
	}
	for _, t := range f[4].Array() {
		row.Triggers = append(row.Triggers, t.String())
	}
	return row, row.ID, nil
}

// Channel is one row of the channels dataset: how a channel of an app is doing.
// The id is app and channel. Channels that an app does not have are not there.
type Channel struct {
	ProjectID         string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	AppID             string    `parquet:"app_id" keep:"needed" doc:"The app."`
	ID                string    `parquet:"id" keep:"needed" doc:"App and channel."`
	Channel           string    `parquet:"channel,dict" doc:"SMS, WHATSAPP, RCS, …"`
	Status            string    `parquet:"status,dict" doc:"How it is doing."`
	StatusDescription string    `parquet:"status_description" doc:"In the words of the API."`
	Name              string    `parquet:"name" doc:"Of what it is connected to."`
	Body              string    `parquet:"body" keep:"repeats" doc:"The JSON as received, without secrets."`
	ExportedAt        time.Time `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

func channelRow(r *snapshotReader, s step, body []byte) (any, string, error) {
	f := gjson.GetManyBytes(body, "status", "statusDescription", "name")
	app, channel := s.Params["conversationAppId"], s.List
	row := &Channel{
		ProjectID: r.env.Project, AppID: app, ID: app + "/" + channel, Channel: channel,
		Status: f[0].String(), StatusDescription: f[1].String(), Name: f[2].String(),
		Body: string(body), ExportedAt: r.now(),
	}
	return row, row.ID, nil
}

// Resource is one row of the datasets of provisioning_export and api_list: an
// entry of a list, whatever it is. What the entry does not say is empty. The
// body is the JSON as received, without the secrets of an inventory.
type Resource struct {
	ProjectID  string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	ID         string    `parquet:"id" keep:"needed" doc:"Of the entry."`
	Name       string    `parquet:"name" doc:"What it is called."`
	State      string    `parquet:"state,dict" doc:"How it is doing."`
	Parent     string    `parquet:"parent,dict" keep:"needed" doc:"What it belongs to."`
	Body       string    `parquet:"body" keep:"repeats" doc:"The JSON as received, without secrets."`
	ExportedAt time.Time `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

// resource makes a row of any entry. An entry without an id is named by what
// it holds.
func resource(r *snapshotReader, parent string, body []byte) *Resource {
	f := gjson.GetManyBytes(body, "id", "name", "state", "status", "code")
	row := &Resource{
		ProjectID: r.env.Project, ID: f[0].String(), Name: f[1].String(), State: f[2].String(), Parent: parent,
		Body: string(body), ExportedAt: r.now(),
	}
	if row.State == "" && f[3].Type == gjson.String {
		row.State = f[3].String()
	}
	if row.ID == "" {
		row.ID = f[4].String()
	}
	if row.ID == "" {
		key := shortened(parent + "\n" + row.Body)
		row.ID = hex.EncodeToString(key[:])
	}
	return row
}
