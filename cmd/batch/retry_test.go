package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/pipeline"
)

// doneFrom says that the rows of some recipients are done.
func doneFrom(from, to int) pipeline.Commit {
	var c pipeline.Commit
	for i := from; i < to; i++ {
		c.Outcomes = append(c.Outcomes, pipeline.Outcome{Seq: int64(i - from), Key: number(i), State: pipeline.Done, FinishedAt: time.Now()})
	}
	c.Mark = int64(to - from)
	return c
}

// faulty refuses every fifth message and loses every seventh answer.
var faulty = []emulator.Fault{
	{Operation: "Messages_SendMessage", Kind: emulator.FaultNotFound, Every: 5},
	{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, Every: 7},
}

// partlyFailed is a workbench whose job ran with faults, which are over.
func partlyFailed(t *testing.T, rows int, o emulator.Options) (*workbench, summary) {
	t.Helper()
	o.Faults = faulty
	w := newWorkbench(t, o, "limits: {in_flight: 8}", holdJob)
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	require.NotZero(t, s.Failed)
	require.NotZero(t, s.InDoubt)
	require.EqualValues(t, rows, s.Done+s.Failed+s.InDoubt)
	require.NoError(t, w.api.SetFaults(nil))
	return w, s
}

// by returns the keys of the last run of send in a state.
func (w *workbench) by(state string) (keys []string) {
	w.t.Helper()
	runs := w.history("send")
	for _, row := range w.query("select key from results where state = '" + state + "' and run_id = '" + runs[len(runs)-1].ID + "' order by seq") {
		keys = append(keys, row["key"].(string))
	}
	return keys
}

func TestARetrySendsWhatFailedAndLeavesDoubtAlone(t *testing.T) {
	t.Parallel()
	const rows = 200
	w, first := partlyFailed(t, rows, emulator.Options{})
	failed, doubt := w.by("failed"), w.by("in_doubt")
	plain := w.batch("status", "send")
	assert.Contains(t, plain.stdout, "`batch retry send` sends what failed again")
	assert.Contains(t, plain.stdout, "`batch retry --in-doubt resend send` sends what may have arrived again, `--in-doubt done` keeps it as done")
	accepted := w.api.AcceptedCount()
	require.NoError(t, os.Remove(filepath.Join(w.dir, "recipients.csv")), "the rows are those that were taken down")

	r := w.batch("retry", "--json", "send")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, first.Failed, s.Done)
	assert.EqualValues(t, first.InDoubt, s.InDoubt, "listed still, and not sent")
	assert.EqualValues(t, s.Rows, s.settled())
	assert.EqualValues(t, s.Done+1, s.Requests, "and a look at the app's queue")
	assert.Equal(t, failed, w.by("done"))
	assert.Equal(t, doubt, w.by("in_doubt"))
	assert.Equal(t, accepted+len(failed), w.api.AcceptedCount())
	w.assertAllKnown("send")

	// Again: nothing failed, and the rows in doubt are not forgotten.
	r = w.batch("retry", "--json", "send")
	assert.Equal(t, exitIncomplete, r.code)
	s = r.summary(t)
	assert.Contains(t, s.Message, "nothing to retry: no row of run ")
	assert.Contains(t, s.Message, count(first.InDoubt)+" rows in doubt: `batch retry --in-doubt resend send` sends")
	assert.Zero(t, s.Rows)
	assert.Len(t, w.history("send"), 2, "no run began")

	w.recipients("recipients.csv", rows)
	s, _ = w.run("send")
	assert.EqualValues(t, rows, s.Skipped+s.InDoubt)
	assert.Equal(t, accepted+len(failed), w.api.AcceptedCount())
}

