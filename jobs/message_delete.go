package jobs

import "net/url"

// MessageDelete is the kind message_delete: it deletes a message for each row
// from the server's store. It does not disappear from handsets.
type MessageDelete struct {
	EachRow `yaml:",inline"`
	Message Text   `yaml:"message" doc:"The id of the message." required:"true"`
	Source  string `yaml:"source" doc:"Where the server keeps the message: conversation or dispatch." enum:"conversation,dispatch" default:"conversation"`
	Missing string `yaml:"missing" doc:"What a message means that is not there: fail or done." enum:"fail,done" default:"fail"`
}

// Check compiles the call.
func (k *MessageDelete) Check(c *Checker) {
	k.once, k.missing = true, k.Missing
	source := conversationSource
	if k.Source == "dispatch" {
		source = dispatchSource
	}
	k.calls(c, callParts{
		operation: operation("Messages_DeleteMessage"), fixed: url.Values{"messages_source": {source}},
		params: []keyed{{"message", k.Message}}, names: map[string]string{"message": "message_id"},
	})
}
