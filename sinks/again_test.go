package sinks

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// late are views that something happened to after they were listed, once for each
// of the things that happen; asked counts how often they were made.
func late(t *testing.T, views Views, asked *int, happens ...func()) Views {
	t.Helper()
	var lists [][]string
	for _, happen := range happens {
		statements, err := views()
		require.NoError(t, err)
		lists = append(lists, statements)
		happen()
	}
	return func() ([]string, error) {
		if *asked++; *asked <= len(lists) {
			return lists[*asked-1], nil
		}
		return views()
	}
}

func TestAQueryIsAskedAgainWhenItsFilesWereMerged(t *testing.T) {
	t.Parallel()
	s, err := OpenStore(filepath.Join(t.TempDir(), "it's [a] *store"))
	require.NoError(t, err)
	mustKeep(t, s, "a", "R1", mails, mailsOf(0, 20), mailsOf(20, 40))
	asked, n := 0, 0
	merge := func(run string) func() {
		return func() {
			mustKeep(t, s, "b", run, mails, mailsOf(0, 20), mailsOf(20, 40))
			mustCompact(t, s, mails)
		}
	}
	views := late(t, s.Views([]Dataset{mails}), &asked, merge("R2"), merge("R3"))
	require.NoError(t, s.Stream(t.Context(), "FROM mails", views, QueryOptions{}, func([]any) error { n++; return nil }))
	assert.Equal(t, 120, n)
	assert.Equal(t, 3, asked)
}

// DuckDB says so when one file of several is gone that it was given by name.
func TestAFileThatIsGoneIsMissed(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustKeep(t, s, "a", "R1", mails, mailsOf(0, 20), mailsOf(20, 40))
	statements, err := s.datasetView(mails)()
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(s.datasetDir(mails), "date=2026-03-01/R1-000001.parquet")))
	asked := 0
	views := func() ([]string, error) { asked++; return statements, nil }
	path := filepath.Join(t.TempDir(), "x.parquet")
	require.ErrorContains(t, s.Export(t.Context(), "FROM mails WHERE date = DATE '2026-03-02'", views, path, QueryOptions{}), "R1-000001.parquet")
	assert.Equal(t, 5, asked, "it does not ask for ever")

	require.NoError(t, os.WriteFile(path+".unfinished", nil, 0o600), "what a kill has left")
	require.NoError(t, s.Export(t.Context(), "FROM mails", s.datasetView(mails), path, QueryOptions{}))
	_, err = os.Stat(filepath.Join(s.dir, "gone"))
	assert.False(t, s.hasMissed(err), "no file of the store's data")
}

func TestWhoMissedFilesTwiceKeepsThemWhereTheyAre(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustKeep(t, s, "a", "R1", mails, mailsOf(0, 20))
	_, gone := os.Stat(filepath.Join(s.datasetDir(mails), "date=2026-03-01/gone.parquet"))
	tries := 0
	err := s.Again(t.Context(), s.datasetView(mails), func([]string) error {
		tries++
		soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		unlock, err := s.lockFolders(soon, unix.LOCK_EX)
		if tries < 3 {
			require.NoError(t, err)
			require.NoError(t, unlock())
			return gone
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 3, tries)
	unlock, err := s.lockFolders(t.Context(), unix.LOCK_EX)
	require.NoError(t, err)
	require.NoError(t, unlock())
}

func TestAQueryIsAskedAgainWhenItsFilesWerePruned(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustArchive(t, s, "R1", "2026-01-01", "2026-01-02", "2026-01-03")
	mustKeep(t, s, "send", "R2", mails, mailsOf(0, 20))
	forgets := func(Run) bool { return true }
	asked := 0
	views := late(t, s.Views([]Dataset{archive}), &asked, func() {
		pruned(t, s, &archive, "", PruneOptions{Before: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), Remove: true})
		pruned(t, s, nil, "send", PruneOptions{Before: noon.AddDate(0, 0, 1), Remove: true, Forget: forgets})
	})
	n := 0
	require.NoError(t, s.Stream(t.Context(), "SELECT id FROM messages UNION ALL SELECT key FROM results WHERE job = 'send'", views, QueryOptions{},
		func([]any) error { n++; return nil }))
	assert.Equal(t, 1, n, "the last day")
	assert.Equal(t, 2, asked)
}

// Who lists files finds all of what is merged or taken away then, or none.
func TestNothingIsMergedOrTakenAwayWhileItIsListed(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustArchive(t, s, "R1", "2026-01-01", "2026-01-02", "2026-01-03")
	mustKeep(t, s, "a", "R2", mails, mailsOf(0, 20), mailsOf(20, 40))
	everything := PruneOptions{Before: noon.AddDate(0, 0, 1), Remove: true, Forget: func(Run) bool { return true }}
	do := map[string]func(context.Context) error{
		"merge":         func(ctx context.Context) error { _, err := s.Compact(ctx, mails, false); return err },
		"prune":         func(ctx context.Context) error { _, err := s.PruneDataset(ctx, archive, everything); return err },
		"prune results": func(ctx context.Context) error { _, err := s.PruneJob(ctx, "a", everything); return err },
	}
	lists := func() []string {
		statements, err := s.Views([]Dataset{archive, mails})()
		require.NoError(t, err)
		return slices.Sorted(slices.Values(statements))
	}
	before := lists()
	require.NoError(t, s.withFolders(t.Context(), unix.LOCK_SH, func() error {
		for what, do := range do {
			soon, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, do(soon), context.DeadlineExceeded, what)
			cancel()
			assert.Equal(t, before, lists(), what)
		}
		return nil
	}))
	floor, err := s.PrunedBefore(archive)
	require.NoError(t, err)
	assert.True(t, floor.IsZero(), "nothing was begun")
	for what, do := range do {
		require.NoError(t, do(t.Context()), what)
		after := lists()
		assert.NotEqual(t, before, after, what)
		before = after
	}
}

// A run that is completed while views are made is in all of them or in none.
func TestTheHistoryOfSnapshotsHasTheLatest(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustExport(t, s, exported{job: "nightly", run: "R1", bodies: map[string]string{"a": "1"}})
	columns, err := contacts.columns()
	require.NoError(t, err)
	views, err := s.viewsOf(contacts, columns, func() ([]Run, error) {
		mustExport(t, s, exported{job: "nightly", run: "R2", bodies: map[string]string{"a": "2"}})
		return s.Runs("")
	})
	require.NoError(t, err)
	for _, m := range views {
		if m.name == "contacts" || m.name == "contacts_history" {
			assert.Contains(t, m.sql, "run_id=R2/", m.name)
		}
	}
}
