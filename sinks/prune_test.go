package sinks

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// archive is a dataset by date, as jobs of message_archive write it.
var archive = Dataset{Name: "messages", Row: contact{}, PartitionBy: "date", Kinds: []string{"message_archive"}}

// mustArchive makes a completed run of the job "archive" with a record on each day.
func mustArchive(t testing.TB, s *Store, run string, days ...string) {
	t.Helper()
	l := mustLedger(t, s, "archive")
	require.NoError(t, l.Begin(t.Context(), Run{ID: run, Kind: "message_archive", StartedAt: noon, Rows: 1}, []pipeline.Item{{Seq: 0, Key: "window"}}))
	o := pipeline.Outcome{Seq: 0, Key: "window", State: pipeline.Done, FinishedAt: noon}
	for _, day := range days {
		o.Records = append(o.Records, pipeline.Record{Dataset: "messages", Partition: "date=" + day, Row: contact{ID: day + run}})
	}
	require.NoError(t, l.Sink(run, []Dataset{archive}).Commit(t.Context(), pipeline.Commit{
		Claim: &pipeline.Claim{Range: pipeline.Range{From: 0, To: 1}}, Outcomes: []pipeline.Outcome{o}, Mark: 1,
	}))
	_, err := l.Finish(t.Context(), Run{ID: run, State: Completed, Rows: 1, FinishedAt: noon})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// pruned prunes a dataset, or a job when set is nil. Its jobs may seem to be
// run for a moment; see reopened.
func pruned(t testing.TB, s *Store, set *Dataset, job string, o PruneOptions) Pruned {
	t.Helper()
	for tries := 1; ; tries++ {
		prune := func() (Pruned, error) { return s.PruneJob(t.Context(), job, o) }
		if set != nil {
			prune = func() (Pruned, error) { return s.PruneDataset(t.Context(), *set, o) }
		}
		p, err := prune()
		if locked := (*LockedError)(nil); errors.As(err, &locked) && tries < 1000 {
			time.Sleep(time.Millisecond)
			continue
		}
		require.NoError(t, err)
		return p
	}
}

func whats(removals []Removal) (all []string) {
	for _, r := range removals {
		all = append(all, r.What)
	}
	return all
}

func forgets(Run) bool { return true }

func TestDaysThatEndedBeforeGo(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustArchive(t, s, "R1", "2026-01-01", "2026-01-02", "2026-01-03")
	mustArchive(t, s, "R2", "2026-01-02")
	dir := filepath.Join(s.Dir(), "datasets", "messages")
	o := PruneOptions{Before: time.Date(2026, 1, 3, 11, 0, 0, 0, time.UTC)}

	planned := pruned(t, s, &archive, "", o)
	assert.Equal(t, []string{"date=2026-01-01", "date=2026-01-02"}, whats(planned.Removed))
	assert.Equal(t, 2, planned.Removed[1].Files)
	assert.Positive(t, planned.Removed[1].Bytes)
	assert.Len(t, mustList(t, dir), 3, "a plan removes nothing")
	floor, err := s.PrunedBefore(archive)
	require.NoError(t, err)
	assert.Zero(t, floor)

	o.Remove = true
	removed := pruned(t, s, &archive, "", o)
	assert.Equal(t, whats(planned.Removed), whats(removed.Removed))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "date=2026-01-03", entries[0].Name())
	floor, err = s.PrunedBefore(archive)
	require.NoError(t, err)
	assert.Equal(t, time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), floor)
	assert.Empty(t, mustList(t, filepath.Join(s.Dir(), prunedDir, removingDir)))

	// A later prune that asks for less does not lower what is known.
	o.Before = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	require.NoError(t, s.raiseFloor(archive, o.Before))
	floor, err = s.PrunedBefore(archive)
	require.NoError(t, err)
	assert.Equal(t, 3, floor.Day())
	mustArchive(t, s, "R3", "2026-01-04") // the ledger looks for nothing that went
}