func TestRowsInDoubtAreResentOnRequest(t *testing.T) {
	t.Parallel()
	const rows = 150
	w, first := partlyFailed(t, rows, emulator.Options{})
	doubt := w.by("in_doubt")
	r := w.batch("retry", "--json", "--in-doubt", "resend", "send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, first.Failed+first.InDoubt, s.Done)
	assert.EqualValues(t, s.Rows, s.Done)
	to := map[string]int{}
	for _, a := range w.api.Accepted() {
		to["+"+a.Identity]++
	}
	for i := range rows {
		want := 1
		if slices.Contains(doubt, number(i)) {
			want = 2 // its answer was lost, and a double was asked for
		}
		assert.Equal(t, want, to[number(i)], number(i))
	}
	w.assertNothingLeft(rows)
}

// assertNothingLeft asserts that a further run skips every row and a retry has
// nothing to do.
func (w *workbench) assertNothingLeft(rows int) {
	w.t.Helper()
	accepted := w.api.AcceptedCount()
	r := w.batch("retry", "send")
	assert.Zero(w.t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Contains(w.t, r.stdout, "send: completed\n  nothing to retry: no row of run ")
	s, r := w.run("send")
	assert.Zero(w.t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(w.t, rows, s.Skipped)
	assert.Equal(w.t, accepted, w.api.AcceptedCount())
}

func TestRowsInDoubtAreDoneByAPersonsWord(t *testing.T) {
	t.Parallel()
	const rows = 150
	w, first := partlyFailed(t, rows, emulator.Options{})
	doubt, accepted := w.by("in_doubt"), w.api.AcceptedCount()
	r := w.batch("retry", "--json", "--in-doubt", "done", "send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, first.Failed+first.InDoubt, s.Done)
	assert.EqualValues(t, first.Failed+1, s.Requests, "for those in doubt no call is made; one looks at the app's queue")
	assert.Equal(t, accepted+int(first.Failed), w.api.AcceptedCount())
	said := w.query("select key, ref, attempts, error from results where run_id = '" + s.RunID + "' and error <> '' order by seq")
	require.Len(t, said, len(doubt))
	for i, row := range said {
		assert.Equal(t, doubt[i], row["key"])
		assert.Equal(t, "said to be done by hand on "+s.StartedAt.Format(time.DateOnly), row["error"])
		assert.Empty(t, row["ref"])
		assert.Zero(t, row["attempts"])
	}
	w.assertNothingLeft(rows)
}

func TestARetryKeepsColumnsAndLineNumbers(t *testing.T) {
	t.Parallel()
	w, _ := partlyFailed(t, 100, emulator.Options{})
	failed := w.by("failed")
	w.edit(`text: "Hi {{.name}}"`, `text: "{{if ne .phone \"`+failed[3]+`\"}}{{.name}}{{end}}"`)
	r := w.batch("retry", "--json", "send")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	require.EqualValues(t, 1, r.summary(t).Invalid)
	line := strings.Count(strings.Split(w.read("recipients.csv"), failed[3])[0], "\n") + 1
	out := w.batch("results", "--format", "csv", "--state", "invalid", "send").stdout
	assert.Contains(t, out, "phone,name,_state,_error\n")
	assert.Contains(t, out, "line "+count(int64(line))+": ")

	// What is invalid is mended in the input, so a retry has nothing to do with it.
	r = w.batch("retry", "--in-doubt", "done", "send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
}

func TestARetryThatIsKilledGoesOnWithRunAndWithRetry(t *testing.T) {
	t.Parallel()
	const rows = 1200
	w, first := partlyFailed(t, rows, emulator.Options{Latency: 50 * time.Millisecond})
	accepted := w.api.AcceptedCount()
	w.killed(accepted+20, "retry", "--in-doubt", "done", "send")
	r := w.batch("retry", "--in-doubt", "resend", "send")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.stdout, "was not begun with --in-doubt resend")
	w.killed(accepted+60, "retry", "send")
	w.killed(accepted+100, "run", "send")
	r = w.batch("retry", "--json", "send")
	s := r.summary(t)
	require.Equal(t, "completed", s.State, "%s%s", r.stdout, r.stderr)
	assert.True(t, s.Resumed)
	assert.Len(t, w.history("send"), 2)
	assert.EqualValues(t, first.Failed+first.InDoubt, s.Done+s.InDoubt)
	assert.EqualValues(t, s.Rows, s.settled())
	w.assertAllKnown("send")
}

func TestARetryIsRefusedWhereItWouldNotKnowItsRows(t *testing.T) {
	t.Parallel()
	w := slowSend(t, 200)
	s := w.batch("retry", "--json", "send").summary(t)
	assert.Equal(t, "job send never ran: there is nothing to retry, `batch run send` begins", s.Message)
	w.killed(20, "run", "send")
	r := w.batch("retry", "--json", "send")
	assert.Equal(t, exitUsage, r.code)
	s = r.summary(t)
	assert.Contains(t, s.Message, "is not finished")
	assert.Contains(t, s.Message, "of its 200 rows are left: `batch run send` finishes it, then `batch retry send` takes the rows that failed")

	w, _ = partlyFailed(t, 50, emulator.Options{})
	accepted := w.api.AcceptedCount()
	w.edit("key: phone", "key: name")
	r = w.batch("retry", "--json", "--in-doubt", "resend", "send")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.summary(t).Message, "has the key phone, and the job has the key name now")
	w.edit("key: name", "key: phone")
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "store/jobs/send/input")))
	r = w.batch("retry", "--json", "send")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.summary(t).Message, "is no longer kept; `batch run send` sends the rows that failed from the job's own input")
	assert.Equal(t, accepted, w.api.AcceptedCount())
}
