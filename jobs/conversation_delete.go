package jobs

// ConversationDelete is the kind conversation_delete: it deletes a conversation
// for each row, and with it all messages of the conversation.
type ConversationDelete struct {
	EachRow      `yaml:",inline"`
	Conversation Text   `yaml:"conversation" doc:"The id of the conversation." required:"true"`
	Missing      string `yaml:"missing" doc:"What a conversation means that is not there: fail or done." enum:"fail,done" default:"fail"`
}

// Check compiles the call.
func (k *ConversationDelete) Check(c *Checker) {
	k.once, k.missing = true, k.Missing
	k.calls(c, callParts{
		operation: operation("Conversation_DeleteConversation"),
		params:    []keyed{{"conversation", k.Conversation}}, names: conversationNames,
	})
}

// conversationNames is what jobs call the parameter that names a conversation.
var conversationNames = map[string]string{"conversation": "conversation_id"}
