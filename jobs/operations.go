package jobs

import (
	"slices"

	"convbatch/client"
)

// Operations lists the ids of the operations of the API that the job may call,
// in the order of the client's table. One that is named by its path has that
// for an id, and stands last.
func (j Job) Operations() []string {
	spec, ok := j.Spec.(interface{ operations() []string })
	if !ok {
		return nil
	}
	used := spec.operations()
	var ids []string
	for _, op := range client.Operations() {
		if slices.Contains(used, op.ID) {
			ids = append(ids, op.ID)
		}
	}
	for _, id := range used {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (e *EachRow) operations() []string { return []string{e.call.operation.ID} }

func (s *snapshot) operations() (ids []string) {
	for _, l := range s.lists {
		if l.own == nil {
			ids = append(ids, l.operation.ID)
		}
	}
	return ids
}

// messageLookUps are what a messageLister calls.
var messageLookUps = []string{"Messages_ListMessages", "Conversation_ListConversations"}

func (b *BulkSend) operations() []string {
	if b.batch != nil {
		return []string{"Batch_SendBatch", "Batch_GetBatchStatusByMetadata", "App_GetApp"}
	}
	return append([]string{"Messages_SendMessage", "App_GetApp"}, messageLookUps...)
}

func (a *MessageArchive) operations() []string {
	return append([]string{"App_GetApp"}, messageLookUps...)
}

func (k *MessageInject) operations() []string {
	return append(k.EachRow.operations(), "Messages_ListMessages")
}

func (k *ContactImport) operations() []string {
	create := "Contact_CreateContact"
	if k.Mode == modeBatch {
		create = "Batch_CreateContacts"
	}
	return []string{"Contact_ListContacts", "Contact_GetContact", create, "Contact_UpdateContact"}
}

func (k *ApplyRows) operations() []string {
	ids := []string{k.sort.list.ID, k.sort.get.ID, k.sort.create.ID, k.sort.update.ID}
	if k.sort.ofApp && k.perRow {
		ids = append(ids, "App_ListApps")
	}
	return ids
}

// operations are those of each way that the server may have, unless the job
// says which.
func (k *OptoutSync) operations() []string {
	ids := []string{"Consents_GetConsents"}
	if k.via != viaConsents {
		ids = append(ids, "OptIn_RegisterOptOut", "OptIn_RegisterOptIn")
	}
	if k.via != viaRegister {
		ids = append(ids, "Batch_InsertConsents")
	}
	return ids
}

func (k *ContactMerge) operations() []string {
	return append(k.EachRow.operations(), "Contact_GetContact")
}
