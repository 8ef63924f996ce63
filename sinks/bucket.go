package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// Bucket is a second place for segments. Its methods may be called by several
// goroutines at once, try again by themselves what may get better, and return
// errors that say what to do.
type Bucket interface {
	// Put brings a file there under a name, in place of what has it. It appears
	// whole or not at all, and is kept when Put returns nil.
	Put(ctx context.Context, name, path string) error
	// Remove removes what has a name; nothing there is no error.
	Remove(ctx context.Context, name string) error
	// List calls each for all there is whose name begins with prefix, which may
	// be more than once, until that returns an error.
	List(ctx context.Context, prefix string, each func(name string, size int64) error) error
}

// putsAtOnce is how many files go to a bucket at the same time.
const putsAtOnce = 8

// UploadTo returns the same store, whose ledgers bring each segment to a bucket
// before they commit it, under its path below the store with slashes.
//
// A segment is named by its run and commit. What a process that died had
// uploaded and not committed is written again by the next that does that commit,
// or removed by SettleUploads. A ledger that was opened without a bucket leaves
// it to SettleUploads as well to bring what it had moved into results.
func (s *Store) UploadTo(b Bucket) *Store { return &Store{dir: s.dir, bucket: b} }

// upload brings staged segments to the bucket, before they are committed.
func (l *Ledger) upload(ctx context.Context, segments []segment) error {
	if l.store.bucket == nil {
		return nil
	}
	err := atOnce(segments, func(s segment) error { return l.store.bucket.Put(ctx, s.object(), l.staged(s)) })
	l.crash("upload")
	return err
}

// object is the name of a segment in a bucket.
func (s segment) object() string { return filepath.ToSlash(s.path) }

// SettleUploads makes the bucket, where there is one, agree with the ledger
// about the last run, whose datasets are named: what was not committed leaves
// the bucket, what was and is not there comes. It fails where the bucket can not
// be written or read, so a run finds out before its first call. It is for a run
// that is about to begin or go on.
func (l *Ledger) SettleUploads(ctx context.Context, sets []Dataset) error {
	b := l.store.bucket
	if b == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Says there what the objects beside it are, and whether there is leave to write.
	err := b.Put(ctx, storeMarker, filepath.Join(l.store.dir, storeMarker))
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	runs, err := l.runs(ctx)
	if err != nil || len(runs) == 0 {
		return err
	}
	if err := l.settleUploads(ctx, runs[len(runs)-1].ID, sets); err != nil {
		return fmt.Errorf("upload what run %s committed, and remove what it did not: %w", runs[len(runs)-1].ID, err)
	}
	return nil
}

func (l *Ledger) settleUploads(ctx context.Context, run string, sets []Dataset) error {
	committed, err := l.committed(ctx, run)
	if err != nil {
		return err
	}
	there, err := l.uploaded(ctx, run, sets, committed)
	if err != nil {
		return err
	}
	var strays []string
	for name := range there {
		if _, ok := committed[name]; ok {
			continue
		}
		// What lies in its place was committed, also where the ledger was
		// restored from a backup and does not know.
		_, err := os.Lstat(filepath.Join(l.store.dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			strays = append(strays, name)
		}
	}
	if err := atOnce(strays, func(name string) error { return l.store.bucket.Remove(ctx, name) }); err != nil {
		return err
	}
	var missing []segment
	for name, s := range committed {
		if size, ok := there[name]; !ok || size != s.bytes {
			missing = append(missing, s)
		}
	}
	return atOnce(missing, func(s segment) error {
		err := l.store.bucket.Put(ctx, s.object(), l.placed(s))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // merged with others, or pruned
		}
		return err
	})
}

// committed returns the segments of a run by their names in a bucket.
func (l *Ledger) committed(ctx context.Context, run string) (map[string]segment, error) {
	rows, err := l.duck.conn.QueryContext(ctx, "SELECT path, bytes FROM segments WHERE run_id = ?", run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]segment)
	for rows.Next() {
		s := segment{run: run}
		if err := rows.Scan(&s.path, &s.bytes); err != nil {
			return nil, err
		}
		all[s.object()] = s
	}
	return all, errors.Join(rows.Err(), rows.Close())
}

// uploaded returns the sizes of the objects of a run's segments. They are looked
// for wherever it may have written.
func (l *Ledger) uploaded(ctx context.Context, run string, sets []Dataset, committed map[string]segment) (map[string]int64, error) {
	prefixes := map[string]string{"": path.Join(jobsDir, l.job, resultsDir, run) + "-"}
	for name := range committed {
		if parts := strings.Split(name, "/"); parts[0] == datasetsDir {
			prefixes[parts[1]] = path.Join(parts[:2]...) + "/"
		}
	}
	for _, set := range sets {
		prefixes[set.Name] = path.Join(datasetsDir, set.Name) + "/"
		if set.Snapshot {
			prefixes[set.Name] += runPartition + "=" + run + "/"
		}
	}
	there := make(map[string]int64)
	for _, prefix := range prefixes {
		err := l.store.bucket.List(ctx, prefix, func(name string, size int64) error {
			if base := path.Base(name); strings.HasPrefix(base, run+"-") && !merged(base) {
				there[name] = size
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// atOnce calls do for each, some at a time, and returns what went wrong with
// one of them.
func atOnce[T any](all []T, do func(T) error) error {
	var under sync.WaitGroup
	errs := make(chan error, 1)
	turns := make(chan struct{}, putsAtOnce)
	for _, one := range all {
		if len(errs) > 0 {
			break
		}
		turns <- struct{}{}
		under.Go(func() {
			defer func() { <-turns }()
			if err := do(one); err != nil {
				select {
				case errs <- err:
				default: // they tend to be the same
				}
			}
		})
	}
	under.Wait()
	close(errs)
	return <-errs
}
