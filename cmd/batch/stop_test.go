package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// process is a process of batch under way.
type process struct {
	w           *workbench
	cmd         *exec.Cmd
	out, errors safeBuffer
}

// safeBuffer is written by a process while a test reads it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (w *workbench) start(args ...string) *process {
	w.t.Helper()
	p := &process{w: w, cmd: w.command(args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errors
	require.NoError(w.t, p.cmd.Start())
	w.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

func (p *process) signal(s os.Signal) {
	p.w.t.Helper()
	require.NoError(p.w.t, p.cmd.Process.Signal(s), "the process is over: %s%s", &p.out, &p.errors)
}

// end waits for the process, which has that long.
func (p *process) end(longest time.Duration) result {
	p.w.t.Helper()
	late := time.AfterFunc(longest, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	_ = p.cmd.Wait() // the exit code says it
	require.NotEqual(p.w.t, -1, p.cmd.ProcessState.ExitCode(), "it did not end within %s: %s%s", longest, &p.out, &p.errors)
	return result{p.cmd.ProcessState.ExitCode(), p.out.String(), p.errors.String()}
}

// accepts waits until the emulator has accepted n messages.
func (w *workbench) accepts(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.api.AcceptedCount() >= n }, 30*time.Second, 5*time.Millisecond)
}

// assertAcceptedOnce checks that the emulator accepted so many messages, no two to one number.
func (w *workbench) assertAcceptedOnce(n int) {
	w.t.Helper()
	to := map[string]int{}
	for _, a := range w.api.Accepted() {
		to[a.Identity]++
		assert.Equal(w.t, 1, to[a.Identity], "sends to %s", a.Identity)
	}
	assert.Len(w.t, to, n, "numbers that were sent to")
}

func TestASignalLetsCallsInFlightFinishAndTheSameCommandResumes(t *testing.T) {
	t.Parallel()
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			const rows = 300
			w := newWorkbench(t, emulator.Options{Latency: 100 * time.Millisecond}, "limits: {requests: 200/s, in_flight: 16}", sendJob).asTested()
			w.recipients("recipients.csv", rows)
			p := w.start("run", "--json", "send")
			w.accepts(40)
			p.signal(sig)
			r := p.end(20 * time.Second)

			require.Equal(t, code, r.code, r.stderr)
			assert.Equal(t, "batch: "+sig.String()+": calls in flight may finish (30 s at most); again to end at once\n", r.stderr)
			s := r.summary(t)
			assert.Equal(t, "interrupted", s.State)
			assert.Equal(t, "stopped; the same command resumes", s.Message)
			assert.EqualValues(t, rows, s.Rows)
			assert.EqualValues(t, w.api.AcceptedCount(), s.Done, "calls in flight finished and were kept")
			assert.EqualValues(t, s.Done, s.settled(), "nothing is in doubt")
			assert.Less(t, s.Done, int64(rows))
			assert.Contains(t, w.batch("status", "send").stdout, "`batch run send` resumes it")

			again, r := w.run("send")
			require.Zero(t, r.code, r.stdout)
			assert.True(t, again.Resumed)
			assert.Equal(t, s.RunID, again.RunID)
			assert.EqualValues(t, rows, again.Done)
			assert.Empty(t, again.Message)
			w.assertAcceptedOnce(rows)
		})
	}
}

func TestASecondSignalEndsAtOnceAndWhatWasOnTheWireIsInDoubt(t *testing.T) {
	t.Parallel()
	const rows, flight = 30, 4
	hang := emulator.Fault{Operation: "Messages_SendMessage", Kind: emulator.FaultDelayAfter, Delay: emulator.Duration(time.Hour)}
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{hang}}, fmt.Sprintf("limits: {in_flight: %d}", flight), holdJob).asTested()
	w.recipients("recipients.csv", rows)
	p := w.start("run", "--json", "send")
	w.accepts(flight)
	p.signal(os.Interrupt)
	require.Eventually(t, func() bool { return bytes.Contains([]byte(p.errors.String()), []byte("again to end at once")) }, 10*time.Second, 5*time.Millisecond)
	p.signal(os.Interrupt)
	r := p.end(10 * time.Second)
	require.Equal(t, 130, r.code, r.stderr)
	s := r.summary(t)
	assert.Equal(t, "interrupted", s.State)
	assert.EqualValues(t, flight, s.InDoubt)
	assert.EqualValues(t, flight, s.settled(), "what was not sent is pending")
	assert.Equal(t, flight, w.api.AcceptedCount())

	require.NoError(t, w.api.SetFaults(nil))
	s, r = w.run("send")
	require.Equal(t, exitIncomplete, r.code, r.stdout)
	assert.EqualValues(t, flight, s.InDoubt)
	assert.EqualValues(t, rows-flight, s.Done)
	w.assertAcceptedOnce(rows)
	doubt := w.batch("results", "--format", "csv", "--state", "in_doubt", "send")
	assert.Contains(t, doubt.stdout, "cut off by the stop before the answer was complete")
}

func TestAJobThatRunsIsLockedAndCanBeWatched(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Latency: 50 * time.Millisecond}, "limits: {requests: 20/s, in_flight: 4}", sendJob).asTested()
	w.recipients("recipients.csv", 2000)
	p := w.start("run", "send")
	w.accepts(3)

	s, r := w.run("send")
	assert.Equal(t, exitLocked, r.code)
	assert.Equal(t, "locked", s.State)
	assert.Equal(t, fmt.Sprintf("job send is being run by process %d; wait for it or stop it", p.cmd.Process.Pid), s.Message)
	plain := w.batch("run", "send")
	assert.Equal(t, exitLocked, plain.code)
	assert.Equal(t, "send: locked\n  "+s.Message+"\n", plain.stdout)

	r = w.batch("status", "send")
	assert.Zero(t, r.code, r.stderr)
	assert.Regexp(t, fmt.Sprintf(`^send: \d+ of 2,000 rows, .*\(process %d, for `, p.cmd.Process.Pid), r.stdout)
	r = w.batch("results", "send")
	assert.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stderr, fmt.Sprintf("job send is running (process %d)", p.cmd.Process.Pid))
	assert.Equal(t, "running", w.query("select state from runs")[0]["state"])

	p.signal(syscall.SIGTERM)
	assert.Equal(t, 143, p.end(20*time.Second).code)
	w.assertAcceptedOnce(w.api.AcceptedCount())
}
