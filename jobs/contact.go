package jobs

import (
	"fmt"
	"time"

	"convbatch/internal/jsonscan"
)

// Contact is one row of the contacts dataset. The body is the JSON as received,
// byte for byte.
type Contact struct {
	ProjectID       string            `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	ID              string            `parquet:"id" keep:"needed" doc:"Of the contact."`
	ExternalID      string            `parquet:"external_id" keep:"personal" doc:"Of the contact in another system."`
	DisplayName     string            `parquet:"display_name" keep:"personal,repeats" doc:"What it is called."`
	Email           string            `parquet:"email" keep:"personal" doc:"Its address."`
	Language        string            `parquet:"language,dict" doc:"Its language, such as EN."`
	Metadata        string            `parquet:"metadata" keep:"personal,repeats" doc:"As it was given."`
	ChannelPriority []string          `parquet:"channel_priority,list" doc:"Its channels, the first choice first."`
	Identities      []ContactIdentity `parquet:"identities,list" keep:"personal" doc:"What it is called on each channel: channel, identity, app_id."`
	Body            string            `parquet:"body" keep:"personal,repeats" doc:"The JSON as received, byte for byte."`
	ExportedAt      time.Time         `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

// ContactIdentity is what a contact is called on a channel. AppID is empty
// where the identity is the same for all apps.
type ContactIdentity struct {
	Channel  string `parquet:"channel"`
	Identity string `parquet:"identity" keep:"personal"`
	AppID    string `parquet:"app_id"`
}

// parseContact reads the columns off one contact of a list. What it returns
// shares the bytes of body.
func parseContact(project string, body []byte, at time.Time) (*Contact, error) {
	c := &Contact{ProjectID: project, Body: shared(body), ExportedAt: at}
	scan := jsonscan.New(body)
	for name := range scan.Members() {
		switch name {
		case "id":
			c.ID = scan.Text()
		case "external_id":
			c.ExternalID = scan.Text()
		case "display_name":
			c.DisplayName = scan.Text()
		case "email":
			c.Email = scan.Text()
		case "language":
			c.Language = scan.Text()
		case "metadata":
			c.Metadata = scan.Text()
		case "channel_priority":
			for range scan.Elements() {
				c.ChannelPriority = append(c.ChannelPriority, scan.Text())
			}
		case "channel_identities":
			for range scan.Elements() {
				var i ContactIdentity
				i.Channel, i.Identity, i.AppID = identityOf(&scan)
				c.Identities = append(c.Identities, i)
			}
		}
	}
	if c.ID == "" {
		return nil, fmt.Errorf("a contact in the answer has no id")
	}
	return c, nil
}
