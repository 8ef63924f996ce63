package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"convbatch/jobs"
	"convbatch/sinks"
	"convbatch/sources"
)

type takeDownOptions struct {
	spec  jobs.Pusher
	from  sources.Spec
	key   string
	dir   string // relative paths of the job file start here
	store *sinks.Store
	job   string // whose earlier results count
	into  string // a folder that exists
	name  string
}

type takenDown struct {
	input, fates string
	intake       sources.Intake
	decided      sources.Decided
}

// takeDown copies the rows of a job into a folder, and decides what can be
// decided before anything is sent: duplicate keys, keys of earlier runs. What
// is wrong with the input is the user's to mend, so it ends as a usage error:
// nothing was sent.
func takeDown(ctx context.Context, o takeDownOptions) (takenDown, error) {
	t := takenDown{
		input: filepath.Join(o.into, o.name+".parquet"),
		fates: filepath.Join(o.into, o.name+".fates.parquet"),
	}
	views, err := o.store.Views(datasets())
	if err != nil {
		return t, err
	}
	rows, err := sources.Open(ctx, o.from, sources.Options{Dir: o.dir, Setup: views, TempDir: o.into})
	if err != nil {
		return t, badInput(ctx, o.job, err)
	}
	defer rows.Close()
	if err := o.spec.Columns(rows.Columns()); err != nil {
		return t, badInput(ctx, o.job, err)
	}
	if t.intake, err = sources.TakeDown(ctx, rows, t.input, sources.TakeOptions{Key: o.key}); err != nil {
		return t, badInput(ctx, o.job, err)
	}
	earlier, err := o.store.AllResultFiles(o.job)
	if err != nil {
		return t, err
	}
	t.decided, err = sources.Decide(ctx, sources.DecideOptions{
		Input: t.input, Key: o.key, Earlier: earlier, Out: t.fates, TempDir: o.into,
	})
	if err != nil {
		return t, fmt.Errorf("job %s: compare the rows with earlier runs: %w", o.job, sinks.Advise(err))
	}
	return t, nil
}

// badInput says that the rows are at fault, unless the machine is: a full disk
// is not a mistake in the job file.
func badInput(ctx context.Context, job string, err error) error {
	if ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("job %s: keep the input: %w", job, sinks.Advise(err))
	}
	return usageError("job %s: nothing was sent: %w", job, err)
}
