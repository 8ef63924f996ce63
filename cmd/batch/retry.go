package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
	"convbatch/sources"
)

// What a retry may be told of rows in doubt.
const (
	doubtResend = "resend" // send them again: the user accepts a double
	doubtDone   = "done"   // the user found out that they arrived
)

func (p *program) retryCommand() *cli.Command {
	return &cli.Command{
		Name:  "retry",
		Usage: "run again the failed rows of the last run and, on request, those in doubt",
		Description: "A new run over the rows that failed in the last one, as they were taken down then; the job is as it\n" +
			"is now. Rows in doubt, which may have arrived, are left alone unless --in-doubt decides about them:\n" +
			"resend sends them again, done keeps them as done.",
		UsageText: "batch retry spring-offer\n" +
			"batch retry --in-doubt resend spring-offer   # once it is known that none arrived",
		ArgsUsage: "JOB",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "in-doubt", Usage: "what becomes of rows in doubt: resend or done", EnvVars: []string{"BATCH_IN_DOUBT"}},
		}, slices.Concat(tellFlags(), metricsFlags())...),
		Action: p.retryJob,
	}
}

func (p *program) retryJob(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError("retry: name one job, for example `batch retry spring-offer`")
	}
	asks := wish{retry: true, inDoubt: c.String("in-doubt")}
	if asks.inDoubt != "" && asks.inDoubt != doubtResend && asks.inDoubt != doubtDone {
		return usageError("--in-doubt %q: want resend, which sends the rows again, or done, which keeps them as done", asks.inDoubt)
	}
	return p.runAll(c, func(chosen []jobs.Job) (wish, error) {
		if _, pulls := chosen[0].Spec.(jobs.Puller); pulls {
			return asks, usageError("retry: job %s is of kind %s, which has no rows; `batch run %[1]s` reads what is missing", chosen[0].Name, chosen[0].Kind)
		}
		return asks, nil
	})
}

// nothingToRetry says why there is nothing to retry, which is no failure.
type nothingToRetry struct{ why string }

func (n *nothingToRetry) Error() string { return "nothing to retry: " + n.why }

// startRetry begins a run over the rows of the last one that failed, or goes on
// with such a run that is not finished.
func (j *jobRun) startRetry(last *sinks.Run) error {
	switch {
	case last == nil:
		return usageError("job %s never ran: there is nothing to retry, `batch run %[1]s` begins", j.job.Name)
	case noteOf(*last).GivenUp:
		return usageError("job %s: run %s was given up, and none took its place: `batch run %[1]s` begins one", j.job.Name, last.ID)
	case !last.Unfinished():
		return j.retry(last)
	case noteOf(*last).RetryOf == "":
		return usageError("job %s: run %s is not finished, %d of its %d rows are left: `batch run %[1]s` finishes it, then `batch retry %[1]s` takes the rows that failed",
			j.job.Name, last.ID, last.Rows-last.Settled(), last.Rows)
	case j.asks.inDoubt != "" && j.asks.inDoubt != noteOf(*last).InDoubt:
		return usageError("job %s: the retry %s, which is not finished, was not begun with --in-doubt %s: finish it with `batch retry %[1]s`, then decide about rows in doubt",
			j.job.Name, last.ID, j.asks.inDoubt)
	}
	return j.goOn(*last)
}

func (j *jobRun) retry(last *sinks.Run) error {
	spec, pushes := j.job.Spec.(jobs.Pusher)
	if !pushes || last.Kind != j.job.Kind {
		return usageError("job %s: run %s is of kind %s, and the job is of kind %s now: `batch run %[1]s` begins a run of it",
			j.job.Name, last.ID, last.Kind, j.job.Kind)
	}
	if last.Counts.Failed == 0 && (last.InDoubt == 0 || j.asks.inDoubt == "") {
		return nothing(*last)
	}
	if err := j.sameKey(spec, *last); err != nil {
		return err
	}
	j.again = last
	return j.begin()
}

// nothing says that the last run left nothing to retry. Rows in doubt still ask
// for somebody's decision, as they do after every run.
func nothing(last sinks.Run) error {
	n := &nothingToRetry{fmt.Sprintf("no row of run %s failed", last.ID)}
	if last.Invalid > 0 {
		n.why += fmt.Sprintf("; %s invalid, and sent by the next run once the input is mended", plural(last.Invalid, "row"))
	}
	if last.InDoubt == 0 {
		return &exitError{exitDone, n}
	}
	n.why += "; " + decideDoubt(last.Job, last.InDoubt)
	return &exitError{exitIncomplete, n}
}

// decideDoubt says how a person decides about rows in doubt.
func decideDoubt(job string, rows int64) string {
	return fmt.Sprintf("%s in doubt: `batch retry --in-doubt %s %s` sends what may have arrived again, `--in-doubt %s` keeps it as done",
		plural(rows, "row"), doubtResend, job, doubtDone)
}

// sameKey sees that rows have the keys that they had in the last run: what is
// known of them is known by these.
func (j *jobRun) sameKey(spec jobs.Pusher, last sinks.Run) error {
	in, err := sources.OpenInput(filepath.Join(j.store.JobDir(j.job.Name), last.Input), "", 0)
	if errors.Is(err, os.ErrNotExist) {
		return usageError("job %s: the input of run %s is no longer kept; `batch run %[1]s` sends the rows that failed from the job's own input", j.job.Name, last.ID)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	_, key := spec.Input()
	if was := in.Columns()[in.Key()].Name; was != key {
		return usageError("job %s: run %s has the key %s, and the job has the key %s now: undo the change to retry its rows", j.job.Name, last.ID, was, key)
	}
	return nil
}

// ofRetry says where the rows of a retry come from: its input is that of the
// run before, without the rows that need nothing. Rows in doubt are among them
// in any case, so that they are not forgotten.
func (j *jobRun) ofRetry(o *takeDownOptions) {
	j.run.Data = note{RetryOf: j.again.ID, InDoubt: j.asks.inDoubt}.data()
	o.open = j.openAgain
	o.resend = j.asks.inDoubt == doubtResend
	if j.asks.inDoubt == doubtDone {
		o.byHand = "said to be done by hand on " + j.run.StartedAt.Format(time.DateOnly)
	}
}

// openAgain opens the rows of the run before that failed or are in doubt.
func (j *jobRun) openAgain(ctx context.Context) (sources.Rows, error) {
	results, err := j.store.ResultFiles(j.job.Name, j.again.ID)
	if err != nil {
		return nil, err
	}
	folder := j.store.JobDir(j.job.Name)
	states := filepath.Join(folder, "input", j.run.ID+".states.parquet")
	err = sources.FatesOfRun(ctx, results, []string{string(pipeline.Failed), string(pipeline.InDoubt)}, states, filepath.Dir(states))
	if err != nil {
		return nil, err
	}
	in, err := sources.OpenInput(filepath.Join(folder, j.again.Input), states, 0)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(states); err != nil { // it is open, and read to its end
		return nil, errors.Join(err, in.Close())
	}
	return in.Fated(), nil
}
