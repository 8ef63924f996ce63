package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

const batchJob = `
send:
  kind: bulk_send
  mode: batch
  app: APP
  from: {csv: recipients.csv}
  key: phone
  request:
    recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
    message: {text_message: {text: "Hi {{.name}}"}}
  reconcile_after: 1s
`

// sentTo counts how many messages each identity was sent.
func sentTo(w *workbench) map[string]int {
	sent := map[string]int{}
	for _, a := range w.api.Accepted() {
		sent["+"+a.Identity]++
	}
	return sent
}

func TestABatchTakesAThousandRecipientsACall(t *testing.T) {
	t.Parallel()
	const rows = 15_000
	w := newWorkbench(t, emulator.Options{}, "", batchJob)
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done)
	assert.LessOrEqual(t, w.api.Requests().Count("Batch_SendBatch", -1), 16)
	sent := sentTo(w)
	assert.Len(t, sent, rows)
	for i := range rows {
		require.Equal(t, 1, sent[number(i)], "messages to row %d", i)
	}
	results := w.query("select key, ref from results where job = 'send'")
	assert.Len(t, results, rows)
	batches := w.api.Batches()
	for _, row := range results {
		var i int
		_, err := fmt.Sscanf(row["key"].(string), "+4670%d", &i)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(":%d", i%1000), row["ref"].(string)[len(batches[0].ID):])
	}
}

// assertBatchesSettled asserts that nobody was sent two messages, that who is
// done was sent one, in the batch and the place that the results name, that
// nobody else was, but for those in doubt, and that each row has a result.
func assertBatchesSettled(t *testing.T, w *workbench, rows int) {
	t.Helper()
	type place struct {
		batch string
		index int
	}
	sent, sizes := map[string]place{}, map[string]int{}
	for _, a := range w.api.Accepted() {
		_, twice := sent["+"+a.Identity]
		require.False(t, twice, "%s was sent twice", a.Identity)
		sent["+"+a.Identity] = place{a.BatchID, sizes[a.BatchID]}
		sizes[a.BatchID]++
	}
	results := w.query("select key, state, ref, error from results where job = 'send'")
	require.Len(t, results, rows)
	for _, row := range results {
		key := row["key"].(string)
		at, accepted := sent[key]
		delete(sent, key)
		if row["state"] == "in_doubt" {
			continue
		}
		require.Equal(t, row["state"] == "done", accepted, "%s is %s: %s", key, row["state"], row["error"])
		if !accepted {
			continue
		}
		require.Equal(t, fmt.Sprintf("%s:%d", at.batch, at.index), row["ref"])
	}
	assert.Empty(t, sent, "sent, and not in the results")
}

func TestKillsOfBatchesLoseNothingAndRepeatNothing(t *testing.T) {
	t.Parallel()
	const rows = 15_000
	o := emulator.Options{Latency: 100 * time.Millisecond}
	w := newWorkbench(t, o, "limits: {requests: 20/s}", batchJob+"  batch_size: 50\n")
	w.recipients("recipients.csv", rows)
	w.killing("send", 30, uint64(time.Now().UnixNano()), 900*time.Millisecond)
	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, r.stderr)
	assert.Equal(t, "completed", s.State)
	assert.EqualValues(t, rows, s.Done+s.InDoubt)
	// Only where no group was left that had not been called is there no witness.
	assert.Less(t, s.InDoubt, int64(rows/10))
	assertBatchesSettled(t, w, rows)
	t.Logf("done %d, in doubt %d, in %d calls", s.Done, s.InDoubt, s.Requests)
}

// lostBatches lose a share of the answers to batches.
func lostBatches(share float64) []emulator.Fault {
	faults := lostAnswers(share)
	for i := range faults {
		faults[i].Operation = "Batch_SendBatch"
	}
	return faults
}

