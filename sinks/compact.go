package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sys/unix"
)

// Bounds of what is merged: files of half the first or more stay as they are.
const (
	compactBytes = 128 << 20
	compactFiles = 24 // at a time, for each holds a page of every column in memory
)

// compactingDir is where merged files are made. What lies there at a start is
// the rest of a crash: either not yet in its place, or no longer.
const compactingDir = "compacting"

// listing is for how long the files that were merged stay where they are, for
// readers who were reading the names in their folder when it was put away.
const listing = time.Second

// Compaction is what Compact did, or would do.
type Compaction struct {
	Dataset     string `json:"dataset"`
	Folders     int    `json:"folders"` // that have other files now
	FilesBefore int    `json:"files_before"`
	FilesAfter  int    `json:"files_after"`
	BytesBefore int64  `json:"bytes_before"`
	BytesAfter  int64  `json:"bytes_after"` // as before where nothing was done
	Rows        int64  `json:"rows"`        // that were written anew
	Left        int    `json:"left"`        // small files of runs under way, or that can be resumed
}

// CompactingError says that another process merges files of the store.
type CompactingError struct{ Dir string }

func (e *CompactingError) Error() string {
	return fmt.Sprintf("another process merges files of the store %s; wait for it or stop it", e.Dir)
}

// ErrNoDataset says that a store has no files of a dataset.
var ErrNoDataset = errors.New("there are no files of this dataset")

// Compact merges the small files in each folder of a dataset into larger ones.
// With plan it only says what it would do. Jobs may run, and readers may read:
// at any moment, and when the process dies at any moment, a folder has either
// its old files or the new ones. Rows are neither lost nor there twice, which is
// verified before the old files go. It returns a *CompactingError when another
// process is at it.
//
// The files of a run that is under way, or can be resumed, are left. Records
// that have a column accept_time are merged in its order, all else in the order
// in which it was committed.
func (s *Store) Compact(ctx context.Context, set Dataset, plan bool) (c Compaction, err error) {
	c.Dataset = set.Name
	if err := checkName("the dataset", set.Name); err != nil {
		return c, err
	}
	folders, err := foldersOf(s.datasetDir(set))
	if err == nil && len(folders) == 0 {
		err = fmt.Errorf("%s: %w", set.Name, ErrNoDataset)
	}
	if err != nil {
		return c, err
	}
	w := &compactor{store: s, set: set, plan: plan, found: &c, crash: crashes}
	if !plan {
		unlock, err := w.begin(ctx)
		if err != nil {
			return c, err
		}
		defer func() { err = errors.Join(err, w.clear(ctx), unlock()) }()
	}
	if w.settled, err = s.settledRuns(ctx); err != nil {
		return c, err
	}
	for _, folder := range folders {
		if err := w.compact(ctx, folder); err != nil {
			return c, fmt.Errorf("merge the files in %s: %w; nothing is lost, the same command goes on", folder, withAdvice(err))
		}
	}
	return c, nil
}

