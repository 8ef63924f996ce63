package jobs

import (
	"net/url"

	"convbatch/client"
	"convbatch/pipeline"
)

// ConversationUpdate is the kind conversation_update: it changes, for each row,
// the members of a conversation that the request has, and no other. A member
// whose template yields nothing stays as it is.
type ConversationUpdate struct {
	EachRow      `yaml:",inline"`
	Conversation Text        `yaml:"conversation" doc:"The id of the conversation." required:"true"`
	Request      RequestNode `yaml:"request" doc:"What changes: active_channel, contact_id, app_id, metadata_json, correlation_id; strings are templates over the row's columns." required:"true"`
	Metadata     string      `yaml:"metadata" doc:"What becomes of metadata_json that is there: replace, or merge with the new." enum:"replace,merge" default:"replace"`
}

// Check compiles the call.
func (k *ConversationUpdate) Check(c *Checker) {
	query := url.Values{}
	if k.Metadata == "merge" {
		query.Set("metadata_update_strategy", "MERGE_PATCH")
	}
	k.calls(c, callParts{
		operation: operation("Conversation_UpdateConversation"), fixed: query, masked: true, body: k.Request, finish: changesSomething,
		params: []keyed{{"conversation", k.Conversation}}, names: conversationNames,
	})
}

// changesSomething passes over rows that leave nothing to change: without a
// mask the call would be about every member.
func changesSomething(call *client.Call) error {
	if len(memberNames(call.Body)) == 0 {
		return &Unsent{State: pipeline.Skipped, Reason: "there is nothing to change: every member of the request is empty"}
	}
	return nil
}
