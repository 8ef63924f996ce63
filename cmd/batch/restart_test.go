package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/sinks"
)

// killed begins to send and is killed once so many messages are accepted.
func (w *workbench) killed(accepted int, args ...string) {
	w.t.Helper()
	p := w.start(args...)
	w.accepts(accepted)
	require.NoError(w.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	require.Equal(w.t, -1, p.cmd.ProcessState.ExitCode(), "it was over before it was killed: %s%s", &p.out, &p.errors)
}

// history returns the runs of a job as runs.json has them, the oldest first.
func (w *workbench) history(job string) (runs []sinks.Run) {
	w.t.Helper()
	require.NoError(w.t, json.Unmarshal([]byte(w.read(filepath.Join("store/jobs", job, "runs.json"))), &runs))
	return runs
}

// assertAllKnown asserts that of every message accepted the job knows that it
// was or may have been, that none was accepted twice, and that what is done was
// accepted.
func (w *workbench) assertAllKnown(job string) {
	w.t.Helper()
	assertOnce(w.t, w)
	known, done := map[string]bool{}, map[string]string{}
	for _, row := range w.query("select key, state, ref from results where job = '" + job + "' and state in ('done', 'in_doubt')") {
		known[row["key"].(string)] = true
		if row["state"] == "done" && row["ref"] != "" {
			done[row["key"].(string)] = row["ref"].(string)
		}
	}
	for _, a := range w.api.Accepted() {
		key := "+" + a.Identity
		assert.True(w.t, known[key], "%s was accepted, and the job does not know it", key)
		if ref, ok := done[key]; ok {
			assert.Equal(w.t, a.MessageID, ref)
		}
		delete(done, key)
	}
	assert.Empty(w.t, done, "done and never accepted")
}

// slowSend is a run that can be killed in the middle.
func slowSend(t *testing.T, rows int) *workbench {
	w := newWorkbench(t, emulator.Options{Latency: 200 * time.Millisecond}, "limits: {in_flight: 16}", holdJob)
	w.recipients("recipients.csv", rows)
	return w
}

func TestARestartRepeatsNothingAndListsWhatIsInDoubt(t *testing.T) {
	t.Parallel()
	const before, rows = 400, 420
	w := slowSend(t, before)
	w.killed(40, "run", "send")
	w.edit(`text: "Hi {{.name}}"`, `text: "Dear {{.name}}"`)
	w.recipients("recipients.csv", rows)

	s, r := w.run("send")
	require.Equal(t, exitUsage, r.code, "%s%s", r.stdout, r.stderr)
	for _, part := range []string{"job send: the request changed since run ", "`batch run --resume send` sends these as the job is now", "`batch run --restart send` gives the run up"} {
		assert.Contains(t, s.Message, part)
	}
	assert.NotContains(t, s.Message, "the app")
	assert.NotContains(t, s.Message, "the key")

	r = w.batch("run", "--json", "--restart", "send")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	s = r.summary(t)
	assert.Equal(t, "completed", s.State)
	assert.False(t, s.Resumed)
	assert.EqualValues(t, rows, s.Rows)
	assert.EqualValues(t, rows, s.Done+s.InDoubt+s.Skipped)
	assert.NotZero(t, s.InDoubt)
	assert.NotZero(t, s.Skipped, "what was done in the run before")
	w.assertAllKnown("send")
	for _, a := range w.api.Accepted()[w.api.AcceptedCount()-int(s.Done):] {
		assert.Contains(t, a.Text, "Dear ", "the job as it is now")
	}

	runs := w.history("send")
	require.Len(t, runs, 2)
	old := runs[0]
	assert.Equal(t, sinks.Interrupted, old.State)
	assert.Contains(t, old.Message, "given up by `batch run --restart`; rows that may have been sent and are in doubt: "+count(s.InDoubt)+", not sent: ")
	assert.Equal(t, s.InDoubt, old.InDoubt)
	assert.Equal(t, s.Skipped, old.Done)
	doubt := w.query("select key, error from results where run_id = '" + old.ID + "' and state = 'in_doubt'")
	require.Len(t, doubt, int(s.InDoubt))
	for _, row := range doubt {
		assert.Contains(t, row["error"], "its run was given up")
		assert.Contains(t, w.batch("results", "--format", "csv", "--state", "in_doubt", "send").stdout, row["key"])
	}

	s, _ = w.run("send")
	assert.EqualValues(t, rows, s.Skipped+s.InDoubt, "nothing is left to send")
}

func TestARestartOfARunThatWasStoppedInOrderHasNothingInDoubt(t *testing.T) {
	t.Parallel()
	const rows = 200
	w := slowSend(t, rows)
	p := w.start("run", "send")
	w.accepts(30)
	p.signal(os.Interrupt)
	require.Equal(t, exitSIGINT, p.end(20*time.Second).code)
	r := w.batch("run", "--json", "--restart", "send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, rows, s.Done+s.Skipped)
	w.assertAcceptedOnce(rows)
}

func TestARunThatFailedIsGivenUpWithItsReason(t *testing.T) {
	t.Parallel()
	const rows = 100
	fault := emulator.Fault{Operation: "Messages_SendMessage", Kind: emulator.FaultNotFound, Every: 2}
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{fault}}, "", holdJob+"  stop_after: 5\n")
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	require.Contains(t, s.Message, "5 rows failed, which is the stop_after")
	require.NoError(t, w.api.SetFaults(nil))
	r = w.batch("run", "--json", "--restart", "send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, r.summary(t).Done+r.summary(t).Skipped, "what failed is sent again")
	old := w.history("send")[0]
	assert.Contains(t, old.Message, "in doubt: 0, not sent: ")
	assert.Contains(t, old.Message, "; it had failed: "+s.Message)
	w.assertAcceptedOnce(rows)
}

// Wherever a process dies on the way from one run to the next, and however
// often: nothing is sent twice, and nothing that may have been sent is forgotten.
func TestKillsDuringARestartRepeatNothing(t *testing.T) {
	t.Parallel()
	const rows = 4000
	w := newWorkbench(t, emulator.Options{Latency: 20 * time.Millisecond}, "limits: {requests: 300/s, in_flight: 32}", holdJob)
	w.recipients("recipients.csv", rows)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	for life := range 25 {
		p := w.start("run", "--restart", "send")
		if life%5 == 4 { // however slow the machine, some begin a run; they send more than the one before had on the wire
			w.accepts(w.api.AcceptedCount() + 33)
		} else {
			time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond) // the moment of death is what is random here
		}
		p.signal(os.Kill)
		_ = p.cmd.Wait()
	}
	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, "completed", s.State)
	assert.EqualValues(t, rows, s.Rows)
	assert.EqualValues(t, rows, s.Done+s.InDoubt+s.Skipped)
	w.assertAllKnown("send")
	given := 0
	for _, run := range w.history("send") {
		if noteOf(run).GivenUp {
			given++
		}
	}
	t.Logf("%d runs were given up, %d rows are in doubt", given, s.InDoubt)
	assert.NotZero(t, given)
}

