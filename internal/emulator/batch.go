package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
)

// batchOperations are the Batch API. Servers of ProfileOld have none.
var batchOperations = []operation{
	{
		id: "Batch_SendBatch", method: http.MethodPost, path: "/batch/v1/projects/{project_id}/messages",
		newer: true, batch: true, changes: true, body: batchRequest, handle: (*Emulator).sendBatch,
	},
	{
		id: "Batch_GetBatchStatus", method: http.MethodGet, path: "/batch/v1/projects/{project_id}/messages/{batch_id}",
		newer: true, batch: true, handle: (*Emulator).getBatch,
	},
	{
		id: "Batch_GetBatchStatusByMetadata", method: http.MethodGet, path: "/batch/v1/projects/{project_id}/messages",
		newer: true, batch: true, query: []param{{name: batchTag, prefix: true}}, handle: (*Emulator).findBatches,
	},
	{
		id: "Batch_CancelBatch", method: http.MethodDelete, path: "/batch/v1/projects/{project_id}/messages",
		newer: true, batch: true, body: cancelRequest, handle: (*Emulator).cancelBatch,
	},
	{
		id: "Batch_CreateContacts", method: http.MethodPost, path: "/batch/v1/projects/{project_id}/contacts",
		newer: true, batch: true, changes: true, callback: "CONTACT_CREATE",
		body: contactsRequest, handle: (*Emulator).createContacts,
	},
	{
		id: "Batch_DeleteContacts", method: http.MethodDelete, path: "/batch/v1/projects/{project_id}/contacts",
		newer: true, batch: true, changes: true, body: contactIDsRequest, handle: (*Emulator).deleteContacts,
	},
	{
		id: "Batch_InsertConsents", method: http.MethodPost, path: "/batch/v1/projects/{project_id}/consents",
		newer: true, batch: true, changes: true, body: consentsRequest, handle: (*Emulator).insertConsents,
	},
}

// batchTag is what query parameters that name a key of batch_metadata begin
// with. The specification does not say how they are written; this is a guess
// after the name that batch_metadata has in answers.
const batchTag = "meta_data."

// What becomes of a batch.
const (
	BatchScheduled = "SCHEDULED" // its time has yet to come
	BatchReady     = "READY"     // its time has come, and the app's queue has no room for it
	BatchProcessed = "PROCESSED" // its messages are accepted
	BatchCancelled = "CANCELLED"
)

// Batch is one batch of messages that the API took.
type Batch struct {
	ID         string
	Status     string    // BatchScheduled and so on, now
	SendAfter  time.Time // when it is due, rounded up; zero for one that was sent at once
	Recipients int
	Metadata   string // batch_metadata, as JSON; empty for none
}

// batch is Batch as it is kept.
type batch struct {
	id         string
	status     string
	due        int64 // 0: at once
	recipients int
	metadata   string            // as written
	tags       map[string]string // its strings
	shared     sending           // what all its messages have in common
	wording    *wording
	sends      []batched // until they are accepted
}

// batches are taken in the order of all. Its lock is taken before the store's.
type batches struct {
	numbers atomic.Int64
	next    atomic.Int64 // when the first of scheduled is due; 0 for none

	mu        sync.Mutex
	all       []*batch
	byID      map[string]*batch
	scheduled []*batch // by due
}

// Batches lists the batches of messages in the order in which they were taken.
func (e *Emulator) Batches() []Batch {
	e.sendDue(e.options.Now().UnixNano())
	e.batches.mu.Lock()
	defer e.batches.mu.Unlock()
	list := make([]Batch, len(e.batches.all))
	for i, b := range e.batches.all {
		list[i] = Batch{ID: b.id, Status: b.status, Recipients: b.recipients, Metadata: b.metadata}
		if b.due != 0 {
			list[i].SendAfter = time.Unix(0, b.due).UTC()
		}
	}
	return list
}

// addBatch sends a batch or schedules it; false means that the app's queue has
// no room for it now.
func (e *Emulator) addBatch(b *batch, now int64) bool {
	all := &e.batches
	all.mu.Lock()
	defer all.mu.Unlock()
	if b.due == 0 {
		if !e.queue.putAll(b.recipients, now) {
			return false
		}
		e.acceptBatch(b, 0)
	} else {
		b.status = BatchScheduled
		all.scheduled = append(all.scheduled, b)
		slices.SortStableFunc(all.scheduled, func(a, b *batch) int { return cmp.Compare(a.due, b.due) })
		all.arm()
	}
	if all.byID == nil {
		all.byID = make(map[string]*batch)
	}
	all.all = append(all.all, b)
	all.byID[b.id] = b
	return true
}

// arm sets when to look at the scheduled batches again.
func (all *batches) arm() {
	next := int64(0)
	if len(all.scheduled) > 0 {
		next = all.scheduled[0].due
	}
	all.next.Store(next)
}

// sendDue accepts the messages of the batches whose time has come. Nothing
// runs by itself: every request, and everything that tests read, comes here
// first. The messages count from the moment that was asked for, unless the
// app's queue had no room for them then.
func (e *Emulator) sendDue(now int64) {
	all := &e.batches
	if next := all.next.Load(); next == 0 || now < next {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for len(all.scheduled) > 0 && all.scheduled[0].due <= now {
		b := all.scheduled[0]
		if !e.queue.putAll(b.recipients, now) {
			b.status = BatchReady
			break
		}
		at := b.due
		if b.status == BatchReady {
			at = now
		}
		e.acceptBatch(b, at)
		all.scheduled = slices.Delete(all.scheduled, 0, 1)
	}
	all.arm()
}

func (e *Emulator) getBatch(c *call) reply {
	e.batches.mu.Lock()
	defer e.batches.mu.Unlock()
	b := e.batches.byID[c.path["batch_id"]]
	if b == nil {
		return e.refuse(http.StatusNotFound, "batch not found")
	}
	j := compact()
	b.write(&j)
	return ok(j.b)
}

// findBatches lists the batches whose metadata has all the given strings.
func (e *Emulator) findBatches(c *call) reply {
	if len(c.args) == 0 {
		return e.invalid(violation{batchTag + "*", "is required: a key of batch_metadata and its value"})
	}
	e.batches.mu.Lock()
	defer e.batches.mu.Unlock()
	j := compact()
	j.openList()
	for _, b := range e.batches.all {
		if b.has(c.args) {
			b.write(j.item())
		}
	}
	j.closeList()
	return ok(j.b)
}

func (b *batch) has(args arguments) bool {
	for name, want := range args {
		if got, given := b.tags[name[len(batchTag):]]; !given || got != want {
			return false
		}
	}
	return true
}

func (b *batch) write(j *writer) {
	j.open()
	j.key("batch_id").text(b.id)
	j.key("meta_data").raw(or(b.metadata, "{}"))
	j.key("status").text(b.status)
	b.writeDue(j)
	j.close()
}

func (b *batch) writeDue(j *writer) {
	if b.due != 0 {
		j.key("send_after").time(b.due)
	}
}

// cancelBatch answers the same whether or not there was something to cancel.
func (e *Emulator) cancelBatch(c *call) reply {
	all := &e.batches
	all.mu.Lock()
	defer all.mu.Unlock()
	b := all.byID[gjson.Get(c.body, "batch_id").Str]
	if b != nil && b.status == BatchScheduled {
		b.status, b.sends = BatchCancelled, nil
		all.scheduled = slices.DeleteFunc(all.scheduled, func(x *batch) bool { return x == b })
		all.arm()
		e.record(c, Identifiers{BatchID: b.id})
	}
	return ok([]byte("{}"))
}
