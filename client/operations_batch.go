package client

// batchOperations are those of the Batch API: up to 1,000 in one call.
var batchOperations = service("batch", "/v1/projects/{project_id}/", NoPaging,
	post("Batch_SendBatch", "messages"),
	list("Batch_GetBatchStatusByMetadata", "messages", ".", 0), // the names of its parameters are not documented
	remove("Batch_CancelBatch", "messages").laden(),
	get("Batch_GetBatchStatus", "messages/{batch_id}"),
	post("Batch_CreateContacts", "contacts"),
	remove("Batch_DeleteContacts", "contacts").laden(),
	post("Batch_InsertConsents", "consents").repeatable(), // documented as safe to repeat
)
