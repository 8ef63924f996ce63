package jobs

// registered are the kinds that make themselves known, in the order of their
// files.
var registered []Kind

// register makes a kind known from its own file, by init. It comes behind those
// below, which documents show in their order.
func register(k Kind) { registered = append(registered, k) }

// Kinds lists every kind of job: the loader, the engine's wiring and the
// documents follow it.
func Kinds() []Kind {
	return append([]Kind{
		{Name: "bulk_send", New: func() Spec { return &BulkSend{} },
			Doc: "One message for each row of the input."},
		{Name: "event_send", New: func() Spec { return &EventSend{} },
			Doc: "One event for each row of the input."},
		{Name: "contact_import", New: func() Spec { return &ContactImport{} },
			Doc: "Creates and updates contacts, so that there is one for each row of the input."},
		{Name: "contact_export", New: func() Spec { return &ContactExport{} }, Datasets: []Dataset{snapshotOf("contacts", Contact{})},
			Doc: "All contacts of the project; each run is a snapshot."},
		{Name: "contact_delete", New: func() Spec { return &ContactDelete{} },
			Doc: "Deletes a contact for each row of the input."},
		{Name: "contact_merge", New: func() Spec { return &ContactMerge{} },
			Doc: "Merges two contacts for each row of the input."},
		{Name: "contact_profile", New: func() Spec { return &ContactProfile{} },
			Doc: "Asks a channel for somebody's profile, for each row of the input."},
		{Name: "message_archive", New: func() Spec { return &MessageArchive{} }, Datasets: []Dataset{{Name: "messages", Row: Message{}, PartitionBy: "date"}},
			Doc: "The messages of an app, incrementally, each once."},
		{Name: "message_delete", New: func() Spec { return &MessageDelete{} },
			Doc: "Deletes a message from the server's store for each row of the input."},
		{Name: "message_inject", New: func() Spec { return &MessageInject{} },
			Doc: "Puts a message into a conversation for each row of the input: history of another project or app."},
		{Name: "conversation_export", New: func() Spec { return &ConversationExport{} }, Datasets: []Dataset{snapshotByApp("conversations", Conversation{})},
			Doc: "The conversations of the project, or of an app; each run is a snapshot."},
		{Name: "conversation_stop", New: func() Spec { return &ConversationStop{} },
			Doc: "Ends a conversation for each row of the input."},
		{Name: "conversation_delete", New: func() Spec { return &ConversationDelete{} },
			Doc: "Deletes a conversation, with its messages, for each row of the input."},
		{Name: "conversation_update", New: func() Spec { return &ConversationUpdate{} },
			Doc: "Changes members of a conversation for each row of the input."},
		{Name: "optout_sync", New: func() Spec { return &OptoutSync{} }, Datasets: []Dataset{consents},
			Doc: "Makes the API's opt-outs agree with a list; a run registers what changed since the last."},
		{Name: "consent_export", New: func() Spec { return &ConsentExport{} }, Datasets: []Dataset{consents, snapshotByApp("consent_audits", ConsentAudit{})},
			Doc: "Who is on the API's lists of opt-outs, as changes; on request with the audit records."},
		{Name: "capability_check", New: func() Spec { return &CapabilityCheck{} },
			Doc: "Asks on which channels somebody can be reached, for each row of the input."},
		{Name: "transcode", New: func() Spec { return &Transcode{} },
			Doc: "What a message becomes on each channel, for each row of the input; nothing is sent."},
		{Name: "app_export", New: func() Spec { return &AppExport{} }, Datasets: []Dataset{snapshotOf("apps", App{})},
			Doc: "All apps of the project, without their secrets; each run is a snapshot."},
		{Name: "webhook_export", New: func() Spec { return &WebhookExport{} }, Datasets: []Dataset{snapshotByApp("webhooks", Webhook{})},
			Doc: "The webhooks of the project, or of an app, without their secrets; each run is a snapshot."},
		{Name: "channel_export", New: func() Spec { return &ChannelExport{} }, Datasets: []Dataset{snapshotByApp("channels", Channel{})},
			Doc: "How the channels of all apps are doing, or of one; each run is a snapshot."},
		{Name: "provisioning_export", New: func() Spec { return &ProvisioningExport{} }, Datasets: provisionedDatasets(),
			Doc: "Every list of the Provisioning API, without secrets, one dataset each; each run is a snapshot."},
		{Name: "app_apply", New: func() Spec { return &AppApply{} },
			Doc: "Creates and updates apps, so that there is one as each row of the input says."},
		{Name: "webhook_apply", New: func() Spec { return &WebhookApply{} },
			Doc: "Creates and updates webhooks, so that there is one as each row of the input says."},
	}, registered...)
}
