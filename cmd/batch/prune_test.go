package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/sinks"
)

// pruneHere prunes in this process and returns what it said.
func (w *workbench) pruneHere(args ...string) (said pruneReport, r result) {
	w.t.Helper()
	r = w.here(append([]string{"prune", "--json"}, args...)...)
	require.NotEmpty(w.t, r.stdout, r.stderr)
	require.NoError(w.t, json.Unmarshal([]byte(r.stdout), &said), r.stdout)
	return said, r
}

// What was pruned stays away: from the next run of the job, however far back it
// looks, from a job of another name, whose first run begins long ago, and from a
// run that began before. What was not is there as it was.
func TestWhatWasPrunedOfAnArchiveIsNotReadAgain(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			again := strings.NewReplacer("archive:", "again:", "  settle", "  lookback: 30d\n  settle").Replace(archiveJob)
			w := newWorkbench(t, emulator.Options{Messages: 600, Conversations: 20, Contacts: 20, Profile: profile}, "", archiveJob)
			_, r := w.runHere("archive")
			require.Zero(t, r.code, r.stderr)
			all := w.queryHere("SELECT id, date FROM messages ORDER BY id")
			require.Len(t, all, 600)
			floor := time.Now().UTC().Add(-10 * 24 * time.Hour).Format(time.DateOnly)
			young := w.queryHere("SELECT id, body FROM messages WHERE date >= '" + floor + "' ORDER BY id")

			planned, r := w.pruneHere("--older-than", "10d", "messages")
			require.Zero(t, r.code, r.stderr)
			assert.False(t, planned.Removed)
			assert.Positive(t, planned.Bytes)
			assert.Len(t, w.queryHere("SELECT id FROM messages"), 600, "a plan removes nothing")
			done, r := w.pruneHere("--older-than", "10d", "--yes", "messages")
			require.Zero(t, r.code, r.stderr)
			assert.True(t, done.Removed)
			assert.Equal(t, planned.Items, done.Items)
			require.Less(t, len(young), 600)
			assert.Equal(t, young, w.queryHere("SELECT id, body FROM messages ORDER BY id"))

			file := w.read("jobs.yaml")
			w.write("jobs.yaml", strings.Replace(file, indent(archiveJob), indent(strings.Replace(again, "again:", "archive:", 1)), 1))
			w.write("jobs.yaml", strings.ReplaceAll(w.read("jobs.yaml"), "app: APP", "app: "+w.api.Info().App))
			_, r = w.runHere("archive")
			require.Zero(t, r.code, r.stderr)
			assert.Equal(t, young, w.queryHere("SELECT id, body FROM messages ORDER BY id"), "the lookback")
			w.write("jobs.yaml", strings.Replace(file, "  archive:", "  again:", 1))
			_, r = w.runHere("again")
			require.Zero(t, r.code, r.stderr)
			assert.Equal(t, young, w.queryHere("SELECT id, body FROM messages ORDER BY id"), "the first run of another job")
		})
	}
}

// The keys of a job that sends are known by its results, which nobody loses
// without asking for it; a job that nobody knows is taken for such a one.
func TestKeysThatWereSentAreNotForgotten(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 10)
	s, r := w.runHere("send")
	require.Zero(t, r.code, r.stderr)
	later := func() time.Time { return time.Now().Add(48 * time.Hour) }
	prune := func(args ...string) result {
		return inProcess(t, program{env: w.secretOnly, now: later}, append([]string{"-f", filepath.Join(w.dir, "jobs.yaml"), "prune", "--older-than", "1d"}, args...)...)
	}
	for _, args := range [][]string{{"--yes"}, {"--yes", "--store", filepath.Join(w.dir, "store")}} {
		r = prune(args...)
		require.Zero(t, r.code, r.stderr)
		assert.Contains(t, r.stdout, "each key once")
	}
	assert.Empty(t, filesBelow(t, filepath.Join(w.dir, "store", "jobs", "send", "input")))
	assert.Contains(t, w.here("retry", "send").stdout, "nothing to retry")
	_, r = w.runHere("send")
	require.Zero(t, r.code, r.stderr)
	w.assertAcceptedOnce(10)

	assert.Equal(t, exitUsage, prune("--yes", "--forget-keys").code, "of all jobs at once is a mistake")
	r = prune("--yes", "--forget-keys", "send")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, w.here("results", s.RunID).stderr, "no longer kept")
	_, r = w.runHere("send")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, 20, w.api.AcceptedCount(), "it was asked for")
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return files
}

func TestAPruneLeavesAloneWhatIsRun(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Messages: 50, Conversations: 5, Contacts: 5}, "", archiveJob)
	_, r := w.runHere("archive")
	require.Zero(t, r.code, r.stderr)
	store, err := sinks.OpenStore(filepath.Join(w.dir, "store"))
	require.NoError(t, err)
	ledger, err := store.Ledger(t.Context(), "archive")
	require.NoError(t, err)
	for _, args := range [][]string{{}, {"--yes"}} {
		said, r := w.pruneHere(append([]string{"--older-than", "1d"}, args...)...)
		assert.Equal(t, exitLocked, r.code)
		assert.Empty(t, said.Items)
		require.Len(t, said.Kept, 2)
		assert.Contains(t, said.Kept[0].Why, "is being run")
	}
	require.NoError(t, ledger.Close())
	assert.Len(t, w.queryHere("SELECT id FROM messages"), 50)
}

func TestWhatAPruneCanNotUnderstandIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 1)
	require.Zero(t, w.here("run", "send").code)
	for says, args := range map[string][]string{
		"say what is old":           {},
		"want a time of a day":      {"--older-than", "12h"},
		"--older-than soon":         {"--older-than", "soon"},
		"did you mean send?":        {"--older-than", "90d", "sent"},
		"name the jobs whose keys ": {"--older-than", "90d", "--forget-keys"},
	} {
		r := w.here(append([]string{"prune"}, args...)...)
		assert.Equal(t, exitUsage, r.code, r.stderr)
		assert.Contains(t, r.stderr, says)
	}
	r := w.here("prune", "--older-than", "90d")
	assert.Zero(t, r.code, r.stderr)
	assert.True(t, strings.HasSuffix(r.stdout, "nothing goes\n"), r.stdout)
}

func TestASizeIsWrittenForPeople(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1,023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 3 << 50: "3072.0 TiB"} {
		assert.Equal(t, want, size(bytes))
	}
}
