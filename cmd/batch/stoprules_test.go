package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// A run that would only do harm ends by itself and says why. What it has not
// sent is pending: with the cause mended the same command completes it, and one
// more sends what had failed, nothing twice.
func TestARunThatWouldOnlyDoHarmEndsAndTheSameCommandCompletesIt(t *testing.T) {
	t.Parallel()
	const rows = 600
	sends := func(kind string) emulator.Fault {
		return emulator.Fault{Operation: "Messages_SendMessage", Kind: kind, After: 100}
	}
	oneInFour := sends(emulator.FaultNotFound)
	oneInFour.Every = 4
	for name, c := range map[string]struct {
		settings string
		fault    emulator.Fault
		says     string
		failed   int64 // as many at least, and few more for what was in flight
		inDoubt  int64
	}{
		"a share of rows failed": {"  stop_after: 5%", oneInFour,
			"30 rows failed, which is the stop_after of 5%; what is left stays for the next run; the last error: Messages_SendMessage: 404 ", 30, 0},
		"a number of rows failed": {"  stop_after: 12", oneInFour,
			"12 rows failed, which is the stop_after of 12; what is left stays for the next run; the last error: Messages_SendMessage: 404 ", 12, 0},
		"the key is revoked": {"", sends(emulator.FaultUnauthorized),
			"Messages_SendMessage: 401 UNAUTHENTICATED: Unauthorized. The API refuses the credentials: check api.key_id (SINCH_KEY_ID)", 0, 0},
		"the account has no credit": {"", sends(emulator.FaultBilling),
			"The project is blocked for lack of credit: top up the account, then run again.", 0, 0},
		"the API is too busy": {"", sends("503"),
			"the API does not answer: 50 calls one after another, of 25 rows, brought no answer or a server error; what is left stays for the next run; the last error: Messages_SendMessage: 503 ", 25, 0},
		"the API breaks every connection": {"", sends(emulator.FaultResetBefore),
			"the API does not answer: 50 calls one after another, of 50 rows, brought no answer or a server error; what is left stays for the next run; the last error: Messages_SendMessage: the connection broke ", 0, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const flight = 8
			o := emulator.Options{Latency: 5 * time.Millisecond, Faults: []emulator.Fault{c.fault}}
			w := newWorkbench(t, o, fmt.Sprintf("limits: {in_flight: %d}\n%s", flight, quickRetry), holdJob+c.settings)
			w.recipients("recipients.csv", rows)
			ended, r := w.run("send")
			require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
			assert.Equal(t, "failed", ended.State)
			assert.Contains(t, ended.Message, c.says)
			assert.InDelta(t, c.failed, ended.Failed, 2*flight)
			assert.InDelta(t, c.inDoubt, ended.InDoubt, 2*flight)
			assert.EqualValues(t, w.api.AcceptedCount(), ended.Done)
			assert.Less(t, ended.settled(), int64(rows), "what was not sent is pending")
			assert.Contains(t, w.batch("status", "send").stdout, "`batch run send` goes on with what is left")

			require.NoError(t, w.api.SetFaults(nil))
			done, r := w.run("send")
			assert.Equal(t, "completed", done.State, r.stdout)
			assert.True(t, done.Resumed)
			assert.Equal(t, ended.RunID, done.RunID)
			assert.Equal(t, ended.Failed, done.Failed)
			assert.Equal(t, ended.InDoubt, done.InDoubt)
			assert.EqualValues(t, rows, done.settled())
			again, _ := w.run("send")
			assert.Equal(t, ended.Failed, again.Done, "what failed is sent by the run after")
			w.assertAcceptedOnce(rows - int(ended.InDoubt))
		})
	}
}

// What is refused after a resume is not said to be the first of all rows.
func TestWhatIsRefusedAfterAResumeIsSaidAsItIs(t *testing.T) {
	t.Parallel()
	const rows = 300
	w := newWorkbench(t, emulator.Options{Latency: 20 * time.Millisecond}, "limits: {in_flight: 4}\n"+quickRetry, holdJob)
	w.recipients("recipients.csv", rows)
	p := w.start("run", "send")
	w.accepts(20)
	p.signal(os.Interrupt)
	require.Equal(t, 130, p.end(20*time.Second).code)
	sent := w.api.AcceptedCount()
	require.NoError(t, w.api.SetFaults([]emulator.Fault{{Operation: "Messages_SendMessage", Kind: emulator.FaultForbidden}}))
	s, r := w.run("send")
	assert.Equal(t, exitFailed, r.code)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, sent, s.Done)
	assert.Contains(t, s.Message, "50 rows one after another were forbidden (403): does the key belong to this project?")
}

// Who runs again what stop_after had ended allows as many failed rows once more.
func TestWhatStopAfterEndedIsNotEndedByTheNextFailedRow(t *testing.T) {
	t.Parallel()
	const rows = 400
	refuse := func(every int) []emulator.Fault {
		return []emulator.Fault{{Operation: "Messages_SendMessage", Kind: emulator.FaultNotFound, Every: every}}
	}
	w := newWorkbench(t, emulator.Options{Faults: refuse(2)}, "limits: {in_flight: 2}\n"+quickRetry, holdJob+"  stop_after: 10\n")
	w.recipients("recipients.csv", rows)
	s, r := w.run("send")
	require.Equal(t, exitFailed, r.code, r.stdout)
	before := s.Failed
	require.NoError(t, w.api.SetFaults(refuse(50)))
	s, r = w.run("send")
	require.Equal(t, exitIncomplete, r.code, r.stdout)
	assert.Equal(t, "completed", s.State)
	assert.Greater(t, s.Failed, before)
	assert.EqualValues(t, rows, s.Done+s.Failed)
}

func TestARunOutsideOfItsHoursSaysWhatItWaitsForAndStopsAtOnce(t *testing.T) {
	t.Parallel()
	const rows = 30
	opens := time.Now().UTC().Add(2 * time.Hour).Truncate(time.Minute)
	hours := fmt.Sprintf("hours: {from: %q, to: %q, zone: UTC}", opens.Format("15:04"), opens.Add(2*time.Hour).Format("15:04"))
	w := newWorkbench(t, emulator.Options{}, "", sendJob+"  "+hours)
	w.recipients("recipients.csv", rows)
	p := w.start("--log-level", "info", "run", "--json", "send")
	var says string
	require.Eventually(t, func() bool {
		says = w.batch("status", "send").stdout
		return strings.Contains(says, "waits until")
	}, 20*time.Second, 50*time.Millisecond, "%s", &p.errors)
	assert.Contains(t, says, "send: 0 of 30 rows, ")
	assert.Contains(t, says, "waits until "+opens.Format(time.RFC3339)+": outside of hours (process ")

	began := time.Now()
	p.signal(syscall.SIGTERM)
	r := p.end(10 * time.Second)
	assert.Equal(t, 143, r.code)
	assert.Less(t, time.Since(began), 5*time.Second)
	assert.Regexp(t, `^time=\S+ level=INFO msg="sending waits" job=send why="outside of hours" until=\S+\nbatch: terminated: calls in flight may finish`, r.stderr)
	assert.Zero(t, r.summary(t).settled(), "every row is pending")
	assert.Zero(t, w.api.AcceptedCount())

	w.edit(hours, "app_queue: ignore")
	s, r := w.run("send")
	require.Zero(t, r.code, r.stdout)
	assert.EqualValues(t, rows, s.Done)
	w.assertAcceptedOnce(rows)
}
