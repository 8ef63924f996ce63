package sinks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type mail struct {
	ID         string    `parquet:"id"`
	AppID      string    `parquet:"app_id,dict"`
	AcceptTime time.Time `parquet:"accept_time,timestamp(microsecond)"`
	Body       string    `parquet:"body"`
}

var mails = Dataset{Name: "mails", Row: mail{}, PartitionBy: "date"}

// mailsOf are outcomes with one mail each, of two days in turn.
func mailsOf(from, to int64) []pipeline.Outcome {
	outcomes := outcomesOf(from, to)
	for i, o := range outcomes {
		at := noon.Add(time.Duration(o.Seq*7919%10_000) * time.Second).Truncate(time.Second)
		outcomes[i].Records = []pipeline.Record{{Dataset: "mails", Order: at.UnixNano(), Size: 200,
			Partition: fmt.Sprintf("date=2026-03-%02d", 1+o.Seq%2),
			Row:       &mail{ID: fmt.Sprintf("m%08d", o.Seq), AppID: "A", AcceptTime: at, Body: strings.Repeat("x", int(o.Seq%50))}}}
	}
	return outcomes
}

// mustKeep makes a completed run of a job that brings outcomes in commits.
func mustKeep(t testing.TB, s *Store, job, run string, set Dataset, commits ...[]pipeline.Outcome) {
	t.Helper()
	l, err := s.Ledger(t.Context(), job)
	require.NoError(t, err)
	mustBegin(t, l, run)
	sink := l.Sink(run, []Dataset{set})
	var seq int64
	for _, outcomes := range commits {
		for i := range outcomes {
			outcomes[i].Seq = seq
			seq++
		}
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: seq}))
	}
	_, err = l.Finish(t.Context(), Run{ID: run, State: Completed, StartedAt: noon})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func mustCompact(t testing.TB, s *Store, set Dataset) Compaction {
	t.Helper()
	c, err := s.Compact(t.Context(), set, false)
	require.NoError(t, err)
	return c
}

func TestSmallFilesBecomeOneWithTheSameRows(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustKeep(t, s, "a", "R1", mails, mailsOf(0, 100), mailsOf(100, 101), mailsOf(101, 300))
	mustKeep(t, s, "b", "R2", mails, mailsOf(300, 400))
	ask := func() string { return mustQuery(t, s, "SELECT * FROM mails ORDER BY id", mails) }
	before := ask()

	planned, err := s.Compact(t.Context(), mails, true)
	require.NoError(t, err)
	assert.Equal(t, before, ask(), "a plan changes nothing")
	assert.Equal(t, planned.BytesBefore, planned.BytesAfter)
	done := mustCompact(t, s, mails)
	assert.Equal(t, before, ask())
	assert.Less(t, done.BytesAfter, done.BytesBefore)
	planned.BytesAfter = done.BytesAfter
	assert.Equal(t, planned, done)
	assert.Equal(t, Compaction{Dataset: "mails", Folders: 2, FilesBefore: 7, FilesAfter: 2, Rows: 400,
		BytesBefore: done.BytesBefore, BytesAfter: done.BytesAfter}, done)

	for _, day := range []string{"date=2026-03-01", "date=2026-03-02"} {
		dir := filepath.Join(s.datasetDir(mails), day)
		requireOneGoodFile(t, dir, "R2-0000001.parquet")
	}
	assert.Empty(t, mustList(t, filepath.Join(s.dir, compactingDir)))
	again := mustCompact(t, s, mails)
	assert.Equal(t, 0, again.Folders, "there is nothing left to do")
}

// requireOneGoodFile looks for what a segment has: an order, a filter, its
// owner's rights.
func requireOneGoodFile(t *testing.T, dir, name string) {
	t.Helper()
	require.Equal(t, []string{name}, mustList(t, dir))
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	f, err := os.Open(filepath.Join(dir, name))
	require.NoError(t, err)
	defer f.Close()
	file, err := parquet.OpenFile(f, info.Size())
	require.NoError(t, err)
	group := file.RowGroups()[0]
	id, _ := file.Schema().Lookup("id")
	assert.NotNil(t, group.ColumnChunks()[id.ColumnIndex].BloomFilter())
	rows, err := parquet.ReadFile[mail](f.Name())
	require.NoError(t, err)
	for i := 1; i < len(rows); i++ {
		require.False(t, rows[i].AcceptTime.Before(rows[i-1].AcceptTime), "in the order of accept_time")
	}
}

