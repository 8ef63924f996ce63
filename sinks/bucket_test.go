package sinks

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"convbatch/internal/bucket"
	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folderBucket is a bucket in a folder that refuses what it is told to refuse.
type folderBucket struct {
	*bucket.Bucket
	dir     string
	refuses func(name string) error
}

func newFolderBucket(t *testing.T) *folderBucket {
	t.Helper()
	dir := t.TempDir()
	b, err := bucket.Open(bucket.Options{Scheme: "file", Prefix: dir})
	require.NoError(t, err)
	return &folderBucket{Bucket: b, dir: dir, refuses: func(string) error { return nil }}
}

func (b *folderBucket) Put(ctx context.Context, name, path string) error {
	if err := b.refuses(name); err != nil {
		return err
	}
	return b.Bucket.Put(ctx, name, path)
}

// filesUnder returns the contents of the Parquet files of datasets and results,
// and of whatever else lies between them, by their paths.
func filesUnder(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || d.IsDir() || !strings.HasPrefix(rel, datasetsDir+"/") && !strings.Contains(rel, "/"+resultsDir+"/") {
			return err
		}
		text, err := os.ReadFile(path)
		all[rel] = string(text)
		return err
	})
	require.NoError(t, err)
	return all
}

// requireSame asserts that a bucket has what is published in the store, byte by
// byte, and nothing else.
func requireSame(t *testing.T, s *Store, b *folderBucket) {
	t.Helper()
	want, got := filesUnder(t, s.dir), filesUnder(t, b.dir)
	for name, text := range want {
		require.True(t, got[name] == text, "%s in the bucket is that of the store", name)
		delete(got, name)
	}
	require.Empty(t, slices.Sorted(maps.Keys(got)), "in the bucket, and not in the store")
}

// A crash at any point leaves a bucket that the next start makes what the store
// is; of a run that is not started again, too.
func TestACrashBetweenAnyTwoStepsOfAnUploadIsMended(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"upload",          // uploaded, not committed
		"commit",          // likewise
		"publish",         // committed, not published
		"move",            // results uploaded, not committed
		"publish results", // results committed, not published
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			s, b := mustOpenStore(t), newFolderBucket(t)
			for range 2 {
				cmd, _, stdout := mustStartChild(t, "commit", s, "SINKS_TEST_CRASH="+point, "SINKS_TEST_BUCKET="+b.dir)
				for stdout.Scan() {
				}
				var killed *exec.ExitError
				require.ErrorAs(t, cmd.Wait(), &killed)
				require.Equal(t, -1, killed.ExitCode())

				published, there := filesUnder(t, s.dir), filesUnder(t, b.dir)
				for name := range published {
					_, ok := there[name]
					require.True(t, ok, "%s is published and was not uploaded", name)
				}
				if point == "upload" || point == "commit" || point == "move" {
					require.Greater(t, len(there), len(published), "the crash was between the upload and the commit")
				}
			}
			l, err := s.UploadTo(b).Ledger(t.Context(), "crash")
			require.NoError(t, err)
			require.NoError(t, l.SettleUploads(t.Context(), []Dataset{people}))
			_, records := requireConsistent(t, l)
			require.NotZero(t, records)
			requireSame(t, s, b)
			uploaded := filepath.Join(b.dir, "datasets/people/*.parquet")
			assert.EqualValues(t, records, countRows(t, l, "SELECT count(DISTINCT id) FROM read_parquet(?)", uploaded))
			require.NoError(t, l.Close())
		})
	}
}

// mustCommitPeople makes a run with so many commits of a record each.
func mustCommitPeople(t *testing.T, l *Ledger, run string, commits int64) {
	t.Helper()
	mustBegin(t, l, run)
	sink := l.Sink(run, []Dataset{people})
	for n := range commits {
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(n, n+1)), Mark: n + 1}))
	}
}

var errBucket = errors.New("the bucket does not answer")

