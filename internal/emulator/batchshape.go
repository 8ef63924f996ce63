package emulator

// batchMost is how many recipients, contacts or consents one call takes.
const batchMost = 1000

// batchRequest is the body of Batch_SendBatch. The message is judged as that
// of a single send is, before its parameters are put in: what they make of it
// is no longer the caller's to be told.
var batchRequest = &shape{
	required: []string{"app_id", "message", "recipient_and_params"},
	fields: map[string]*shape{
		"app_id":  nonEmpty,
		"message": appMessage,
		"recipient_and_params": {kind: list, min: 1, max: batchMost, each: &shape{
			required: []string{"recipient"},
			fields: map[string]*shape{
				"recipient": recipient, "parameters": {each: anyText}, "message_metadata": batchTags,
				"conversation_metadata": sendRequest.fields["conversation_metadata"],
			},
		}},
		"processing_strategy":    sendRequest.fields["processing_strategy"],
		"batch_metadata":         anyObject,
		"message_metadata":       batchTags,
		"conversation_metadata":  sendRequest.fields["conversation_metadata"],
		"send_after":             anyText,
		"callback_url":           anyText,
		"channel_priority_order": sendRequest.fields["channel_priority_order"],
		"ttl":                    sendRequest.fields["ttl"],
		"channel_properties":     sendRequest.fields["channel_properties"],
	},
}

// batchTags is metadata of a batch's messages: an object, unlike that of a
// single one.
var batchTags = &shape{reserved: batchIDKey}

// cancelRequest is the body of Batch_CancelBatch.
var cancelRequest = &shape{required: []string{"batch_id"}, fields: map[string]*shape{"batch_id": nonEmpty}}

// contactsRequest is the body of Batch_CreateContacts. Unlike a single contact
// one of a batch needs no language.
var contactsRequest = &shape{
	required: []string{"contacts"},
	fields: map[string]*shape{"contacts": {kind: list, min: 1, max: batchMost, each: &shape{
		required: []string{"channel_identities"},
		fields:   contactRequest.fields,
	}}},
}

// contactIDsRequest is the body of Batch_DeleteContacts. The specification
// does not name its key; this is a guess.
var contactIDsRequest = &shape{
	required: []string{"contact_ids"},
	fields:   map[string]*shape{"contact_ids": {kind: list, min: 1, max: batchMost, each: nonEmpty}},
}

// consentsRequest is the body of Batch_InsertConsents.
var consentsRequest = &shape{
	required: []string{"app_id", "consent_records"},
	fields: map[string]*shape{
		"app_id": nonEmpty,
		"consent_records": {kind: list, max: batchMost, each: &shape{
			required: []string{"identification"},
			fields:   map[string]*shape{"identification": nonEmpty, "consent_type": {kind: text, enum: consentLists}},
		}},
	},
}
