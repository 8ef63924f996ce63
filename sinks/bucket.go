package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Bucket is a second place for segments. Its methods may be called by several
// goroutines at once, try again by themselves what may get better, and return
// errors that say what to do.
type Bucket interface {
	// Put brings a file there under a name, in place of what has it. It appears
	// whole or not at all, and is kept when Put returns nil. One that dies may
	// leave a part, whose name is that of the object with .DIGITS.part behind.
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

// SettleUploads makes the bucket, where there is one, agree with the ledger. What
// runs of this ledger uploaded and did not commit leaves it, in the job's results
// and in the folders of datasets, which are those named and those that it has
// ever written. What the last run committed and is not there comes. What is there
// of runs that the ledger does not know stays, for it may be the only copy. It
// fails where the bucket can not be written or read, so a run finds out before
// its first call. It is for a run that is about to begin or go on.
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
	if err := l.settleUploads(ctx, runs, sets); err != nil {
		return fmt.Errorf("upload what job %s committed, and remove what it did not: %w", l.job, err)
	}
	return nil
}

func (l *Ledger) settleUploads(ctx context.Context, runs []Run, sets []Dataset) error {
	committed, err := l.committed(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(runs))
	for _, r := range runs {
		known[r.ID] = true
	}
	bring := make(map[string]segment)
	for name, s := range committed {
		if s.run == runs[len(runs)-1].ID { // what is gone of others, the bucket may have let go
			bring[name] = s
		}
	}
	var strays []string
	for prefix := range l.prefixes(sets, committed) {
		err := l.store.bucket.List(ctx, prefix, func(name string, size int64) error {
			switch s, ok := committed[name]; {
			case ok && s.bytes == size:
				delete(bring, name)
			case ok: // the upload was of a commit that failed, and was made anew without a bucket
				bring[name] = s
			case l.stray(name, known):
				strays = append(strays, name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := atOnce(strays, func(name string) error { return l.store.bucket.Remove(ctx, name) }); err != nil {
		return err
	}
	return atOnce(slices.Collect(maps.Values(bring)), func(s segment) error {
		err := l.store.bucket.Put(ctx, s.object(), l.placed(s))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // merged with others, or pruned
		}
		return err
	})
}

// committed returns all segments that the job has ever committed, also those that
// were merged or pruned since, by their names in a bucket.
func (l *Ledger) committed(ctx context.Context) (map[string]segment, error) {
	rows, err := l.duck.conn.QueryContext(ctx, "SELECT run_id, path, bytes FROM segments")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]segment)
	for rows.Next() {
		var s segment
		if err := rows.Scan(&s.run, &s.path, &s.bytes); err != nil {
			return nil, err
		}
		all[s.object()] = s
	}
	return all, errors.Join(rows.Err(), rows.Close())
}

// prefixes are those of all objects that the job may have written.
func (l *Ledger) prefixes(sets []Dataset, committed map[string]segment) map[string]struct{} {
	all := map[string]struct{}{path.Join(jobsDir, l.job, resultsDir) + "/": {}}
	for name := range committed {
		if parts := strings.SplitN(name, "/", 3); parts[0] == datasetsDir {
			all[path.Join(parts[:2]...)+"/"] = struct{}{}
		}
	}
	for _, set := range sets {
		all[path.Join(datasetsDir, set.Name)+"/"] = struct{}{}
	}
	return all
}

// objectName is the name of a segment, or of a part of one that a Put has left.
var objectName = regexp.MustCompile(`^((.+)-\d{6,}\.parquet)(\.\d+\.part)?$`)

// stray says whether an object that was not committed is what one of the known
// runs uploaded, or a part of that. What lies in its place in the store was
// committed, also where the ledger was restored from a backup and does not know;
// a part of it may be on its way (see Store.Upload).
func (l *Ledger) stray(name string, known map[string]bool) bool {
	dir, base := path.Split(name)
	m := objectName.FindStringSubmatch(base)
	if m == nil || !known[m[2]] || merged(m[1]) {
		return false
	}
	_, err := os.Lstat(filepath.Join(l.store.dir, filepath.FromSlash(dir+m[1])))
	return errors.Is(err, fs.ErrNotExist)
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
