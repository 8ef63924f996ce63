package jobs

import "convbatch/client"

// What `batch doctor` asks of a job: what it needs of the account.

// Sends says whether the job sends messages or events by its app.
func (j Job) Sends() bool {
	switch j.Spec.(type) {
	case *BulkSend, *EventSend:
		return true
	}
	return false
}

// Looks says whether the job looks messages up that it may have sent.
func (j Job) Looks() bool {
	send, ok := j.Spec.(*BulkSend)
	return ok && send.InDoubt == inDoubtReconcile
}

// Archives says whether the job keeps the messages that its app stores.
func (j Job) Archives() bool {
	_, ok := j.Spec.(*MessageArchive)
	return ok
}

// CallsBatchAPI says whether the job calls the Batch API. A kind that does has
// a method callsBatchAPI.
func (j Job) CallsBatchAPI() bool {
	spec, ok := j.Spec.(interface{ callsBatchAPI() bool })
	return ok && spec.callsBatchAPI()
}

func (e *EachRow) callsBatchAPI() bool { return e.call.operation.Service == "batch" }

// StoresNothing says of an app that the server keeps none of its messages, so
// that nothing can be archived or looked up.
func StoresNothing(app client.App) bool { return len(archivedSources(app)) == 0 }

// ChannelStatus is the operation that says how a channel of an app is doing,
// where the Provisioning API has one. Its parameter is conversationAppId.
func ChannelStatus(channel string) (client.Operation, bool) {
	id, known := channelOperations[channel]
	if !known {
		return client.Operation{}, false
	}
	return operation(id), true
}
