package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

// reconcilingJob looks for rows in doubt soon: the emulator's lists show a
// message at once unless they are told to lag.
const reconcilingJob = sendJob + "\n  reconcile_after: 1s\n"

// assertSentOnce compares the results of the job send with what the server
// accepted: each row once, done, with the id that the API gave it.
func assertSentOnce(t *testing.T, w *workbench, rows int) {
	t.Helper()
	accepted := map[string]string{}
	for _, a := range w.api.Accepted() {
		_, twice := accepted["+"+a.Identity]
		require.False(t, twice, "%s was sent twice", a.Identity)
		accepted["+"+a.Identity] = a.MessageID
	}
	assert.Len(t, accepted, rows)
	results := w.query("select key, state, ref, error from results where job = 'send' qualify run_id = max(run_id) over ()")
	assert.Len(t, results, rows)
	for _, row := range results {
		key := row["key"].(string)
		require.Equal(t, "done", row["state"], "%s: %s", key, row["error"])
		require.Equal(t, accepted[key], row["ref"], "the id that the API gave to %s", key)
	}
}

// lostAnswers lose a share of the answers, before and after the call took
// effect, in every way there is.
func lostAnswers(share float64) []emulator.Fault {
	var faults []emulator.Fault
	for _, f := range []emulator.Fault{
		{Kind: emulator.FaultResetAfter}, {Kind: emulator.FaultResetBefore}, {Kind: emulator.FaultTruncate},
		{Kind: "500", Accepted: true}, {Kind: "502"}, {Kind: "504", Accepted: true},
		{Kind: emulator.FaultHTML, Accepted: true}, {Kind: emulator.FaultEmpty},
		{Kind: emulator.FaultDelayAfter, Delay: emulator.Duration(3 * time.Second)},
	} {
		f.Operation, f.Rate = "Messages_SendMessage", share/9
		faults = append(faults, f)
	}
	return faults
}

func TestWithFivePercentOfAnswersLostEveryRowIsSentOnce(t *testing.T) {
	t.Parallel()
	const rows = 8000
	o := emulator.Options{Faults: lostAnswers(0.05), ListDelay: 300 * time.Millisecond, Latency: time.Millisecond}
	w := newWorkbench(t, o, "retry: {attempts: 8, first: 5ms, max: 20ms}\nlimits: {requests: 3000/s, in_flight: 64}", reconcilingJob)
	w.edit("key_secret: ${TEST_SECRET}", "key_secret: ${TEST_SECRET}\n  timeout: 1s")
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done)
	assert.Zero(t, s.InDoubt)
	assertSentOnce(t, w, rows)
	found := w.query("select count(*) as n from results where state = 'done' and http_status = 0")[0]["n"]
	assert.NotZero(t, found, "some were found by their key")
	t.Logf("%d rows, %d requests, %v found again, in %.1f s", rows, s.Requests, found, s.ElapsedS)
}

func TestRowsInDoubtAreSettledAfterKills(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]emulator.Options{
		"windows":       {},
		"conversations": {Profile: emulator.ProfileOld},
		"dispatch":      {Mode: emulator.ModeDispatch, DispatchRetentionDays: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := 2500
			if o.Profile == emulator.ProfileOld {
				rows = 600 // each has a conversation that has to be read
			}
			o.Latency, o.Faults = 5*time.Millisecond, lostAnswers(0.05)
			w := newWorkbench(t, o, "limits: {requests: 500/s, in_flight: 32}", reconcilingJob)
			w.edit("key_secret: ${TEST_SECRET}", "key_secret: ${TEST_SECRET}\n  timeout: 1s")
			w.recipients("recipients.csv", rows)
			w.killing("send", rows/300, uint64(time.Now().UnixNano()), 900*time.Millisecond)
			s, r := w.run("send")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, rows, s.Done)
			assertSentOnce(t, w, rows)
		})
	}
}

func TestAListThatLagsBehindItsTimeDoesNotMakeADouble(t *testing.T) {
	t.Parallel()
	const rows = 3000
	o := emulator.Options{Faults: lostAnswers(0.05), ListDelay: 5 * time.Second, Latency: time.Millisecond}
	w := newWorkbench(t, o, "limits: {requests: 300/s, in_flight: 32}", reconcilingJob)
	w.edit("key_secret: ${TEST_SECRET}", "key_secret: ${TEST_SECRET}\n  timeout: 1s")
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done+s.InDoubt)
	seen := map[string]bool{}
	for _, a := range w.api.Accepted() {
		require.False(t, seen[a.Identity], "%s was sent twice", a.Identity)
		seen[a.Identity] = true
	}
	t.Logf("done %d, in doubt %d", s.Done, s.InDoubt)
}

func TestAnAppThatStoresNothingLeavesRowsInDoubt(t *testing.T) {
	t.Parallel()
	o := emulator.Options{Mode: emulator.ModeDispatch, Faults: []emulator.Fault{
		{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, Every: 10},
	}}
	w := newWorkbench(t, o, "", reconcilingJob)
	w.recipients("recipients.csv", 100)
	s, r := w.run("send")
	assert.Equal(t, exitIncomplete, r.code)
	assert.EqualValues(t, 10, s.InDoubt)
	assert.Equal(t, 100, w.api.AcceptedCount())
	assert.Contains(t, r.stderr, "stores no messages")
}