func TestASegmentThatCanNotBeUploadedIsNotCommitted(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	l := mustLedger(t, s.UploadTo(b), "crash")
	mustCommitPeople(t, l, "R1", 3)
	b.refuses = func(string) error { return errBucket }
	sink := l.Sink("R1", []Dataset{people})
	brings := pipeline.Commit{Outcomes: withPeople(outcomesOf(3, 5)), Mark: 5}
	require.ErrorIs(t, sink.Commit(t.Context(), brings), errBucket)
	assert.EqualValues(t, 3, l.Counts().Settled())
	assert.Empty(t, mustList(t, filepath.Join(l.dir, stagingDir)))

	// What brings no segment needs no bucket, so that the last commit of a run
	// that pushes keeps what it knows.
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(5, 6), Mark: 3}))
	b.refuses = func(string) error { return nil }
	require.NoError(t, sink.Commit(t.Context(), brings))
	requireSame(t, s, b)
}

// Outcomes whose results can not be uploaded stay in the ledger.
func TestResultsThatCanNotBeUploadedStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	l := mustLedger(t, s.UploadTo(b), "crash")
	l.rows = 5
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", nil)
	b.refuses = func(string) error { return errBucket }
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 8), Mark: 8}), "the commit itself")
	require.ErrorIs(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(8, 9), Mark: 9}), errBucket)
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(8, 9), Mark: 9, Release: true}), "the last is made all the same")
	assert.EqualValues(t, 9, l.Counts().Settled())
	b.refuses = func(string) error { return nil }
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(9, 10), Mark: 10}))
	requireConsistent(t, l)
	requireSame(t, s, b)
}

// A reader that knows of no bucket may move what a process that died had
// committed into results; the next start uploads these.
func TestWhatAReaderMovedIsUploadedByTheNextStart(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	cmd, _, stdout := mustStartChild(t, "commit", s, "SINKS_TEST_CRASH=commit", "SINKS_TEST_BUCKET="+b.dir)
	for stdout.Scan() {
	}
	require.Error(t, cmd.Wait())
	require.NoError(t, s.Settle(t.Context(), "crash"))
	require.NotEmpty(t, mustList(t, filepath.Join(s.JobDir("crash"), resultsDir)))
	assert.NoDirExists(t, filepath.Join(b.dir, "jobs"))

	l := mustLedger(t, s.UploadTo(b), "crash")
	require.NoError(t, l.SettleUploads(t.Context(), []Dataset{people}))
	requireSame(t, s, b)
}

// mustPut brings a small file to the bucket, under each name.
func (b *folderBucket) mustPut(t *testing.T, names ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("stray"), 0o600))
	for _, name := range names {
		require.NoError(t, b.Put(t.Context(), name, file))
	}
}

// What a run uploaded and did not commit leaves the bucket, also when its job
// went on without one, with that run and with others, and comes back to it.
func TestWhatWasNotCommittedLeavesTheBucketAlsoManyRunsLater(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	l := mustLedger(t, s.UploadTo(b), "crash")
	mustCommitPeople(t, l, "R1", 2)
	// The answers of these were lost, and the process died; the first is the name of a commit to come.
	b.mustPut(t, "datasets/people/R1-000003.parquet", "datasets/people/date=2026-01-01/R1-000003.parquet",
		"jobs/crash/results/R1-000009.parquet", "datasets/lists/run_id=R1/R1-000009.parquet", "datasets/people/R1-000009.parquet.123.part")
	require.NoError(t, l.Close())

	l = mustLedger(t, s, "crash")
	_, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	require.NoError(t, l.Sink("R1", []Dataset{people}).Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(2, 3)), Mark: 3}))
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Completed})
	require.NoError(t, err)
	mustCommitPeople(t, l, "R2", 2)
	_, err = l.Finish(t.Context(), Run{ID: "R2", State: Completed})
	require.NoError(t, err)
	require.NoError(t, l.Close())

	l = mustLedger(t, s.UploadTo(b), "crash")
	require.NoError(t, l.SettleUploads(t.Context(), []Dataset{people, {Name: "lists", Snapshot: true}}))
	rows, ids := rowsOfPeople(t, l, b.dir)
	assert.Equal(t, []int{5, 3}, []int{rows, ids}, "three commits of R1, two of R2, of the same")
	_, err = s.UploadTo(b).Upload(t.Context(), false)
	require.NoError(t, err)
	requireSame(t, s, b)
}