func TestOfSnapshotsTheLatestAndTheOneBeforeStay(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	for i, run := range []string{"R1", "R2", "R3"} {
		mustExport(t, s, exported{job: "contacts", run: run, at: day(i), bodies: map[string]string{"a": run}})
	}
	mustExport(t, s, exported{job: "other", run: "S1", request: "eu", at: day(0), bodies: map[string]string{"b": "S1"}})
	mustExport(t, s, exported{job: "broken", run: "T1", at: day(0), state: Failed, bodies: map[string]string{"c": "T1"}})
	mustExport(t, s, exported{job: "broken", run: "T2", at: day(1), state: Interrupted, bodies: map[string]string{"c": "T2"}})
	require.NoError(t, os.MkdirAll(filepath.Join(s.Dir(), "datasets", "contacts", "run_id=ZZ"), 0o700))
	before := queryAll(t, s, "SELECT id, body FROM contacts ORDER BY id")
	changes := queryAll(t, s, "SELECT change, id, before, after FROM contacts_changes")

	p := pruned(t, s, &contacts, "", PruneOptions{Before: day(30), Remove: true})
	assert.Equal(t, []string{"run_id=R1", "run_id=T1"}, whats(p.Removed))
	kept := map[string]string{}
	for _, k := range p.Kept {
		kept[k.What] = k.Why
	}
	assert.Contains(t, kept["run_id=R2"], "compared with")
	assert.Contains(t, kept["run_id=R3"], "latest")
	assert.Contains(t, kept["run_id=S1"], "latest")
	assert.Contains(t, kept["run_id=T2"], "not finished")
	assert.Contains(t, kept["run_id=ZZ"], "no job's history")
	assert.Equal(t, before, queryAll(t, s, "SELECT id, body FROM contacts ORDER BY id"))
	assert.Equal(t, changes, queryAll(t, s, "SELECT change, id, before, after FROM contacts_changes"))
	assert.Len(t, queryAll(t, s, "SELECT DISTINCT run_id FROM contacts_history"), 4)
	floor, err := s.PrunedBefore(contacts)
	require.NoError(t, err)
	assert.Zero(t, floor, "a snapshot is read anew each time")
}

// queryAll is the rows of a query over contacts, as texts.
func queryAll(t testing.TB, s *Store, query string) (rows [][]any) {
	t.Helper()
	views := s.Views([]Dataset{contacts})
	require.NoError(t, s.Stream(t.Context(), query, views, QueryOptions{}, func(values []any) error {
		rows = append(rows, values)
		return nil
	}))
	return rows
}

func TestALogIsNotPruned(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	p := pruned(t, s, &Dataset{Name: "consents", Row: contact{}, Latest: []string{"id"}, OrderBy: "exported_at"}, "", PruneOptions{Before: time.Now(), Remove: true})
	require.Len(t, p.Kept, 1)
	assert.Contains(t, p.Kept[0].Why, "log")
}

// mustSend makes a completed run of the job "send" whose results are two files,
// with an input.
func mustSend(t testing.TB, s *Store, run string) {
	t.Helper()
	l := mustLedger(t, s, "send")
	l.rows = 2
	input := filepath.Join("input", run+".parquet")
	require.NoError(t, os.RemoveAll(filepath.Join(s.JobDir("send"), "input")))
	require.NoError(t, os.MkdirAll(filepath.Join(s.JobDir("send"), "input"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.JobDir("send"), "input", run+".fates.parquet"), []byte("fates"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.JobDir("send"), input), []byte("rows"), 0o600))
	require.NoError(t, l.Begin(t.Context(), Run{ID: run, Kind: "bulk_send", StartedAt: noon, Rows: 4, Input: input}, nil))
	sink := l.Sink(run, nil)
	for from := int64(0); from < 4; from += 2 {
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{
			Claim: &pipeline.Claim{Range: pipeline.Range{From: from, To: from + 2}}, Outcomes: outcomesOf(from, from+2), Mark: from + 2,
		}))
	}
	_, err := l.Finish(t.Context(), Run{ID: run, State: Completed, Rows: 4, FinishedAt: noon})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestResultsByWhichKeysAreKnownStay(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustSend(t, s, "R1")
	mustSend(t, s, "R2")
	before := noon.AddDate(0, 0, 1)
	p := pruned(t, s, nil, "send", PruneOptions{Before: before, Remove: true, Forget: func(r Run) bool { return r.ID == "R1" }})
	assert.Equal(t, []string{"results", "input"}, whats(p.Removed))
	require.Len(t, p.Kept, 1)
	assert.Contains(t, p.Kept[0].Why, "each key once")
	files, err := s.AllResultFiles("send")
	require.NoError(t, err)
	assert.Len(t, files, 2)
	assert.Empty(t, mustList(t, filepath.Join(s.JobDir("send"), "input")))
	runs, err := s.Runs("send")
	require.NoError(t, err)
	assert.Len(t, runs, 2, "the history stays")

	p = pruned(t, s, nil, "send", PruneOptions{Before: noon, Remove: true, Forget: forgets})
	assert.Empty(t, p.Removed, "it ended at noon, not before")
}

