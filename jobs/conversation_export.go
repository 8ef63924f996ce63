package jobs

import (
	"errors"
	"time"

	"github.com/tidwall/gjson"
)

// ConversationExport is the kind conversation_export: it reads the conversations
// of all apps of the project, or of the job's app, each run a snapshot.
type ConversationExport struct{ snapshot }

// Check says what is read. A server that does not list all conversations of an
// app at once is asked for the active and for the others: the active first,
// since one that is stopped never becomes active again.
func (k *ConversationExport) Check(c *Checker) {
	k.ofApps(c.App(), func(app step) []step { return []step{app.as("conversations")} })
	list := &list{operation: operation("Conversation_ListConversations"), dataset: "conversations", row: conversationRow, mayGo: c.App() == ""}
	all, active, others := *list, *list, *list
	all.older = func(s step) []step { return []step{s.as("active conversations").with("only_active", "true")} }
	active.then = func(s step) []step { return []step{s.as("other conversations").with("only_active", "false")} }
	k.lists["conversations"], k.lists["active conversations"], k.lists["other conversations"] = &all, &active, &others
}

// Conversation is one row of the conversations dataset. The body is the
// JSON as received, byte for byte.
type Conversation struct {
	ProjectID     string     `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	ID            string     `parquet:"id" keep:"needed" doc:"Of the conversation."`
	AppID         string     `parquet:"app_id,dict" keep:"needed" doc:"The app."`
	ContactID     string     `parquet:"contact_id" doc:"Who it is with."`
	Active        bool       `parquet:"active" doc:"It goes on."`
	ActiveChannel string     `parquet:"active_channel,dict" doc:"The channel of its last message."`
	LastReceived  *time.Time `parquet:"last_received,optional,timestamp(microsecond)" doc:"When its last message was accepted; null without messages."`
	Metadata      string     `parquet:"metadata" keep:"personal,repeats" doc:"As it was given."`
	MetadataJSON  string     `parquet:"metadata_json" keep:"personal,repeats" doc:"As it was given, JSON."`
	Body          string     `parquet:"body" keep:"personal,repeats" doc:"The JSON as received, byte for byte."`
	ExportedAt    time.Time  `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

func conversationRow(r *snapshotReader, _ step, body []byte) (any, string, error) {
	c := &Conversation{ProjectID: r.env.Project, Body: string(body), ExportedAt: r.now()}
	gjson.Parse(c.Body).ForEach(func(key, value gjson.Result) bool {
		switch key.String() {
		case "id":
			c.ID = value.String()
		case "app_id":
			c.AppID = value.String()
		case "contact_id":
			c.ContactID = value.String()
		case "active":
			c.Active = value.Bool()
		case "active_channel":
			c.ActiveChannel = value.String()
		case "last_received":
			if at, err := time.Parse(time.RFC3339Nano, value.String()); err == nil && at.Unix() != 0 {
				at = at.UTC()
				c.LastReceived = &at
			}
		case "metadata":
			c.Metadata = value.String()
		case "metadata_json":
			c.MetadataJSON = value.Raw
		}
		return true
	})
	if c.ID == "" {
		return nil, "", errors.New("a conversation in the answer has no id")
	}
	return c, c.ID, nil
}