// When the new run does not come about after the old one was given up, the old
// one is not taken up again.
func TestARunThatWasGivenUpIsNotResumed(t *testing.T) {
	t.Parallel()
	w := slowSend(t, 200)
	w.killed(30, "run", "send")
	w.recipients("recipients.csv", 150)
	w.write("store/jobs/send/results/damaged.parquet", "no parquet") // read once the old run is given up
	r := w.batch("run", "--restart", "send")
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "store/jobs/send/results/damaged.parquet")))
	old := w.history("send")[0]
	require.True(t, noteOf(old).GivenUp)
	assert.NotContains(t, w.batch("status", "send").stdout, "resumes it")
	r = w.batch("retry", "send")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.stdout, "run "+old.ID+" was given up, and none took its place: `batch run send` begins one")
	assert.Contains(t, w.batch("plan", "send").stdout, "  150 rows: ")

	s, r := w.run("send")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.False(t, s.Resumed)
	assert.NotEqual(t, old.ID, s.RunID)
	assert.EqualValues(t, 150, s.Rows)
	assert.Equal(t, old.InDoubt, s.InDoubt)
	w.assertAllKnown("send")
}

// What is wrong with the new input is found before the old run is given up.
func TestARestartThatCanNotBeginLeavesTheRunAsItWas(t *testing.T) {
	t.Parallel()
	const rows = 200
	w := slowSend(t, rows)
	w.killed(30, "run", "send")
	w.write("recipients.csv", "phone,nom\n+46700000001,Ada\n")
	r := w.batch("run", "--restart", "send")
	require.Equal(t, exitUsage, r.code, "%s%s", r.stdout, r.stderr)
	assert.Contains(t, r.stdout, `the input has no column "name"`)
	runs := w.history("send")
	require.Len(t, runs, 1)
	assert.Empty(t, runs[0].Message)
	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, rows, s.Done+s.InDoubt)
	w.assertAllKnown("send")
}

