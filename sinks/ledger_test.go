package sinks

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func mustOpenStore(t testing.TB) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	return s
}

// reopened opens a ledger that may have been closed a moment ago. A child that
// another test is just starting has a copy of every open file until it has
// become its program, and with it the lock of a ledger that was closed since.
func reopened(ctx context.Context, s *Store, job string) (*Ledger, error) {
	for tries := 1; ; tries++ {
		l, err := s.Ledger(ctx, job)
		if locked := (*LockedError)(nil); !errors.As(err, &locked) || tries == 1000 {
			return l, err
		}
		time.Sleep(time.Millisecond)
	}
}

// mustLedger opens a ledger that is closed at the end of the test at the latest.
func mustLedger(t testing.TB, s *Store, job string) *Ledger {
	t.Helper()
	l, err := reopened(t.Context(), s, job)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func mustBegin(t testing.TB, l *Ledger, run string) {
	t.Helper()
	require.NoError(t, l.Begin(t.Context(), Run{ID: run, Kind: "bulk_send", StartedAt: noon}, nil))
}

// outcomesOf returns outcomes that say done for the items From <= seq < To.
func outcomesOf(from, to int64) []pipeline.Outcome {
	var all []pipeline.Outcome
	for seq := from; seq < to; seq++ {
		all = append(all, pipeline.Outcome{Seq: seq, Key: fmt.Sprint("k", seq), State: pipeline.Done, HTTPStatus: 200, Attempts: 1, FinishedAt: noon})
	}
	return all
}

func countRows(t testing.TB, l *Ledger, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, l.duck.conn.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

func TestARunIsKeptWithItsCountsAndWords(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	last, err := l.Last(t.Context())
	require.NoError(t, err)
	require.Nil(t, last, "a new ledger has no run")

	run := Run{ID: "R1", Kind: "bulk_send", StartedAt: noon, Rows: 6, Input: "input/R1.parquet", Fates: "input/R1.fates",
		Fingerprint: "sha256:1", Request: "sha256:2", Data: json.RawMessage(`{"from":"a"}`)}
	require.NoError(t, l.Begin(t.Context(), run, nil))
	var outcomes []pipeline.Outcome
	for i, state := range pipeline.States() {
		outcomes = append(outcomes, pipeline.Outcome{Seq: int64(i), Key: "k", State: state, FinishedAt: noon})
	}
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 6}))
	assert.Equal(t, int64(6), l.Counts().Settled())

	run.State, run.FinishedAt, run.Requests, run.Retries, run.Throttled = Completed, noon.Add(time.Minute), 9, 2, 1
	run.ElapsedS, run.Message, run.Data = 60, "that was it", json.RawMessage(`{"to":"b"}`)
	stored, err := l.Finish(t.Context(), run)
	require.NoError(t, err)
	want := run
	want.Job, want.Counts = "offer", Counts{Done: 1, Failed: 1, Invalid: 1, Suppressed: 1, Skipped: 1, InDoubt: 1}
	assert.Equal(t, &want, stored)
	last, err = l.Last(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &want, last)
	told, err := s.Runs("offer")
	require.NoError(t, err)
	assert.Equal(t, []Run{want}, told, "and runs.json says the same")
}

func TestEverythingIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	l.rows = 10
	mustBegin(t, l, "R1")
	require.NoError(t, l.WriteStatus(map[string]int{"done": 1}))
	sink := l.Sink("R1", []Dataset{people})
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(0, 30)), Mark: 30}))
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(30, 31), Mark: 31}))
	require.FileExists(t, l.path+".wal")
	require.NoError(t, filepath.WalkDir(s.Dir(), func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
}

func TestAJobHasOneUserWithinAProcess(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustLedger(t, s, "offer")
	again, err := OpenStore(s.Dir()) // by another value of the same store
	require.NoError(t, err)
	_, err = again.Ledger(t.Context(), "offer")
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	assert.Equal(t, LockedError{Job: "offer", PID: os.Getpid()}, *locked)
	mustLedger(t, again, "other") // another job is free
}

func TestANameCanNotLeaveTheStore(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a\x00b", "it's", "a*"} {
		_, err := s.Ledger(t.Context(), name)
		assert.ErrorContains(t, err, "can not name a file", "%q", name)
	}
	l := mustLedger(t, s, "offer")
	assert.Error(t, l.Begin(t.Context(), Run{ID: "../R", StartedAt: noon}, nil))
}