func TestFilesOfRunsThatGoOnAreLeft(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustKeep(t, s, "a", "R1", mails, mailsOf(0, 20), mailsOf(20, 40))
	l := mustLedger(t, s, "a")
	mustBegin(t, l, "R2")
	sink := l.Sink("R2", []Dataset{mails})
	for n := range int64(3) {
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: mailsOf(n*10, n*10+10), Mark: n*10 + 10}))
	}
	c := mustCompact(t, s, mails)
	assert.Equal(t, 6+4, c.Left, "those of the run, and of the one before it in the same job")
	assert.Equal(t, 0, c.Folders)

	require.NoError(t, l.Close())
	c = mustCompact(t, s, mails)
	assert.Equal(t, 6, c.Left, "the run can be resumed")
	assert.Equal(t, 2, c.Folders)
	assert.Equal(t, "n\n70\n", mustQuery(t, s, "SELECT count(*) AS n FROM mails", mails))
	require.NoError(t, mustLedger(t, s, "b").Close()) // a job without runs is no hindrance
}

// A segment that was published by a process that died before it could note that
// is looked for by the next one.
func TestALedgerMissesNoFileThatWasMerged(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l, err := s.Ledger(t.Context(), "a")
	require.NoError(t, err)
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", []Dataset{mails}).Commit(t.Context(), pipeline.Commit{Outcomes: mailsOf(0, 10), Mark: 10}))
	require.NoError(t, l.Sink("R1", []Dataset{mails}).Commit(t.Context(), pipeline.Commit{Outcomes: mailsOf(10, 20), Mark: 20}))
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon})
	require.NoError(t, err)
	require.NoError(t, errors.Join(l.duck.close(), l.journal.close(), l.lock.Close())) // as a kill does
	release(l.path)
	assert.Equal(t, 2, mustCompact(t, s, mails).Folders)
	mustLedger(t, s, "a")
	assert.Equal(t, "n\n20\n", mustQuery(t, s, "SELECT count(*) AS n FROM mails", mails))
}

func TestALogShowsTheSameAfterItWasCompacted(t *testing.T) {
	t.Parallel()
	type change struct {
		Key  string    `parquet:"key"`
		Says string    `parquet:"says"`
		At   time.Time `parquet:"at,timestamp(microsecond)"`
	}
	set := Dataset{Name: "changes", Row: change{}, Latest: []string{"key"}, OrderBy: "at"}
	says := func(words ...string) []pipeline.Outcome {
		outcomes := outcomesOf(0, int64(len(words)))
		for i, w := range words { // all at the same time: the last that was committed counts
			outcomes[i].Records = []pipeline.Record{{Dataset: "changes", Size: 10, Order: int64(i), Row: change{Key: w[:1], Says: w, At: noon}}}
		}
		return outcomes
	}
	s := mustOpenStore(t)
	mustKeep(t, s, "a", "R1", set, says("a1", "b1"), says("a2", "a3"), says("c1"))
	mustKeep(t, s, "a", "R2", set, says("b2"), says("b3", "c2", "c3"))
	ask := func() string { return mustQuery(t, s, "SELECT says FROM changes ORDER BY key", set) }
	const want = "says\na3\nb3\nc3\n"
	require.Equal(t, want, ask())
	assert.Equal(t, 1, mustCompact(t, s, set).FilesAfter)
	assert.Equal(t, want, ask())
	mustKeep(t, s, "a", "R3", set, says("c4"))
	mustCompact(t, s, set)
	assert.Equal(t, "says\na3\nb3\nc4\n", ask())
	assert.Equal(t, "n\n10\n", mustQuery(t, s, "SELECT count(*) AS n FROM changes_history", set))
}