// Of what the store has not, a start removes only what a run that its ledger
// knows did not commit.
func TestAStartLeavesInTheBucketWhatMayBeTheOnlyCopy(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	l := mustLedger(t, s.UploadTo(b), "crash")
	for _, run := range []string{"R1", "R2"} {
		mustCommitPeople(t, l, run, 2)
		_, err := l.Finish(t.Context(), Run{ID: run, State: Completed})
		require.NoError(t, err)
	}
	want := filesUnder(t, b.dir)
	require.Len(t, want, 6)
	require.NoError(t, os.Remove(filepath.Join(s.dir, "datasets/people/R1-000001.parquet")), "as a prune or a compaction does")
	require.NoError(t, os.Remove(filepath.Join(s.dir, "jobs/crash/results/R1-000003.parquet")))
	others := []string{
		"datasets/people/R3-000001.parquet",     // a run of another job, or of before the store was restored
		"jobs/crash/results/R3-000001.parquet",  // likewise
		"datasets/people/R1-R1-000009.parquet",  // likewise
		"datasets/people/R1-0000002.parquet",    // merged
		"datasets/people/R1-000009.parquet.bak", // somebody's own
		"datasets/other/R1-000009.parquet",      // of no dataset of this job
		"jobs/other/results/R1-000009.parquet",
		"datasets/people/R1-000002.parquet.123.part", // Upload may be at it
	}
	b.mustPut(t, append(others, "datasets/people/R1-000009.parquet")...)
	for _, name := range others {
		want[name] = "stray"
	}
	require.NoError(t, os.Remove(filepath.Join(b.dir, "datasets/people/R1-000002.parquet")), "as a lifecycle rule does")
	delete(want, "datasets/people/R1-000002.parquet")

	require.NoError(t, l.SettleUploads(t.Context(), nil))
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(filesUnder(t, b.dir))))
	require.Equal(t, want, filesUnder(t, b.dir))

	did, err := s.UploadTo(b).Upload(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, Uploaded{Files: 1, Bytes: did.Bytes, There: 3}, did)
	assert.NoFileExists(t, filepath.Join(b.dir, "datasets/people/R1-000002.parquet.123.part"))
}

// Whoever restores a store from a backup puts the results that the bucket has
// into it: they stay in the bucket, although the ledger does not know them.
func TestWhatLiesInItsPlaceStaysInTheBucket(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	l := mustLedger(t, s.UploadTo(b), "crash")
	mustBegin(t, l, "R1")
	b.mustPut(t, "jobs/crash/results/R1-000007.parquet", "jobs/crash/results/R1-000008.parquet", "datasets/people/R1-000008.parquet")
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "jobs/crash/results/R1-000007.parquet"), []byte("stray"), 0o600))
	require.NoError(t, l.SettleUploads(t.Context(), []Dataset{people}))
	assert.Equal(t, map[string]string{"jobs/crash/results/R1-000007.parquet": "stray"}, filesUnder(t, b.dir))
}

// rowsOfPeople returns how many rows a folder of people has, and of how many.
func rowsOfPeople(t *testing.T, l *Ledger, dir string) (rows, ids int) {
	t.Helper()
	files := filepath.Join(dir, "datasets/people/*.parquet")
	return countRows(t, l, "SELECT count(*) FROM read_parquet(?)", files), countRows(t, l, "SELECT count(DISTINCT id) FROM read_parquet(?)", files)
}

