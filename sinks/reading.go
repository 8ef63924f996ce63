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
	"time"
)

// Status is what a job last said of itself, and whether that still holds.
type Status struct {
	Job     string
	PID     int             // of the process that has the job now; 0 for none
	Said    json.RawMessage // status.json; nil when there is none
	Written time.Time       // when it was written; zero when there is none
}

// Jobs returns the names of the jobs that the store knows, sorted.
func (s *Store) Jobs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, jobsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the jobs of the store: %w", err)
	}
	var jobs []string
	for _, e := range entries {
		if e.IsDir() && checkName("the job's name", e.Name()) == nil {
			jobs = append(jobs, e.Name())
		}
	}
	return jobs, nil
}

// Holder returns the process that has the job now, 0 when none has.
func (s *Store) Holder(job string) (pid int, err error) { return holder(s.ledgerPath(job)) }

// Statuses returns what each job last said of itself. It stands in no job's way.
func (s *Store) Statuses() ([]Status, error) {
	jobs, err := s.Jobs()
	if err != nil {
		return nil, err
	}
	all := make([]Status, 0, len(jobs))
	for _, job := range jobs {
		status := Status{Job: job}
		path := filepath.Join(s.JobDir(job), statusFile)
		if err := readJSON(path, &status.Said); err != nil {
			return nil, err
		}
		if info, err := os.Stat(path); err == nil {
			status.Written = info.ModTime().UTC()
		}
		if status.PID, err = s.Holder(job); err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// Runs returns the runs of a job, or of every job when job is "", the oldest
// first. A run that nobody runs any more is interrupted. It stands in no job's way.
func (s *Store) Runs(job string) ([]Run, error) {
	jobs := []string{job}
	if job == "" {
		var err error
		if jobs, err = s.Jobs(); err != nil {
			return nil, err
		}
	}
	var all []Run
	for _, job := range jobs {
		// Looked at before the history: a run that ends in between was running.
		pid, err := s.Holder(job)
		if err != nil {
			return nil, err
		}
		var runs []Run
		if err := readJSON(filepath.Join(s.JobDir(job), runsFile), &runs); err != nil {
			return nil, fmt.Errorf("%w; the next run of job %s writes this file anew, nothing is lost with it", err, job)
		}
		for i := range runs {
			if runs[i].State == Running && pid == 0 {
				runs[i].State = Interrupted
			}
		}
		all = append(all, runs...)
	}
	if job != "" {
		return all, nil // in the order in which they began, whatever the clock said
	}
	slices.SortStableFunc(all, func(a, b Run) int { return a.StartedAt.Compare(b.StartedAt) })
	return all, nil
}

// ResultFiles returns the published results of a run, in the order in which
// they were published. Each is whole; of a run under way there may be more to come.
func (s *Store) ResultFiles(job, run string) ([]string, error) {
	return s.resultFiles(job, func(name string) bool { return segmentOf(name, run) })
}

// AllResultFiles returns the published results of every run of a job, also of
// runs that a ledger restored from a backup does not know: what was done was done.
func (s *Store) AllResultFiles(job string) ([]string, error) {
	return s.resultFiles(job, func(name string) bool { return filepath.Ext(name) == ".parquet" })
}

// resultFiles returns the results of a job whose names match, without those of
// runs that are being pruned.
func (s *Store) resultFiles(job string, match func(name string) bool) ([]string, error) {
	var going pruning
	if err := readJSON(s.pruningPath(job), &going); err != nil {
		return nil, err
	}
	files, err := filesIn(filepath.Join(s.JobDir(job), resultsDir), func(name string) bool {
		return match(name) && !slices.ContainsFunc(going.Runs, func(run string) bool { return segmentOf(name, run) })
	})
	if err != nil {
		return nil, fmt.Errorf("list the results of job %s: %w", job, err)
	}
	return files, nil
}

// filesIn returns the paths of the entries of a folder whose names match, none
// when there is no such folder.
func filesIn(dir string, match func(name string) bool) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if match(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// segmentOf says whether a file is named <run>-<digits>.parquet.
func segmentOf(name, run string) bool {
	const tail = "-000000.parquet"
	n := len(name) - len(run)
	return n >= len(tail) && name[:len(run)] == run && name[len(run)] == '-' && filepath.Ext(name) == ".parquet" &&
		!slices.ContainsFunc([]byte(name[len(run)+1:len(name)-len(".parquet")]), func(b byte) bool { return b < '0' || b > '9' })
}

// Results returns the files with all results of a run. When the run's process
// died, what it had committed is first brought from the ledger into its place,
// for which the ledger is open a moment; the run can be resumed as before.
// While a process runs the job it returns what is published, and a
// *LockedError beside it.
func (s *Store) Results(ctx context.Context, job, run string) ([]string, error) {
	files, err := s.results(ctx, job, run)
	if err != nil {
		var locked *LockedError
		if errors.As(err, &locked) {
			files, errFiles := s.ResultFiles(job, run)
			return files, errors.Join(err, errFiles)
		}
		return nil, err
	}
	return files, nil
}

func (s *Store) results(ctx context.Context, job, run string) ([]string, error) {
	if err := s.Settle(ctx, job); err != nil {
		return nil, err
	}
	return s.ResultFiles(job, run)
}

// Settle brings what a process that died had committed from the job's ledger
// into its place, where every reader finds it, and writes a history that can
// not be read anew. It does nothing when the last run ended in order, and
// returns a *LockedError when a process runs the job.
func (s *Store) Settle(ctx context.Context, job string) (err error) {
	var runs []Run
	unread := readJSON(filepath.Join(s.JobDir(job), runsFile), &runs)
	pid, err := s.Holder(job)
	switch {
	case err != nil:
		return err
	case pid != 0:
		return &LockedError{Job: job, PID: pid}
	case unread != nil: // opening the ledger writes the history anew
	case len(runs) == 0 || runs[len(runs)-1].State != Running:
		return nil
	}
	l, err := s.Ledger(ctx, job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return l.settle(ctx)
}

func (l *Ledger) settle(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	runs, err := l.runs(ctx)
	if err != nil || len(runs) == 0 {
		return err
	}
	at, err := l.position(ctx, runs[len(runs)-1].ID)
	if err != nil {
		return err
	}
	if err := l.move(ctx, at); err != nil {
		return fmt.Errorf("bring the results of job %s into place: %w", l.job, withAdvice(err))
	}
	return nil
}
