package jobs

import (
	"fmt"
	"time"

	"github.com/tidwall/gjson"
)

// Contact is one row of the contacts dataset. The body is the JSON as received,
// byte for byte.
type Contact struct {
	ProjectID       string            `parquet:"project_id,dict" doc:"The project."`
	ID              string            `parquet:"id" doc:"Of the contact."`
	ExternalID      string            `parquet:"external_id" doc:"Of the contact in another system."`
	DisplayName     string            `parquet:"display_name" doc:"What it is called."`
	Email           string            `parquet:"email" doc:"Its address."`
	Language        string            `parquet:"language,dict" doc:"Its language, such as EN."`
	Metadata        string            `parquet:"metadata" doc:"As it was given."`
	ChannelPriority []string          `parquet:"channel_priority,list" doc:"Its channels, the first choice first."`
	Identities      []ContactIdentity `parquet:"identities,list" doc:"What it is called on each channel: channel, identity, app_id."`
	Body            string            `parquet:"body" doc:"The JSON as received, byte for byte."`
	ExportedAt      time.Time         `parquet:"exported_at,timestamp(microsecond)" doc:"When it was read."`
}

// ContactIdentity is what a contact is called on a channel. AppID is empty
// where the identity is the same for all apps.
type ContactIdentity struct {
	Channel  string `parquet:"channel"`
	Identity string `parquet:"identity"`
	AppID    string `parquet:"app_id"`
}

// parseContact reads the columns off one contact of a list.
func parseContact(project string, body []byte, at time.Time) (*Contact, error) {
	c := &Contact{ProjectID: project, Body: string(body), ExportedAt: at}
	// One pass: each byte of the body is looked at once, whatever the columns.
	gjson.Parse(c.Body).ForEach(func(key, value gjson.Result) bool {
		switch key.String() {
		case "id":
			c.ID = value.String()
		case "external_id":
			c.ExternalID = value.String()
		case "display_name":
			c.DisplayName = value.String()
		case "email":
			c.Email = value.String()
		case "language":
			c.Language = value.String()
		case "metadata":
			c.Metadata = value.String()
		case "channel_priority":
			for _, channel := range value.Array() {
				c.ChannelPriority = append(c.ChannelPriority, channel.String())
			}
		case "channel_identities":
			value.ForEach(func(_, id gjson.Result) bool {
				c.Identities = append(c.Identities, ContactIdentity{id.Get("channel").String(), id.Get("identity").String(), id.Get("app_id").String()})
				return true
			})
		}
		return true
	})
	if c.ID == "" {
		return nil, fmt.Errorf("a contact in the answer has no id")
	}
	return c, nil
}
