package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	prunedDir   = "pruned"       // of the store: what was pruned, and what is being removed
	removingDir = "removing"     // below it: what readers no longer see
	pruningFile = "pruning.json" // of a job: runs whose results are being removed
)

// PruneOptions says what may go.
type PruneOptions struct {
	Before time.Time // what is older goes
	Remove bool      // else it is only said what would go
	// Forget says whether the results of a run may go. Where keys that were done
	// are done only once, their results are what they are known by.
	Forget func(Run) bool
}

// Removal is something that goes as a whole, or went.
type Removal struct {
	Dataset string `json:"dataset,omitempty"`
	Job     string `json:"job,omitempty"`
	Run     string `json:"run_id,omitempty"`
	What    string `json:"what"` // the folder of a partition, "input" or "results"
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`

	paths []string
}

// Kept is something that is old and stays.
type Kept struct {
	Dataset string `json:"dataset,omitempty"`
	Job     string `json:"job,omitempty"`
	What    string `json:"what"`
	Why     string `json:"why"`
}

// Pruned is what goes, or went, and what stays.
type Pruned struct {
	Removed []Removal
	Kept    []Kept
}

// PruneDataset removes what is old of a dataset: of one by date the days that
// ended before, of a snapshot the runs, but of each list the latest and the one
// that it is compared with. A log is kept: what it shows of a key may be old.
// It returns a *LockedError while a job that writes the dataset is run.
//
// Each partition leaves the dataset by being renamed, so a reader finds it whole
// or not at all, also after a crash; and before the first of them goes the store
// knows that nothing from before that day comes back (see PrunedBefore).
func (s *Store) PruneDataset(ctx context.Context, set Dataset, o PruneOptions) (p Pruned, err error) {
	writers, err := s.writers(set)
	if err != nil {
		return p, err
	}
	if o.Remove { // whoever keeps folders in place is waited for before jobs are kept from running
		if err := s.withFolders(ctx, unix.LOCK_EX, func() error { return nil }); err != nil {
			return p, fmt.Errorf("prune dataset %s: %w", set.Name, err)
		}
	}
	done, err := s.quiet(ctx, writers, o.Remove)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, done()) }()
	floor := o.Before.UTC().Truncate(24 * time.Hour)
	switch {
	case len(set.Latest) > 0:
		p.Kept = append(p.Kept, Kept{Dataset: set.Name, What: "everything", Why: "it is a log: what holds now may have been said long ago"})
	case set.Snapshot:
		err = s.withFolders(ctx, unix.LOCK_SH, func() (err error) { p, err = s.oldSnapshots(set, o.Before); return err })
	case set.PartitionBy == "date":
		err = s.withFolders(ctx, unix.LOCK_SH, func() (err error) { p, err = s.oldDays(set, floor); return err })
	default:
		p.Kept = append(p.Kept, Kept{Dataset: set.Name, What: "everything", Why: "it is not parted by date or by run"})
	}
	if err != nil || !o.Remove || len(p.Removed) == 0 {
		return p, err
	}
	if !set.Snapshot {
		if err := s.raiseFloor(set, floor); err != nil {
			return Pruned{}, err
		}
	}
	return p, s.takeAway(ctx, p.Removed)
}

// writers are the jobs that a run of a kind that writes the dataset belongs to.
func (s *Store) writers(set Dataset) (jobs []string, err error) {
	runs, err := s.Runs("")
	for _, r := range runs {
		if slices.Contains(set.Kinds, r.Kind) && !slices.Contains(jobs, r.Job) {
			jobs = append(jobs, r.Job)
		}
	}
	slices.Sort(jobs) // the same order for everybody who takes several
	return jobs, err
}

// quiet sees that no process runs one of the jobs, and with hold that none does
// until the returned function is called. To be held, what the ledgers have
// committed is in its place, and stands in them as such: none will look for it.
func (s *Store) quiet(ctx context.Context, jobs []string, hold bool) (done func() error, err error) {
	var held []*Ledger
	done = func() (err error) {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
		return err
	}
	for _, job := range jobs {
		pid, err := s.Holder(job)
		if err == nil && pid != 0 {
			err = &LockedError{Job: job, PID: pid}
		}
		var l *Ledger
		if err == nil && hold {
			if l, err = s.Ledger(ctx, job); err == nil {
				held = append(held, l)
			}
		}
		if err != nil {
			return nil, errors.Join(err, done())
		}
	}
	return done, nil
}

// oldDays are the partitions of days before the floor, the oldest first.
func (s *Store) oldDays(set Dataset, floor time.Time) (p Pruned, err error) {
	names, err := s.partitions(set)
	for _, name := range names {
		day, errDay := time.Parse(time.DateOnly, strings.TrimPrefix(name, set.PartitionBy+"="))
		if err != nil || errDay != nil || !day.Before(floor) {
			continue
		}
		var r Removal
		if r, err = s.removal(Removal{Dataset: set.Name, What: name}, filepath.Join(s.datasetDir(set), name)); err == nil {
			p.Removed = append(p.Removed, r)
		}
	}
	return p, err
}

// oldSnapshots are the partitions of runs that ended before.
func (s *Store) oldSnapshots(set Dataset, before time.Time) (p Pruned, err error) {
	runs, err := s.runsByID()
	if err != nil {
		return p, err
	}
	names, err := s.partitions(set)
	if err != nil {
		return p, err
	}
	for _, name := range names {
		id := strings.TrimPrefix(name, runPartition+"=")
		run, known := runs.all[id]
		why := ""
		switch {
		case !known:
			why = "no job's history has this run"
		case !ended(run).Before(before):
			continue
		case runs.unfinished[id]:
			why = "the run is not finished: `batch run " + run.Job + "` goes on with it"
		case slices.ContainsFunc(snapshotsOf(set, runs.inOrder), func(of snapshots) bool { return id == of.latest || id == of.before }):
			why = "it is the latest of its list, or the one that is compared with"
		}
		if why != "" {
			p.Kept = append(p.Kept, Kept{Dataset: set.Name, What: name, Why: why})
			continue
		}
		r, err := s.removal(Removal{Dataset: set.Name, Job: run.Job, Run: id, What: name}, filepath.Join(s.datasetDir(set), name))
		if err != nil {
			return p, err
		}
		p.Removed = append(p.Removed, r)
	}
	return p, nil
}

// partitions are the folders of a dataset's partitions, sorted.
func (s *Store) partitions(set Dataset) (names []string, err error) {
	entries, err := os.ReadDir(s.datasetDir(set))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the partitions of dataset %s: %w", set.Name, err)
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), set.PartitionBy+"=") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// knownRuns are the runs of all jobs.
type knownRuns struct {
	inOrder    []Run
	all        map[string]Run
	unfinished map[string]bool // the last of its job, which a process works on or may resume
}

func (s *Store) runsByID() (k knownRuns, err error) {
	k = knownRuns{all: map[string]Run{}, unfinished: map[string]bool{}}
	if k.inOrder, err = s.Runs(""); err != nil {
		return k, err
	}
	jobs, err := s.Jobs()
	for _, job := range jobs {
		var runs []Run
		if runs, err = s.Runs(job); err != nil {
			return k, err
		}
		for i, r := range runs {
			k.all[r.ID] = r
			k.unfinished[r.ID] = i == len(runs)-1 && r.Unfinished()
		}
	}
	return k, err
}

// ended is when a run ended, or began where its process left no word.
func ended(r Run) time.Time {
	if r.FinishedAt.IsZero() {
		return r.StartedAt
	}
	return r.FinishedAt
}

// removal adds to r the paths and what they have.
func (s *Store) removal(r Removal, paths ...string) (Removal, error) {
	r.paths = paths
	for _, path := range paths {
		err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				r.Files, r.Bytes = r.Files+1, r.Bytes+info.Size()
			}
			return err
		})
		if err != nil {
			return r, fmt.Errorf("look at what is old: %w", err)
		}
	}
	return r, nil
}

// takeAway takes partitions out of datasets, and then from the disk. It is done
// by one process at a time, which also removes what one that died has left.
func (s *Store) takeAway(ctx context.Context, removals []Removal) (err error) {
	removing := filepath.Join(s.dir, prunedDir, removingDir)
	if err := mkdirSynced(removing); err != nil {
		return fmt.Errorf("prune: %w", withAdvice(err))
	}
	only, err := lock("(batch prune)", filepath.Join(s.dir, prunedDir, lockFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, only.Close()) }()
	if err := emptyDir(removing); err != nil {
		return fmt.Errorf("prune: %w", withAdvice(err))
	}
	err = s.withFolders(ctx, unix.LOCK_EX, func() error { return takeOut(removals, removing) })
	var dirs []string
	for _, r := range removals {
		for _, path := range r.paths {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		err = errors.Join(err, syncDir(dir))
	}
	if err = errors.Join(err, emptyDir(removing)); err != nil {
		return fmt.Errorf("prune: %w", withAdvice(err))
	}
	return nil
}

// takeOut moves folders out of their datasets.
func takeOut(removals []Removal, to string) error {
	for n, r := range removals {
		for _, path := range r.paths {
			err := os.Rename(path, filepath.Join(to, fmt.Sprintf("%d-%s", n, filepath.Base(path))))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("take %s out of dataset %s: %w", r.What, r.Dataset, err)
			}
			pruneCrash("taken")
		}
	}
	return nil
}

// pruneCrash is called where a crash of a prune hurts most; for tests.
var pruneCrash = func(point string) {}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// floorFile says from when on a dataset is kept.
type floorFile struct {
	Before time.Time `json:"before"`
}

// PrunedBefore returns from which time on a dataset is kept: what is older was
// pruned, and must not be brought again. It is the zero time when nothing was.
func (s *Store) PrunedBefore(set Dataset) (time.Time, error) {
	var floor floorFile
	err := readJSON(s.floorPath(set), &floor)
	return floor.Before, err
}

func (s *Store) floorPath(set Dataset) string {
	return filepath.Join(s.dir, prunedDir, set.Name+".json")
}

// raiseFloor keeps, on disk, that a dataset has nothing from before.
func (s *Store) raiseFloor(set Dataset, floor time.Time) error {
	was, err := s.PrunedBefore(set)
	if err != nil || !was.Before(floor) {
		return err
	}
	if err := mkdirSynced(filepath.Join(s.dir, prunedDir)); err != nil {
		return fmt.Errorf("prune dataset %s: %w", set.Name, withAdvice(err))
	}
	if err := writeFileSynced(s.floorPath(set), fmt.Appendf(nil, "{\"before\": %q}\n", floor.Format(time.RFC3339))); err != nil {
		return fmt.Errorf("keep since when dataset %s is pruned: %w", set.Name, withAdvice(err))
	}
	pruneCrash("floor")
	return nil
}

// Datasets returns those that have a folder: of the declared ones, and of those
// of the user's own naming as snapshots. Files that lie there otherwise are
// nobody's, and no dataset.
func (s *Store) Datasets(declared []Dataset) (sets []Dataset, err error) {
	folders, err := filesIn(filepath.Join(s.dir, datasetsDir), func(name string) bool { return checkName("the dataset", name) == nil })
	if err != nil {
		return nil, fmt.Errorf("list the datasets of the store: %w", err)
	}
	for _, folder := range folders {
		name := filepath.Base(folder)
		i := slices.IndexFunc(declared, func(d Dataset) bool { return d.Name == name })
		if i >= 0 {
			sets = append(sets, declared[i])
			continue
		}
		own := Dataset{Name: name, PartitionBy: runPartition, Snapshot: true, Kinds: []string{listKind}}
		runs, err := s.partitions(own)
		if err != nil {
			return nil, err
		}
		if len(runs) > 0 {
			sets = append(sets, own)
		}
	}
	return sets, nil
}