// migrationsAnd are those that there are, and further ones.
func migrationsAnd(t *testing.T, further ...string) fstest.MapFS {
	t.Helper()
	names, err := fs.Glob(embedded, "migrations/*.sql")
	require.NoError(t, err)
	files := fstest.MapFS{}
	for _, name := range names {
		text, err := embedded.ReadFile(name)
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: text}
	}
	for i, text := range further {
		files[fmt.Sprintf("migrations/%04d_further.sql", len(names)+1+i)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestAMigrationKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	known := len(migrationsAnd(t))
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 5), Mark: 5}))
	require.NoError(t, l.Close())

	l, err := s.ledger(t.Context(), "offer", migrationsAnd(t,
		"ALTER TABLE claims ADD COLUMN worker VARCHAR; UPDATE claims SET worker = '';",
		"CREATE TABLE further (n BIGINT);",
	))
	require.NoError(t, err)
	assert.Equal(t, known+2, countRows(t, l, "SELECT max(version) FROM schema_version"))
	assert.Equal(t, 5, countRows(t, l, "SELECT count(*) FROM outcomes"))
	last, err := l.Last(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(5), last.Done)
	require.NoError(t, l.Close())

	// And the older batch, which knows none of them, turns the file down as it is.
	before, err := os.ReadFile(l.path)
	require.NoError(t, err)
	_, err = s.Ledger(t.Context(), "offer")
	var version *VersionError
	require.ErrorAs(t, err, &version)
	assert.Equal(t, VersionError{Path: l.path, Found: known + 2, Known: known}, *version)
	assert.ErrorContains(t, err, "or a newer one")
	after, err := os.ReadFile(l.path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Close())
	files := migrationsAnd(t, "CREATE TABLE further (n BIGINT); SELECT * FROM nothing;")
	_, err := s.ledger(t.Context(), "offer", files)
	require.ErrorContains(t, err, fmt.Sprintf("migrate to version %d", len(files)))
	l = mustLedger(t, s, "offer")
	assert.Zero(t, countRows(t, l, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'further'"))
}

func TestANewerStorageVersionIsToldFromDamage(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	require.NoError(t, l.Close())
	header, err := os.ReadFile(l.path)
	require.NoError(t, err)
	// DuckDB's main header: a checksum of what follows in 4096 bytes, "DUCK", the version.
	require.Equal(t, "DUCK", string(header[8:12]))
	require.Equal(t, duckChecksum(header[8:4096]), binary.LittleEndian.Uint64(header))
	header[12] = 250
	binary.LittleEndian.PutUint64(header, duckChecksum(header[8:4096]))
	require.NoError(t, os.WriteFile(l.path, header, 0o600))
	_, err = s.Ledger(t.Context(), "offer")
	var version *VersionError
	require.ErrorAs(t, err, &version)
	assert.Equal(t, 250, version.Found)
	after, err := os.ReadFile(l.path)
	require.NoError(t, err)
	assert.Equal(t, header, after)
}

func duckChecksum(block []byte) uint64 {
	sum := uint64(5381)
	for ; len(block) > 0; block = block[8:] {
		sum ^= binary.LittleEndian.Uint64(block) * 0xbf58476d1ce4e5b9
	}
	return sum
}

func TestADamagedLedgerIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 5000), Mark: 5000}))
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(l.path)
	require.NoError(t, err)
	garbled := append([]byte(nil), whole...)
	for i := 3 * 4096; i < len(garbled); i++ {
		garbled[i] ^= 0x5a
	}
	for name, content := range map[string][]byte{
		"empty":           {},
		"not a database":  []byte("it was a text file all along\n"),
		"a longer text":   []byte(fmt.Sprintf("%20000s", "text")),
		"half a header":   whole[:2000],
		"headers alone":   whole[:3*4096],
		"half of it":      whole[:len(whole)/2/4096*4096],
		"garbled content": garbled,
	} {
		require.NoError(t, os.WriteFile(l.path, content, 0o600))
		_, err := s.Ledger(t.Context(), "offer")
		var damaged *DamagedError
		require.ErrorAs(t, err, &damaged, name)
		assert.ErrorContains(t, err, "restore it from a backup", name)
		after, err := os.ReadFile(l.path)
		require.NoError(t, err)
		assert.Equal(t, content, after, name)
	}
	require.NoError(t, os.WriteFile(l.path, whole, 0o600))
	l = mustLedger(t, s, "offer")
	assert.Equal(t, 5000, countRows(t, l, "SELECT count(*) FROM outcomes"), "and the backup is good")
}

func TestASegmentThatIsGoneIsNotPassedOver(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", []Dataset{people}).Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(0, 3)), Mark: 3}))
	segment := filepath.Join(s.Dir(), "datasets/people/R1-000001.parquet")
	require.NoError(t, os.Remove(segment))
	l.unflagged = false // the ledger has not noted that it was published
	require.NoError(t, l.Close())
	_, err := reopened(t.Context(), s, "offer")
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged)
	assert.ErrorContains(t, err, "R1-000001.parquet")
}

func TestCancellingDoesNotCutACommit(t *testing.T) {
	t.Parallel()
	l := mustLedger(t, mustOpenStore(t), "offer")
	mustBegin(t, l, "R1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, l.Sink("R1", nil).Commit(ctx, pipeline.Commit{Outcomes: outcomesOf(0, 5), Mark: 5}))
	assert.Equal(t, int64(5), l.Counts().Done)
}