// foldersOf lists the folders below dir that have Parquet files in them.
func foldersOf(dir string) (folders []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".parquet" && !slices.Contains(folders, filepath.Dir(path)) {
			folders = append(folders, filepath.Dir(path))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return folders, err
}

// crashes is a call where a crash hurts most, for tests.
var crashes = func(point string) {}

// compactor compacts one dataset.
type compactor struct {
	store   *Store
	set     Dataset
	plan    bool
	found   *Compaction
	settled map[string]bool // runs whose files may go
	away    time.Time       // when a folder was put away last
	crash   func(point string)
}

// begin takes the lock, and removes what a crash has left, once nobody reads the
// names in a folder that was put away just before it.
func (w *compactor) begin(ctx context.Context) (unlock func() error, err error) {
	dir := filepath.Join(w.store.dir, compactingDir)
	if err := mkdirSynced(dir); err != nil {
		return nil, fmt.Errorf("make room for merged files: %w", withAdvice(err))
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &CompactingError{Dir: w.store.dir}
	}
	if err == nil {
		w.away, err = lastChange(f)
	}
	if err == nil {
		err = w.clear(ctx)
	}
	if w.away = (time.Time{}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// lastChange is when something came into a folder or left it, now at the latest;
// zero where nothing is in it.
func lastChange(folder *os.File) (time.Time, error) {
	switch names, err := folder.Readdirnames(1); {
	case errors.Is(err, io.EOF):
		return time.Time{}, nil
	case err != nil || len(names) == 0:
		return time.Time{}, err
	}
	info, err := folder.Stat()
	if err != nil {
		return time.Time{}, err
	}
	if now := time.Now(); info.ModTime().After(now) { // the clock was set back
		return now, nil
	}
	return info.ModTime(), nil
}

func (w *compactor) remove() error {
	dir := filepath.Join(w.store.dir, compactingDir)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		return fmt.Errorf("remove files that were merged: %w", err)
	}
	return nil
}

// clear removes the files that were merged, once nobody reads their names.
func (w *compactor) clear(ctx context.Context) error {
	select {
	case <-time.After(time.Until(w.away.Add(listing))):
		return w.remove()
	case <-ctx.Done():
		return nil // the next one does
	}
}

// compact merges the files of one folder until there is nothing to merge.
func (w *compactor) compact(ctx context.Context, folder string) error {
	all, err := w.store.dataFiles(folder, w.settled)
	if err != nil {
		return err
	}
	batches, left := batchesOf(all)
	c := w.found
	c.FilesBefore, c.BytesBefore, c.Left = c.FilesBefore+len(all), c.BytesBefore+weightOf(all), c.Left+left
	if len(batches) > 0 {
		c.Folders++
	}
	if w.plan {
		c.FilesAfter, c.BytesAfter = c.FilesAfter+len(all), c.BytesAfter+weightOf(all)
		for _, batch := range batches {
			c.FilesAfter -= len(batch) - 1
			c.Rows += rowsOf(batch)
		}
		return nil
	}
	for len(batches) > 0 {
		if err := w.replace(ctx, folder, batches); err != nil {
			return err
		}
		if all, err = w.store.dataFiles(folder, w.settled); err != nil {
			return err
		}
		batches, _ = batchesOf(all)
	}
	c.FilesAfter, c.BytesAfter = c.FilesAfter+len(all), c.BytesAfter+weightOf(all)
	return nil
}

// replace puts one file in the place of each batch of a folder: it makes a
// folder with the new files and whatever else is in the old one, and lets the
// two change places.
func (w *compactor) replace(ctx context.Context, folder string, batches [][]dataFile) error {
	if !w.away.IsZero() && time.Since(w.away) > listing { // so that not all is there twice
		if err := w.remove(); err != nil {
			return err
		}
		w.away = time.Time{}
	}
	fresh, err := os.MkdirTemp(filepath.Join(w.store.dir, compactingDir), "*") // 0700
	if err != nil {
		return err
	}
	gone := make(map[string]os.FileInfo)
	for _, batch := range batches {
		rows, err := w.mergeBatch(ctx, fresh, batch)
		if err != nil {
			return errors.Join(err, os.RemoveAll(fresh))
		}
		w.found.Rows += rows
		for _, f := range batch {
			gone[f.name] = f.info
		}
	}
	w.crash("swap")
	// No segment may come into the old folder from here on: nobody would see it.
	err = w.store.withFolders(ctx, unix.LOCK_EX, func() error { return w.swap(folder, fresh, gone) })
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	w.away = time.Now()
	w.crash("remove")
	return nil
}

// mergeBatch makes one file of a batch and holds it against those it is made of.
func (w *compactor) mergeBatch(ctx context.Context, dir string, batch []dataFile) (rows int64, err error) {
	schema, column := batch[0].schema, ""
	if w.set.Row != nil {
		ours, err := w.set.schema()
		if err != nil {
			return 0, err
		}
		if parquet.EqualNodes(ours, schema) {
			schema = ours // which says how columns are best written
		}
		if _, ok := ours.Lookup(acceptTime); ok && !w.set.Snapshot && len(w.set.Latest) == 0 {
			column = acceptTime
		}
	}
	paths := make([]string, len(batch))
	for i, f := range batch {
		paths[i] = f.path
	}
	to := filepath.Join(dir, batch[len(batch)-1].successor())
	want, err := merge(ctx, to, schema, paths, column)
	if err != nil {
		return 0, err
	}
	w.crash("verify")
	got, err := read(ctx, to)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read what was merged: %w", err)
	case got != want || got.rows != rowsOf(batch):
		return 0, fmt.Errorf("what was merged has %d rows and is not what the %d files hold, which have %d: it is not used",
			got.rows, len(batch), rowsOf(batch))
	}
	return got.rows, nil
}

// swap lets two folders change places, when all that is to be gone from the old
// one is in the new, and all else there as well.
func (w *compactor) swap(folder, fresh string, gone map[string]os.FileInfo) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	met := 0
	for _, e := range entries {
		was, merged := gone[e.Name()]
		if !merged {
			if err := os.Link(filepath.Join(folder, e.Name()), filepath.Join(fresh, e.Name())); err != nil {
				return fmt.Errorf("take %s along: %w", e.Name(), err)
			}
			continue
		}
		now, err := e.Info()
		if err != nil || !os.SameFile(was, now) || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) {
			return errors.Join(fmt.Errorf("%s was changed while it was read", e.Name()), err)
		}
		met++
	}
	if met != len(gone) {
		return fmt.Errorf("%d of the %d files that were merged are gone from it", len(gone)-met, len(gone))
	}
	w.crash("exchange")
	if err := syncDir(fresh); err != nil {
		return err
	}
	if err := exchange(fresh, folder); err != nil {
		return fmt.Errorf("let it change places with %s: the file system has to know how to (ext4, xfs, btrfs and tmpfs do): %w", fresh, err)
	}
	w.crash("swapped")
	return errors.Join(syncDir(filepath.Dir(folder)), syncDir(filepath.Dir(fresh)))
}
