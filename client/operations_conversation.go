package client

// conversationOperations are those of the Conversation API. Where its newer and
// its older servers differ it is the newer that is written here.
var conversationOperations = service("conversation", "/v1/projects/{project_id}/", SnakeCase,
	post("Messages_SendMessage", "messages:send"),
	get("Messages_GetMessage", "messages/{message_id}", "messages_source"),
	remove("Messages_DeleteMessage", "messages/{message_id}", "messages_source"),
	patch("Messages_UpdateMessageMetadata", "messages/{message_id}", "messages_source"),
	list("Messages_ListMessages", "messages", "messages", 1000, "app_id", "conversation_id", "contact_id", "channel_identity", "channel",
		"start_time", "end_time", "view", "messages_source", "direction", "only_recipient_originated"),
	post("Messages_ListMessagesByChannelIdentity", "messages:fetch-last-message").repeatable().lists("messages", 1000),
	post("Transcoding_TranscodeMessage", "messages:transcode").repeatable(),

	list("App_ListApps", "apps", "apps", 0),
	post("App_CreateApp", "apps"),
	get("App_GetApp", "apps/{app_id}"),
	patch("App_UpdateApp", "apps/{app_id}", "update_mask"),
	remove("App_DeleteApp", "apps/{app_id}"),

	list("Webhooks_ListWebhooks", "apps/{app_id}/webhooks", "webhooks", 0),
	post("Webhooks_CreateWebhook", "webhooks"),
	get("Webhooks_GetWebhook", "webhooks/{webhook_id}"),
	patch("Webhooks_UpdateWebhook", "webhooks/{webhook_id}", "update_mask"),
	remove("Webhooks_DeleteWebhook", "webhooks/{webhook_id}"),

	list("Contact_ListContacts", "contacts", "contacts", 20, "external_id", "channel", "identity"),
	post("Contact_CreateContact", "contacts"),
	get("Contact_GetContact", "contacts/{contact_id}"),
	patch("Contact_UpdateContact", "contacts/{contact_id}", "update_mask"),
	remove("Contact_DeleteContact", "contacts/{contact_id}"),
	post("Contact_MergeContact", "contacts/{destination_id}:merge"),
	post("Contact_GetChannelProfile", "contacts:getChannelProfile").repeatable(),
	list("Contact_ListIdentityConflicts", "contacts:identityConflicts", "conflicts", 20),

	list("Conversation_ListConversations", "conversations", "conversations", 20, "app_id", "contact_id", "only_active", "active_channel"),
	list("Conversation_ListRecentConversations", "conversations:recent", "conversations", 50, "app_id", "only_active", "order"),
	post("Conversation_CreateConversation", "conversations"),
	get("Conversation_GetConversation", "conversations/{conversation_id}"),
	patch("Conversation_UpdateConversation", "conversations/{conversation_id}", "update_mask", "metadata_update_strategy"),
	remove("Conversation_DeleteConversation", "conversations/{conversation_id}"),
	post("Conversation_StopActiveConversation", "conversations/{conversation_id}:stop").bare().repeatable().mute(),
	post("Conversation_InjectMessage", "conversations/{message.conversation_id}:inject-message").mute(),

	post("Events_SendEvent", "events:send"),
	post("Events_InjectEvent", "conversations/{conversation_id}:inject-event"),
	list("Events_ListEvents", "events", "events", 20, "conversation_id", "contact_id"),
	get("Events_GetEvent", "events/{event_id}"),
	remove("Events_DeleteEvents", "events/{event_id}"),

	list("Consents_GetConsents", "apps/{app_id}/consents/{list_type}", "identities", 50),
	list("Consents_GetConsentsAuditRecords", "apps/{app_id}/consents/identities/{identity}", "audit_records", 0),
	post("OptIn_RegisterOptIn", "optins:register", "request_id").repeatable(), // this and the next: older servers only
	post("OptIn_RegisterOptOut", "optouts:register", "request_id").repeatable(),

	post("Capability_QueryCapability", "capability:query").repeatable(), // repeated, the callback comes twice, no more

	get("ProjectSettings_GetSettings", "settings"),
	post("ProjectSettings_CreateSettings", "settings"),
	patch("ProjectSettings_UpdateSettings", "settings"),
	remove("ProjectSettings_DeleteSettings", "settings"),
)
