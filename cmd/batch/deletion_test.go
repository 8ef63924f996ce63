package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
)

const eraseJob = `
erase:
  kind: contact_delete
  from: {jsonl: contacts.jsonl}
  key: id
  contact: "{{.id}}"
`

// kindBench is a workbench with contacts, conversations and messages, whose
// calls are tried again soon.
func kindBench(t *testing.T, o emulator.Options, jobsYAML string) *workbench {
	t.Helper()
	o.Contacts, o.Conversations, o.Messages = max(o.Contacts, 100), max(o.Conversations, 20), max(o.Messages, 100)
	return newWorkbench(t, o, "limits: {in_flight: 4}\nretry: {attempts: 8, first: 2ms, max: 10ms}", jobsYAML)
}

// states counts the rows of the last run of a job by state.
func (w *workbench) states(job string) map[string]int {
	w.t.Helper()
	states := map[string]int{}
	for _, row := range w.queryHere("select state from results where job = '" + job + "' qualify run_id = max(run_id) over ()") {
		states[row["state"].(string)]++
	}
	return states
}

func TestADeletionOfWhatIsNotThereFailsUnlessTheJobSaysOtherwise(t *testing.T) {
	t.Parallel()
	for missing, want := range map[string]string{"": "failed", "  missing: done\n": "done"} {
		w := kindBench(t, emulator.Options{}, eraseJob+missing)
		w.seed("contacts", 10)
		w.erase(10)
		s, r := w.runHere("erase")
		assert.Equal(t, want == "failed", r.code == exitIncomplete, "%s%s", r.stdout, r.stderr)
		assert.EqualValues(t, 10, s.Done+s.Failed)
		assert.Equal(t, map[string]int{want: 10}, w.states("erase"))
	}
}

// erase deletes the first n contacts beside the job.
func (w *workbench) erase(n int) {
	w.t.Helper()
	remove, _ := client.LookUp("Contact_DeleteContact")
	api := w.client()
	for _, contact := range w.list("Contact_ListContacts", client.Call{})[:n] {
		_, err := api.Call(w.t.Context(), remove, client.Call{Params: map[string]string{"contact_id": contact.Get("id").Str}})
		require.NoError(w.t, err)
	}
}

// What was certainly not processed says nothing about a 404 that follows.
func TestADeletionThatIsTriedAgainIsOnlyDoneWhenItMayHaveHappened(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault   emulator.Fault
		deleted bool // by somebody else
		state   string
	}{
		{emulator.Fault{Kind: "503"}, true, "failed"},
		{emulator.Fault{Kind: "429", RetryAfter: "0"}, true, "failed"},
		{emulator.Fault{Kind: "503"}, false, "done"},
		{emulator.Fault{Kind: "500"}, false, "done"},
		{emulator.Fault{Kind: "500", Accepted: true}, false, "done"},
		{emulator.Fault{Kind: emulator.FaultResetAfter}, false, "done"},
	} {
		w := kindBench(t, emulator.Options{}, eraseJob)
		w.seed("contacts", 4)
		if c.deleted {
			w.erase(4)
		}
		c.fault.Operation, c.fault.First = "Contact_DeleteContact", 4
		require.NoError(t, w.api.SetFaults([]emulator.Fault{c.fault}))
		_, r := w.runHere("erase")
		assert.Equal(t, map[string]int{c.state: 4}, w.states("erase"), "%v %s", c.fault, r.stdout)
		assert.Len(t, w.ledger("Contact_DeleteContact"), 4)
	}
}