// What was written before there was a bucket is brought by Upload: also after
// files were merged, when some of these are in the bucket.
func TestUploadBringsWhatIsMissingAndReplacesWhatWasMerged(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	to := s.UploadTo(b)
	l := mustLedger(t, s, "crash")
	mustCommitPeople(t, l, "R1", 6)
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Completed})
	require.NoError(t, err)

	plan, err := to.Upload(t.Context(), true)
	require.NoError(t, err)
	assert.Equal(t, 7, plan.Files, "six segments of records, one of results")
	assert.Empty(t, filesUnder(t, b.dir))
	did, err := to.Upload(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, plan, did)
	requireSame(t, s, b)
	did, err = to.Upload(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, Uploaded{There: 7}, did)

	// Another run, which the bucket has not; then all small files become one.
	mustCommitPeople(t, l, "R2", 3)
	_, err = l.Finish(t.Context(), Run{ID: "R2", State: Completed})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "datasets/people/R1-000001.parquet"), []byte("cut"), 0o600))
	_, err = s.Compact(t.Context(), people, false)
	require.NoError(t, err)
	did, err = to.Upload(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, 2, did.Files, "the merged file and the results of R2")
	assert.Equal(t, 6, did.Replaced)
	requireSame(t, s, b)

	l = mustLedger(t, to, "crash")
	require.NoError(t, l.SettleUploads(t.Context(), []Dataset{people}), "which does not take the merged file for a stray")
	requireSame(t, s, b)
	rows, _ := rowsOfPeople(t, l, b.dir)
	assert.Equal(t, 9, rows)
}

// Of what a store that was restored does not know, that leaves the bucket whose
// rows are in a merged file, and nothing else: it may be the only copy there is.
func TestUploadRemovesWhatAMergedFileWasMadeOfAndNothingElse(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	to := s.UploadTo(b)
	finish := func(run string) {
		t.Helper()
		l := mustLedger(t, to, "crash")
		mustCommitPeople(t, l, run, 2)
		_, err := l.Finish(t.Context(), Run{ID: run, State: Completed})
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
	finish("R3")
	_, err := s.Compact(t.Context(), people, false) // what it makes of R3 is merged again
	require.NoError(t, err)
	segment, err := os.ReadFile(filepath.Join(b.dir, "datasets/people/R3-000001.parquet"))
	require.NoError(t, err)
	for _, dir := range []string{s.dir, b.dir} {
		r1 := filepath.Join(dir, "datasets/people/R1-000001.parquet") // no ledger knows it
		require.NoError(t, os.WriteFile(r1, segment, 0o600))
	}
	lost := filepath.Join(b.dir, "datasets/people/R2-000001.parquet")
	require.NoError(t, os.WriteFile(lost, segment, 0o600))
	finish("R4")
	_, err = s.Compact(t.Context(), people, false)
	require.NoError(t, err)

	did, err := to.Upload(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, 1, did.Files)
	assert.Equal(t, 5, did.Replaced, "two segments of R3, two of R4, one of R1")
	require.NoError(t, os.Remove(lost), "it stayed")
	requireSame(t, s, b)
}

// What a run under way has just uploaded, and not yet published, is not taken
// for something that was merged.
func TestUploadLeavesWhatARunUnderWayHasUploaded(t *testing.T) {
	t.Parallel()
	s, b := mustOpenStore(t), newFolderBucket(t)
	to := s.UploadTo(b)
	first := mustLedger(t, s, "first")
	mustBegin(t, first, "R1") // and goes on
	second := mustLedger(t, s, "second")
	mustCommitPeople(t, second, "R2", 4)
	_, err := second.Finish(t.Context(), Run{ID: "R2", State: Completed})
	require.NoError(t, err)
	require.NoError(t, second.Close())
	_, err = s.Compact(t.Context(), people, false)
	require.NoError(t, err)
	underWay := filepath.Join(b.dir, "datasets/people/R1-000001.parquet")
	require.NoError(t, os.MkdirAll(filepath.Dir(underWay), 0o700))
	require.NoError(t, os.WriteFile(underWay, []byte("of R1"), 0o600))

	did, err := to.Upload(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, 2, did.Files)
	assert.Zero(t, did.Replaced)
	assert.FileExists(t, underWay)
}
