package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"convbatch/jobs"
	"convbatch/sinks"
	"convbatch/sources"
)

type takeDownOptions struct {
	spec  jobs.Pusher
	env   jobs.Env
	dir   string // relative paths of the job file start here
	store *sinks.Store
	job   string // whose earlier results count
	into  string // a folder that exists
	name  string
	part  part

	// open opens the rows; nil for those that the job names.
	open func(ctx context.Context) (sources.Rows, error)

	// What becomes of rows whose key is in doubt since an earlier run; see
	// sources.DecideOptions.
	resend bool
	byHand string
}

type takenDown struct {
	o            takeDownOptions
	input, fates string
	intake       sources.Intake
}

// takeDown copies the rows of a job into a folder, and decides what can be
// decided before anything is sent.
func takeDown(ctx context.Context, o takeDownOptions) (*takenDown, error) {
	t, err := copyRows(ctx, o)
	if err == nil {
		err = t.decide(ctx)
	}
	return t, err
}

// copyRows copies the rows of a job into a folder. What is wrong with the input
// is the user's to mend, so it ends as a usage error: nothing was sent.
func copyRows(ctx context.Context, o takeDownOptions) (*takenDown, error) {
	t := &takenDown{
		o:     o,
		input: filepath.Join(o.into, o.name+".parquet"),
		fates: filepath.Join(o.into, o.name+".fates.parquet"),
	}
	if o.open == nil {
		o.open = o.ofJob
	}
	if err := learn(ctx, o.job, o.spec, o.env); err != nil {
		return nil, err
	}
	rows, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if err := o.spec.Columns(rows.Columns()); err != nil {
		return nil, badInput(ctx, o.job, err)
	}
	_, key := o.spec.Input()
	var only *sources.Keyed
	if len(o.part.only) > 0 {
		only = sources.WithKeys(rows, key, o.part.only)
		rows = only
	}
	if t.intake, err = sources.TakeDown(ctx, rows, t.input, sources.TakeOptions{Key: key}); err != nil {
		return nil, badInput(ctx, o.job, err)
	}
	if only != nil && len(only.Missing()) > 0 {
		return nil, badInput(ctx, o.job, fmt.Errorf("--only: no row has the key %s", quotedList(only.Missing())))
	}
	if err := t.gather(ctx); err != nil {
		return nil, badInput(ctx, o.job, err)
	}
	return t, nil
}

// gather takes the input down once more, with those rows first for which the
// kind makes calls, if it makes one for many of them.
func (t *takenDown) gather(ctx context.Context) error {
	gatherer, ok := t.o.spec.(jobs.Gatherer)
	if !ok {
		return nil
	}
	first := gatherer.Gathers()
	if first == nil {
		return nil
	}
	in, err := sources.OpenInput(t.input, "", 0)
	if err != nil {
		return err
	}
	return t.again(ctx, in.Gathered(first))
}

// again takes the input down anew, as the rows that were made of it.
func (t *takenDown) again(ctx context.Context, rows sources.Rows) (err error) {
	t.intake, err = sources.TakeDown(ctx, rows, t.input, sources.TakeOptions{Key: t.intake.Key})
	return errors.Join(err, rows.Close())
}

// ofJob opens the rows that the job names.
func (o takeDownOptions) ofJob(ctx context.Context) (sources.Rows, error) {
	from, _ := o.spec.Input()
	rows, err := o.openInput(ctx, from, o.store.ViewsFor(from.SQL+" "+from.Dataset, datasets()))
	if err != nil {
		return nil, err
	}
	shaper, ok := o.spec.(jobs.Shaper)
	if !ok {
		return rows, nil
	}
	shaped, err := shaper.Shape(ctx, rows)
	if err != nil {
		return nil, badInput(ctx, o.job, errors.Join(err, rows.Close()))
	}
	return shaped, nil
}

// openInput opens an input, which may be a query over views.
func (o takeDownOptions) openInput(ctx context.Context, from sources.Spec, views sinks.Views) (rows sources.Rows, err error) {
	err = o.store.Again(ctx, views, func(statements []string) (err error) {
		if rows, err = sources.Open(ctx, from, sources.Options{Dir: o.dir, Setup: statements, TempDir: o.into}); err != nil {
			return badInput(ctx, o.job, err)
		}
		return nil
	})
	return rows, err
}

// learn lets a kind find out what it has to know before its first row. That may
// show what is wrong with the job file.
func learn(ctx context.Context, job string, spec jobs.Pusher, env jobs.Env) error {
	readier, ok := spec.(jobs.Readier)
	if !ok {
		return nil
	}
	err := readier.Ready(ctx, env)
	if problems := (jobs.Problems)(nil); errors.As(err, &problems) {
		return badInput(ctx, job, err)
	}
	return err
}

// decide finds the rows that need no sending: duplicate keys, keys of earlier
// runs. With a limit it then cuts off the input behind the last row to send.
func (t *takenDown) decide(ctx context.Context) error {
	var earlier, cancelled []string
	if t.o.spec.Once() {
		var err error
		if earlier, err = t.o.store.AllResultFiles(t.o.job); err != nil {
			return err
		}
		batches, err := t.o.store.Cancelled(t.o.job)
		if err != nil { // what was sent can not be told from what was taken back
			return err
		}
		for _, b := range batches {
			cancelled = append(cancelled, b.ID)
		}
	}
	runs, err := t.o.store.Runs(t.o.job)
	if err != nil {
		return err
	}
	var ids []string
	for _, run := range runs {
		ids = append(ids, run.ID)
	}
	_, err = sources.Decide(ctx, sources.DecideOptions{
		Input: t.input, Key: t.intake.Key, Earlier: earlier, Cancelled: cancelled, Runs: ids, Out: t.fates, TempDir: t.o.into,
		Resend: t.o.resend, ByHand: t.o.byHand,
	})
	if err == nil && t.o.part.limit > 0 {
		err = t.cut(ctx)
	}
	if err != nil {
		return fmt.Errorf("job %s: compare the rows with earlier runs: %w", t.o.job, sinks.Advise(err))
	}
	return nil
}

// cut takes the input down once more, up to the last row that the limit lets be
// sent. Fates of rows behind it are never asked for.
func (t *takenDown) cut(ctx context.Context) error {
	in, err := sources.OpenInput(t.input, t.fates, 0)
	if err != nil {
		return err
	}
	left := t.o.part.limit
	return t.again(ctx, in.Until(func(row sources.Row, fate *sources.Fate) bool {
		if fate != nil {
			return false
		}
		if _, err := t.o.spec.Prepare(row); err == nil { // else it is invalid, which its run will say
			left--
		}
		return left == 0
	}))
}

// badInput says that the rows are at fault, unless the machine is: a full disk
// is not a mistake in the job file.
func badInput(ctx context.Context, job string, err error) error {
	if ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("job %s: keep the input: %w", job, sinks.Advise(err))
	}
	return usageError("job %s: nothing was sent: %w", job, err)
}

// quotedList names some of the texts.
func quotedList(texts []string) string {
	const most = 5
	var quoted []string
	for _, text := range texts[:min(len(texts), most)] {
		quoted = append(quoted, fmt.Sprintf("%q", text))
	}
	list := strings.Join(quoted, ", ")
	if more := len(texts) - most; more > 0 {
		list += fmt.Sprintf(" and %s more", count(int64(more)))
	}
	return list
}
