package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// PruneJob removes what is old of a job's runs: the input that was taken down
// for the last, unless that is not finished, and the results of those that
// o.Forget lets go. The history stays: it is small, and says where a job that
// reads goes on. It returns a *LockedError while the job is run.
func (s *Store) PruneJob(ctx context.Context, job string, o PruneOptions) (p Pruned, err error) {
	done, err := s.quiet(ctx, []string{job}, o.Remove)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, done()) }()
	runs, err := s.Runs(job)
	if err != nil {
		return p, err
	}
	results := 0
	for i, run := range runs {
		last := i == len(runs)-1
		if !ended(run).Before(o.Before) || last && run.Unfinished() {
			continue
		}
		if last {
			if err := s.oldInput(&p, run); err != nil {
				return p, err
			}
		}
		files, err := s.ResultFiles(job, run.ID)
		switch {
		case err != nil:
			return p, err
		case len(files) == 0:
		case !o.Forget(run):
			results++
		default:
			r, err := s.removal(Removal{Job: job, Run: run.ID, What: "results"}, files...)
			if err != nil {
				return p, err
			}
			p.Removed = append(p.Removed, r)
		}
	}
	if results > 0 {
		p.Kept = append(p.Kept, Kept{Job: job, What: fmt.Sprintf("results of %d runs", results),
			Why: "the job does each key once, and knows by them which were done"})
	}
	if !o.Remove {
		return p, nil
	}
	return p, s.forget(ctx, job, p.Removed)
}

// oldInput adds what was taken down for the last run of a job, the rows first:
// without them the rest is not asked for.
func (s *Store) oldInput(p *Pruned, run Run) error {
	dir := filepath.Join(s.JobDir(run.Job), "input")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the input of job %s: %w", run.Job, err)
	}
	var paths []string
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	if len(paths) == 0 {
		return nil
	}
	rows := filepath.Join(s.JobDir(run.Job), run.Input)
	slices.SortStableFunc(paths, func(a, b string) int {
		switch rows {
		case a:
			return -1
		case b:
			return 1
		}
		return 0
	})
	r, err := s.removal(Removal{Job: run.Job, Run: run.ID, What: "input"}, paths...)
	p.Removed = append(p.Removed, r)
	return err
}

// forget removes inputs and results of a job, whose ledger is held. Results are
// several files: readers leave them out from the moment that all of them go.
func (s *Store) forget(ctx context.Context, job string, removals []Removal) error {
	var runs []string
	for _, r := range removals {
		if r.What == "results" {
			runs = append(runs, r.Run)
			continue
		}
		for _, path := range r.paths { // inputs go first: a retry is made of both
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove the input of run %s: %w", r.Run, withAdvice(err))
			}
			pruneCrash("input")
		}
		if err := syncDir(filepath.Dir(r.paths[0])); err != nil {
			return fmt.Errorf("remove the input of run %s: %w", r.Run, err)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	data, err := json.Marshal(pruning{runs})
	if err == nil { // between two listings, so that each has all of a run's results or none
		err = s.withFolders(ctx, unix.LOCK_EX, func() error { return writeFileSynced(s.pruningPath(job), append(data, '\n')) })
	}
	if err != nil {
		return fmt.Errorf("keep that results of job %s go: %w", job, withAdvice(err))
	}
	pruneCrash("pruning")
	return s.finishPruning(job)
}

// pruning is what stands in a job's folder while results of it are removed.
type pruning struct {
	Runs []string `json:"runs"`
}

func (s *Store) pruningPath(job string) string { return filepath.Join(s.JobDir(job), pruningFile) }

// finishPruning removes the results that a prune, which may have died, was to
// remove. Whoever calls it holds the job.
func (s *Store) finishPruning(job string) error {
	var going pruning
	if err := readJSON(s.pruningPath(job), &going); err != nil || len(going.Runs) == 0 {
		return err
	}
	dir := filepath.Join(s.JobDir(job), resultsDir)
	for _, run := range going.Runs {
		files, err := filesIn(dir, func(name string) bool { return segmentOf(name, run) })
		for _, file := range files {
			err = errors.Join(err, os.Remove(file))
			pruneCrash("results")
		}
		if err != nil {
			return fmt.Errorf("remove results of job %s: %w", job, withAdvice(err))
		}
	}
	err := syncDir(dir)
	if err == nil {
		err = os.Remove(s.pruningPath(job))
	}
	if err == nil {
		err = syncDir(s.JobDir(job))
	}
	if err != nil {
		return fmt.Errorf("remove results of job %s: %w", job, withAdvice(err))
	}
	return nil
}