func TestARunThatIsNotFinishedKeepsEverything(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustSend(t, s, "R1")
	l := mustLedger(t, s, "send")
	require.NoError(t, l.Begin(t.Context(), Run{ID: "R2", Kind: "bulk_send", StartedAt: noon, Rows: 4, Input: "input/R1.parquet"}, nil))
	_, err := s.PruneJob(t.Context(), "send", PruneOptions{Before: time.Now(), Forget: forgets})
	var locked *LockedError
	require.ErrorAs(t, err, &locked, "while it runs")
	_, err = s.PruneDataset(t.Context(), Dataset{Name: "x", Kinds: []string{"bulk_send"}}, PruneOptions{Before: time.Now(), Remove: true})
	require.ErrorAs(t, err, &locked, "also what it writes")
	require.NoError(t, l.Close())
	p := pruned(t, s, nil, "send", PruneOptions{Before: time.Now(), Remove: true, Forget: func(r Run) bool { return r.ID == "R2" }})
	assert.Empty(t, p.Removed)
	assert.Len(t, mustList(t, filepath.Join(s.JobDir("send"), "input")), 2)
}

// pruneChild prunes the store in SINKS_TEST_STORE and kills itself at a point.
func pruneChild() error {
	s, err := OpenStore(os.Getenv("SINKS_TEST_STORE"))
	if err != nil {
		return err
	}
	pruneCrash = func(point string) {
		if point == os.Getenv("SINKS_TEST_CRASH") {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	o := PruneOptions{Before: noon.AddDate(0, 0, 1), Remove: true, Forget: forgets}
	if _, err := s.PruneDataset(context.Background(), archive, o); err != nil {
		return err
	}
	_, err = s.PruneJob(context.Background(), "send", o)
	return err
}

// Killed at any point, what is there is there whole, what the archive may bring
// again is never less than what went, and the next start ends what was begun.
func TestAPruneThatIsKilledLeavesPartitionsAndRunsWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		point         string
		days, results int
	}{
		{"floor", 3, 4}, {"taken", 2, 4}, {"input", 1, 4}, {"pruning", 1, 0}, {"results", 1, 0},
	} {
		t.Run(c.point, func(t *testing.T) {
			t.Parallel()
			s := mustOpenStore(t)
			days := []string{noon.AddDate(0, 0, -2).Format(time.DateOnly), noon.AddDate(0, 0, -1).Format(time.DateOnly), noon.AddDate(0, 0, 1).Format(time.DateOnly)}
			mustArchive(t, s, "A1", days...)
			mustSend(t, s, "R1")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childRole+"=prune", "SINKS_TEST_STORE="+s.Dir(), "SINKS_TEST_CRASH="+c.point)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, -1, cmd.ProcessState.ExitCode(), string(out))

			parts, err := s.partitions(archive)
			require.NoError(t, err)
			assert.Len(t, parts, c.days)
			floor, err := s.PrunedBefore(archive)
			require.NoError(t, err)
			assert.False(t, floor.IsZero())
			results := func() (n int) {
				views := s.Views(nil)
				require.NoError(t, s.Stream(t.Context(), "FROM results WHERE job = 'send'", views, QueryOptions{}, func([]any) error { n++; return nil }))
				return n
			}
			assert.Equal(t, c.results, results(), "all of them or none")
			files, err := s.AllResultFiles("send")
			require.NoError(t, err)
			assert.Len(t, files, c.results/2)

			o := PruneOptions{Before: noon.AddDate(0, 0, 1), Remove: true, Forget: forgets}
			pruned(t, s, &archive, "", o)
			pruned(t, s, nil, "send", o)
			parts, err = s.partitions(archive)
			require.NoError(t, err)
			assert.Equal(t, []string{"date=" + days[2]}, parts)
			assert.Zero(t, results())
			assert.Empty(t, mustList(t, filepath.Join(s.JobDir("send"), "input")))
			assert.Empty(t, mustList(t, filepath.Join(s.JobDir("send"), resultsDir)))
			assert.NoFileExists(t, s.pruningPath("send"))
		})
	}
}

func TestOnlyFoldersOfPartitionsAreDatasets(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	for _, dir := range []string{"contacts/run_id=R1", "mine/run_id=R1", "empty", "other/date=2026-01-01", "un-named "} {
		require.NoError(t, os.MkdirAll(filepath.Join(s.Dir(), "datasets", dir), 0o700))
	}
	sets, err := s.Datasets([]Dataset{contacts, archive})
	require.NoError(t, err)
	require.Len(t, sets, 2)
	assert.Equal(t, contacts.Name, sets[0].Name)
	assert.Equal(t, Dataset{Name: "mine", PartitionBy: "run_id", Snapshot: true, Kinds: []string{"api_list"}}, sets[1])
}
