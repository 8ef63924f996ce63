package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// An orderly stop knows what its own process did not send, and nothing of what
// a process before it may have sent.
func TestAKillAndThenAnOrderlyStopRepeatNothing(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Latency: 20 * time.Millisecond}, "limits: {requests: 600/s, in_flight: 64}", sendJob)
	w.recipients("recipients.csv", 5000)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for range 8 {
		for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGTERM} {
			cmd := w.command("run", "send")
			require.NoError(t, cmd.Start())
			time.Sleep(time.Duration(200+rnd.IntN(400)) * time.Millisecond)
			require.NoError(t, cmd.Process.Signal(signal))
			_ = cmd.Wait()
		}
	}
	s, r := w.run("send")
	require.Equal(t, "completed", s.State, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 5000, s.Done+s.InDoubt+s.Skipped)
	assertOnce(t, w)
}

// assertOnce asserts that no number was sent to twice.
func assertOnce(t *testing.T, w *workbench) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range w.api.Accepted() {
		assert.False(t, seen[a.Identity], "%s was sent twice", a.Identity)
		seen[a.Identity] = true
	}
}

func TestWhatMayHaveBeenSentNeverBecomesInvalid(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Latency: 300 * time.Millisecond}, "limits: {in_flight: 16}", sendJob)
	w.recipients("recipients.csv", 400)
	cmd := w.command("run", "send")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return w.api.AcceptedCount() > 40 }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	const good, empty = `text: "Hi {{.name}}"`, `text: "{{if false}}{{.name}}{{end}}"` // every row is invalid
	w.edit(good, empty)
	s, r := w.run("send")
	assert.Equal(t, exitUsage, r.code, "the request changed")
	assert.Contains(t, s.Message, "batch run --resume send")
	r = w.batch("run", "--resume", "send")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	w.edit(empty, good)
	s, _ = w.run("send")
	assert.NotZero(t, s.InDoubt, "carried over, not sent")
	assertOnce(t, w)
}

func TestAnArchiveKeepsItsPlaceWhateverTheSettleOrTheJob(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Messages: 3000, Conversations: 50}, "", archiveJob)
	for _, settle := range []string{"1s", "3h", "1s"} {
		w.edit("settle: "+w.settle(), "settle: "+settle)
		_, r := w.run("archive")
		require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		w.api.AddMessages(20, time.Now().Add(-5*time.Second))
	}
	w.edit("archive:\n    kind", "other-archive:\n    kind")
	_, r := w.run("other-archive")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assertArchived(t, w)

	w.api.AddMessages(20, time.Now().Add(-5*time.Second))
	_, r = w.run("other-archive")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	w.edit("other-archive:\n    kind", "archive:\n    kind")
	_, r = w.run("archive") // whose last run ended before that of the other
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assertArchived(t, w)
}

func (w *workbench) settle() string {
	_, after, _ := strings.Cut(w.read("jobs.yaml"), "settle: ")
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// A ledger that is lost or older than the results does not make a key new.
func TestWhatWasDoneIsDoneWhateverBecomesOfTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 100)
	_, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "store/jobs/send/ledger.duckdb")))
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 100, s.Skipped)
	assertOnce(t, w)
}