func TestAnArchiveIsRestartedFromTheLastCompletedRun(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Messages: 20_000, Conversations: 200, Latency: 20 * time.Millisecond}, "limits: {requests: 40/s}", archiveJob)
	w.api.AddMessages(3000, time.Now().Add(-90*24*time.Hour)) // before `since`
	p := w.start("run", "archive")
	require.Eventually(t, func() bool { return len(w.api.Requests()) > 10 }, 20*time.Second, 5*time.Millisecond)
	p.signal(os.Kill)
	_ = p.cmd.Wait()
	r := w.batch("run", "--json", "--restart", "archive")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.False(t, s.Resumed)
	assert.EqualValues(t, s.Rows, s.settled())
	runs := w.history("archive")
	require.Len(t, runs, 2)
	assert.Equal(t, sinks.Interrupted, runs[0].State)
	assert.Equal(t, "given up by `batch run --restart`", runs[0].Message)
	w.api.AddMessages(20, time.Now().Add(-5*time.Second))
	s, r = w.run("archive")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 20, s.Records, "it goes on from the run that was completed")
	ids := w.query("select count(*) as n, count(distinct id) as ids from messages")
	assert.EqualValues(t, 20_020, ids[0]["n"])
	assert.EqualValues(t, 20_020, ids[0]["ids"])
}

func TestTheRefusalNamesWhatChanged(t *testing.T) {
	t.Parallel()
	w := slowSend(t, 200)
	w.write("recipients.csv", strings.ReplaceAll(strings.Replace(w.read("recipients.csv"), "phone,name", "phone,id,name", 1), ",Guest ", ",7,Guest "))
	w.killed(20, "run", "send")
	app := w.api.Info().App
	good := w.read("jobs.yaml")
	for _, c := range []struct{ from, to, want string }{
		{`text: "Hi`, `text: "Ho`, "the request changed since"},
		{"key: phone", "key: id", "the key (phone then, id now) changed since"},
		{"app: " + app, "app: OTHER", "the app (" + app + " then, OTHER now) changed since"}, // which is in the request, too
	} {
		w.edit(c.from, c.to)
		s, r := w.run("send")
		assert.Equal(t, exitUsage, r.code)
		assert.Contains(t, s.Message, c.want)
		w.write("jobs.yaml", good)
	}
}

// Rows whose outcomes a full disk kept from their place are done all the same.
func TestWhatIsDoneIsDoneWhenItsResultsWereNotPublished(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 50)
	_, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	w.recipients("recipients.csv", 60)

	// A run of the ten new rows that could not move its outcomes when it ended.
	store, err := sinks.OpenStore(filepath.Join(w.dir, "store"))
	require.NoError(t, err)
	ledger, err := store.Ledger(t.Context(), "send")
	require.NoError(t, err)
	run := sinks.Run{Job: "send", ID: "Z", Kind: "bulk_send", StartedAt: time.Now(), Rows: 10, Input: "input/Z.parquet"}
	require.NoError(t, ledger.Begin(t.Context(), run, nil))
	require.NoError(t, ledger.Sink("Z", nil).Commit(t.Context(), doneFrom(50, 60)))
	staging := filepath.Join(w.dir, "store/jobs/send/staging")
	require.NoError(t, os.Rename(staging, staging+".away"))
	run.State = sinks.Completed
	_, err = ledger.Finish(t.Context(), run)
	require.Error(t, err)
	require.NoError(t, os.Rename(staging+".away", staging))
	require.NoError(t, ledger.Close())

	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 60, s.Skipped)
	assert.Equal(t, 50, w.api.AcceptedCount())
}