func TestBatchesWhoseAnswerIsLostAreLookedFor(t *testing.T) {
	t.Parallel()
	const rows = 10_000
	o := emulator.Options{Faults: lostBatches(0.3), Latency: 10 * time.Millisecond}
	w := newWorkbench(t, o, "retry: {attempts: 8, first: 5ms, max: 20ms}\nlimits: {requests: 100/s}", batchJob+"  batch_size: 50\n")
	w.edit("key_secret: ${TEST_SECRET}", "key_secret: ${TEST_SECRET}\n  timeout: 1s")
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done+s.InDoubt)
	// Only the last calls can be without one after them that proves the list.
	assert.LessOrEqual(t, s.InDoubt, int64(jobs.GroupsInFlight*50))
	assertBatchesSettled(t, w, rows)
	found := w.query("select count(*) as n from results where state = 'done' and http_status = 0")[0]["n"]
	assert.NotZero(t, found, "some were found by their key")
	t.Logf("done %d, in doubt %d, found %v, in %d calls", s.Done, s.InDoubt, found, s.Requests)
}

// What the server does not show counts as never sent only when it shows what
// was sent later; else a person decides.
func TestABatchInDoubtIsHeldWhenNothingProvesItsAbsence(t *testing.T) {
	t.Parallel()
	const find = "Batch_GetBatchStatusByMetadata"
	for name, c := range map[string]struct {
		faults  []emulator.Fault
		rows    int
		inDoubt int64
		reason  string
	}{
		"found": {[]emulator.Fault{{Operation: "Batch_SendBatch", Kind: emulator.FaultResetAfter, First: 1}}, 100, 0, ""},
		"absent, and nothing is sent later": {
			[]emulator.Fault{{Operation: "Batch_SendBatch", Kind: emulator.FaultResetBefore, First: 1}}, 100, 100, "none was accepted later",
		},
		"absent, and others are sent later": {
			[]emulator.Fault{{Operation: "Batch_SendBatch", Kind: emulator.FaultResetBefore, First: 1}}, 1000, 0, "",
		},
		"a server without the question": {
			[]emulator.Fault{
				{Operation: "Batch_SendBatch", Kind: emulator.FaultResetBefore, First: 1}, {Operation: find, Kind: emulator.FaultNotFound},
			}, 1000, 100, find + ": 404",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := emulator.Options{Faults: c.faults, Latency: 20 * time.Millisecond}
			w := newWorkbench(t, o, "limits: {requests: 20/s, in_flight: 1}", batchJob+"  batch_size: 100\n")
			w.edit("reconcile_after: 1s", "reconcile_after: 100ms")
			w.recipients("recipients.csv", c.rows)
			s, r := w.run("send")
			assert.EqualValues(t, c.inDoubt, s.InDoubt, r.stderr)
			assert.EqualValues(t, int64(c.rows)-c.inDoubt, s.Done)
			assertBatchesSettled(t, w, c.rows)
			for _, row := range w.query("select distinct error from results where state = 'in_doubt'") {
				assert.Contains(t, row["error"], c.reason)
			}
		})
	}
}

// Rows that are invalid, or were sent by an earlier run, are not in a call, and
// the others of their group are.
func TestAGroupIsSentWithoutTheRowsThatNeedNoCall(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", batchJob+"  batch_size: 3\n")
	w.write("recipients.csv", "phone,name\n"+number(1)+",Ada\n")
	s, r := w.run("send")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, 1, s.Done)

	w.write("recipients.csv", "phone,name\n"+number(0)+",Bo\n"+number(1)+",Ada\n0700 12,Cy\n"+number(3)+",${p1}\n"+number(4)+",Di\n"+number(5)+",Ed\n")
	s, r = w.run("send")
	assert.Equal(t, exitIncomplete, r.code)
	assert.EqualValues(t, 3, s.Done)
	assert.EqualValues(t, 1, s.Skipped)
	assert.EqualValues(t, 2, s.Invalid)
	assert.Equal(t, map[string]int{number(0): 1, number(1): 1, number(4): 1, number(5): 1}, sentTo(w))
	var sizes []int
	for _, b := range w.api.Batches() {
		sizes = append(sizes, b.Recipients)
	}
	assert.ElementsMatch(t, []int{1, 1, 2}, sizes)
	refs := w.query("select right(ref, 2) as at from results where key in ('" + number(4) + "', '" + number(5) + "') order by seq")
	assert.Equal(t, []map[string]any{{"at": ":0"}, {"at": ":1"}}, refs)
}