func TestTheUsersOwnMetadataArrivesAndTheRowIsFoundAllTheSame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request, metadata, correlation string
		profile                        string
	}{
		"both free":        {"", "batch:send:+46700000003", "", ""},
		"metadata is used": {"message_metadata: \"order 7\"", "order 7", "batch:send:+46700000003", ""},
		"metadata is used on an older server": {
			"message_metadata: \"order 7\"", "order 7 batch:send:+46700000003", "", emulator.ProfileOld,
		},
		"both are used": {
			"message_metadata: \"order 7\"\n    correlation_id: mine", "order 7 batch:send:+46700000003", "mine", "",
		},
		"both are used, metadata is an object": {
			"message_metadata: '{\"order\": 7}'\n    correlation_id: mine",
			`{"order": 7,"batch_key":"batch:send:+46700000003"}`, "mine", "",
		},
		"dispatch only": {
			"message_metadata: \"order 7\"\n    processing_strategy: DISPATCH_ONLY", "order 7 batch:send:+46700000003", "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 40
			o := emulator.Options{Profile: c.profile, DispatchRetentionDays: 1, Faults: []emulator.Fault{
				{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, Every: 4},
				{Operation: "Messages_SendMessage", Kind: "500", Every: 5},
			}}
			job := reconcilingJob
			if c.request != "" {
				job = fmt.Sprintf("%s    %s\n  reconcile_after: 1s\n", sendJob, c.request)
			}
			w := newWorkbench(t, o, "", job)
			w.recipients("recipients.csv", rows)
			s, r := w.run("send")
			require.Zero(t, r.code, "%s%s%v", r.stdout, r.stderr, w.later("select key, error from results where state <> 'done' limit 3"))
			assert.EqualValues(t, rows, s.Done)
			assertSentOnce(t, w, rows)
			for _, a := range w.api.Accepted() {
				if "+"+a.Identity == number(3) {
					assert.Equal(t, c.metadata, gjson.Get(a.Body, "message_metadata").String())
					assert.Equal(t, c.correlation, gjson.Get(a.Body, "correlation_id").String())
				}
			}
		})
	}
}

func TestMixedFaultsThatMayBeRetriedCostFewRequestsAndNoRow(t *testing.T) {
	t.Parallel()
	const rows = 4000
	faults := lostAnswers(0.12)
	for _, f := range []emulator.Fault{{Kind: "503"}, {Kind: "429", RetryAfter: "0"}, {Kind: "503", RetryAfter: "0"}} {
		f.Operation, f.Rate = "Messages_SendMessage", 0.18/3
		faults = append(faults, f)
	}
	w := newWorkbench(t, emulator.Options{Faults: faults}, "retry: {attempts: 8, first: 5ms, max: 20ms}\nlimits: {requests: 3000/s, in_flight: 64}", reconcilingJob)
	w.edit("key_secret: ${TEST_SECRET}", "key_secret: ${TEST_SECRET}\n  timeout: 1s")
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done)
	assertSentOnce(t, w, rows)
	assert.LessOrEqual(t, float64(s.Requests), 1.6*rows)
	t.Logf("%d rows, %d requests", rows, s.Requests)
}

// What was sent with one request is not looked for with another, which may
// carry the key elsewhere.
func TestRowsOfAnotherRequestAreHeld(t *testing.T) {
	t.Parallel()
	const rows = 1000
	w := newWorkbench(t, emulator.Options{Latency: 300 * time.Millisecond}, "limits: {requests: 500/s, in_flight: 64}", reconcilingJob)
	w.recipients("recipients.csv", rows)
	cmd := w.command("run", "send")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return w.api.AcceptedCount() > 100 }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	w.edit(`text: "Hi`, `text: "Hello`)
	r := w.batch("run", "send")
	assert.Equal(t, exitUsage, r.code)
	r = w.batch("run", "--limit", "5", "send")
	assert.Equal(t, exitUsage, r.code)
	r = w.batch("run", "--json", "--resume", "send")
	assert.Equal(t, exitIncomplete, r.code, r.stderr)
	inDoubt := w.query("select count(*) as n, min(error) as error from results where state = 'in_doubt'")[0]
	assert.NotZero(t, inDoubt["n"])
	assert.Contains(t, inDoubt["error"], "it is not known when it was sent")
	seen := map[string]bool{}
	for _, a := range w.api.Accepted() {
		require.False(t, seen[a.Identity], "%s was sent twice", a.Identity)
		seen[a.Identity] = true
	}
}

func TestThePlanSaysWhichRowsCouldNotBeFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob+"    message_metadata: \"{{.name}}\"\n    correlation_id: mine\n")
	w.write("recipients.csv", "phone,name\n"+number(1)+",short\n"+number(2)+","+strings.Repeat("x", 1010)+"\n")
	r := w.batch("plan", "send")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stdout, "1 row could not be looked for: such a row stays in doubt if its answer is lost")
	assert.Contains(t, r.stdout, `"message_metadata":"short batch:send:+46700000001"`)
}