func TestWhatIsNotTheSameIsNotUsed(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustKeep(t, s, "a", "R1", mails, mailsOf(0, 20), mailsOf(20, 40))
	other := mustOpenStore(t)
	mustKeep(t, other, "a", "R1", mails, mailsOf(1, 41))
	var c Compaction
	settled, err := s.settledRuns(t.Context())
	require.NoError(t, err)
	w := &compactor{store: s, set: mails, found: &c, settled: settled}
	unlock, err := w.begin(t.Context())
	require.NoError(t, err)
	defer unlock()
	w.crash = func(point string) {
		if point != "verify" {
			return
		}
		made, err := filepath.Glob(filepath.Join(s.dir, compactingDir, "*", "*.parquet"))
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(other.datasetDir(mails), "date=2026-03-01/R1-000001.parquet"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(made[0], data, 0o600))
	}
	err = w.compact(t.Context(), filepath.Join(s.datasetDir(mails), "date=2026-03-01"))
	require.ErrorContains(t, err, "is not what the 2 files hold")
	assert.Equal(t, "n\n40\n", mustQuery(t, s, "SELECT count(DISTINCT id) AS n FROM mails", mails))
	assert.Empty(t, mustList(t, filepath.Join(s.dir, compactingDir)))

	_, err = s.Compact(t.Context(), mails, false)
	var busy *CompactingError
	require.ErrorAs(t, err, &busy, "two do not do it at once")
	_, err = s.Compact(t.Context(), people, false)
	require.ErrorIs(t, err, ErrNoDataset)
}

// compactForever is another process that compacts, and says when it has.
func compactForever(ctx context.Context, s *Store) error {
	crashes = func(string) { time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) } // so that a kill comes anywhere
	for {
		c, err := s.Compact(ctx, mails, false)
		if err != nil && !errors.Is(err, ErrNoDataset) {
			return err
		}
		fmt.Println(c.Folders)
	}
}

// Killed at any moment, with jobs that bring more and readers who count, a store
// never shows a row twice or not at all.
func TestCompactingCanBeKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	var published sync.Mutex // rows that readers have to see, and may see
	var least, most int
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { // jobs, each run of many small commits
		for run := 0; ; run++ {
			l, err := reopened(t.Context(), s, "job")
			if !assert.NoError(t, err) {
				return
			}
			id := fmt.Sprintf("R%06d", run)
			mustBegin(t, l, id)
			sink := l.Sink(id, []Dataset{mails})
			for n := range int64(8) {
				published.Lock()
				most += 10
				published.Unlock()
				assert.NoError(t, sink.Commit(t.Context(), commitOf(int64(run), n)))
				published.Lock()
				least += 10
				published.Unlock()
			}
			_, err = l.Finish(t.Context(), Run{ID: id, State: Completed, StartedAt: noon})
			assert.NoError(t, err)
			assert.NoError(t, l.Close())
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 2 {
		others.Go(func() {
			for {
				published.Lock()
				from := least
				published.Unlock()
				n, ids := countMails(t, s)
				published.Lock()
				to := most
				published.Unlock()
				if !assert.True(t, from <= n && n <= to, "%d rows, not %d to %d", n, from, to) || !assert.Equal(t, n, ids) {
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	merged := 0
	for range 30 {
		cmd, stdin, stdout := mustStartChild(t, "compact", s)
		for range 1 + rand.IntN(2) {
			var folders int
			if stdout.Scan() {
				_, err := fmt.Sscan(stdout.Text(), &folders)
				require.NoError(t, err)
			}
			merged += folders
		}
		time.Sleep(time.Duration(rand.IntN(int(1200 * time.Millisecond))))
		require.NoError(t, cmd.Process.Kill())
		require.NoError(t, stdin.Close())
		_ = cmd.Wait() // it was killed
	}
	close(stop)
	others.Wait()
	assert.Positive(t, merged, "there was something to kill")
	mustCompact(t, s, mails)
	n, _ := countMails(t, s)
	assert.Equal(t, most, n)
	assert.Empty(t, mustList(t, filepath.Join(s.dir, compactingDir)))
}

// commitOf is a commit of ten mails that no other has.
func commitOf(run, n int64) pipeline.Commit {
	outcomes := mailsOf(run*80+n*10, run*80+n*10+10)
	for i := range outcomes {
		outcomes[i].Seq -= run * 80
	}
	return pipeline.Commit{Outcomes: outcomes, Mark: n*10 + 10}
}

// countMails counts rows, and ids.
func countMails(t *testing.T, s *Store) (n, ids int) {
	r, err := s.Query(t.Context(), "SELECT count(*)::INT, count(DISTINCT id)::INT FROM mails", s.datasetView(mails), QueryOptions{MemoryMiB: 64, Threads: 1})
	if !assert.NoError(t, err) {
		return 0, 0
	}
	defer r.Close()
	assert.True(t, r.Next())
	values := r.Values()
	return int(values[0].(int32)), int(values[1].(int32))
}