// Rows whose deletion was on the wire when the process died are known to be so:
// what is gone then was deleted by them. What was never sent is not.
func TestADeletionThatAKillCutOffIsDoneWhenItIsGone(t *testing.T) {
	t.Parallel()
	const rows = 60
	w := kindBench(t, emulator.Options{Latency: 200 * time.Millisecond}, eraseJob)
	w.seed("contacts", rows)
	w.killed(8, "run", "erase")
	require.Eventually(t, func() bool { return w.api.AcceptedCount()%4 == 0 }, 5*time.Second, 10*time.Millisecond)
	gone := map[string]bool{}
	for _, a := range w.ledger("Contact_DeleteContact") {
		gone[a.Get("contact_id").Str] = true
	}
	// Somebody else deletes one that was never sent: it fails.
	lines := strings.Split(strings.TrimSpace(w.read("contacts.jsonl")), "\n")
	last := gjson.Get(lines[rows-1], "id").Str
	require.False(t, gone[last])
	remove, _ := client.LookUp("Contact_DeleteContact")
	_, err := w.client().Call(t.Context(), remove, client.Call{Params: map[string]string{"contact_id": last}})
	require.NoError(t, err)

	s, r := w.runHere("erase")
	assert.True(t, s.Resumed)
	assert.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, map[string]int{"done": rows - 1, "failed": 1}, w.states("erase"))
	found := w.queryHere("select count(*) as n from results where http_status = 404 and state = 'done' and error like '%an earlier call%'")
	assert.NotEqual(t, float64(0), found[0]["n"], "some were on the wire when it died")
	assert.Len(t, w.ledger("Contact_DeleteContact"), rows)
}

func TestTheGuardEndsARunThatFindsNothingUnlessThatIsWhatIsWanted(t *testing.T) {
	t.Parallel()
	for missing, want := range map[string]string{"": "failed", "  missing: done\n": "completed"} {
		w := kindBench(t, emulator.Options{Contacts: 200}, eraseJob+missing)
		w.seed("contacts", 120)
		w.erase(120)
		s, r := w.runHere("erase")
		require.Equal(t, want, s.State, "%s%s", r.stdout, r.stderr)
		if want == "failed" {
			assert.Equal(t, exitFailed, r.code)
			assert.Contains(t, s.Message, "were answered 404")
			assert.Less(t, s.Failed, int64(120))
		} else {
			assert.EqualValues(t, 120, s.Done)
		}
	}
}

// Rows that may be done again without harm are never left in doubt by a restart.
func TestARestartOfAKindThatIsIdempotentLeavesNothingInDoubt(t *testing.T) {
	t.Parallel()
	const rows = 20
	w := kindBench(t, emulator.Options{Latency: 200 * time.Millisecond}, `
stop:
  kind: conversation_stop
  from: {jsonl: conversations.jsonl}
  key: id
  conversation: "{{.id}}"
`)
	w.seed("conversations", rows)
	w.killed(4, "run", "stop")
	r := w.here("run", "--json", "--restart", "stop")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, rows, s.Done+s.Skipped)
	assert.Zero(t, s.InDoubt)
}

func TestAMergeWhoseAnswerIsLostIsFoundByTheContactThatIsGone(t *testing.T) {
	t.Parallel()
	const rows = 12
	w := kindBench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: "Contact_MergeContact", Kind: emulator.FaultResetAfter, First: 2},
		{Operation: "Contact_MergeContact", Kind: emulator.FaultResetBefore, First: 2},
		{Operation: "Contact_MergeContact", Kind: "500", First: 2},
	}}, `
merge:
  kind: contact_merge
  from: {jsonl: contacts.jsonl}
  key: id
  into: "{{.other}}"
  contact: "{{.id}}"
  reconcile_after: 50ms
`)
	w.seed("contacts", rows)
	s, r := w.runHere("merge")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done)
	into := map[string]string{}
	for _, a := range w.ledger("Contact_MergeContact") {
		assert.Empty(t, into[a.Get("source_id").Str], "merged twice")
		into[a.Get("source_id").Str] = a.Get("contact_id").Str
	}
	assert.Len(t, into, rows)
	for _, row := range w.queryHere("select key, ref from results where job = 'merge'") {
		assert.Equal(t, into[row["key"].(string)], row["ref"], "the contact that stays")
	}
}

// Where both contacts are gone it was not the merge that took them.
func TestAMergeOfWhichNothingIsLeftStaysInDoubt(t *testing.T) {
	t.Parallel()
	w := kindBench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: "Contact_MergeContact", Kind: emulator.FaultResetBefore},
		{Operation: "Contact_GetContact", Kind: emulator.FaultNotFound},
	}}, `
merge:
  kind: contact_merge
  from: {jsonl: contacts.jsonl}
  key: id
  into: "{{.other}}"
  contact: "{{.id}}"
  reconcile_after: 10ms
`)
	w.seed("contacts", 3)
	_, r := w.runHere("merge")
	assert.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, map[string]int{"in_doubt": 3}, w.states("merge"))
	assert.Contains(t, w.queryHere("select error from results")[0]["error"], "neither of the contacts is there")
}
