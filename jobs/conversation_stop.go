package jobs

// ConversationStop is the kind conversation_stop: it ends the active
// conversation that each row names. The next message begins another.
type ConversationStop struct {
	EachRow      `yaml:",inline"`
	Conversation Text `yaml:"conversation" doc:"The id of the conversation." required:"true"`
}

// Check compiles the call.
func (k *ConversationStop) Check(c *Checker) {
	k.once = true // one that was stopped never becomes active again
	k.calls(c, callParts{
		operation: operation("Conversation_StopActiveConversation"),
		params:    []keyed{{"conversation", k.Conversation}}, names: conversationNames,
	})
}
