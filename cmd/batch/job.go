package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"convbatch/client"
	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/ratelimit"
	"convbatch/sinks"
	"convbatch/sources"
)

// runner runs the jobs of one process: they share a store, a limiter and a
// connection pool.
type runner struct {
	p       *program
	file    *jobs.File
	store   *sinks.Store
	project *ratelimit.Limiter
	api     *client.Client
	log     *slog.Logger
	stops   *stops
	shows   display
	asks    wish
	traces  *tracing
}

// wish is what the command line asks of jobs beyond running them.
type wish struct {
	resume  bool   // go on although the job's request changed
	restart bool   // give an unfinished run up
	part    part   // of the input of a new run
	retry   bool   // do again what failed in the last run
	inDoubt string // of a retry: resend or done, "" leaves rows in doubt alone
}

// jobRun is one run of one job under way in this process.
type jobRun struct {
	*runner
	job     jobs.Job
	ledger  *sinks.Ledger
	limiter *ratelimit.Limiter
	api     *client.Client
	env     jobs.Env
	trace   *jobTrace

	run      sinks.Run
	position sinks.Position
	resumed  bool
	gives    *sinks.Run      // the unfinished run that the new one takes the place of
	again    *sinks.Run      // the run whose rows the new one does again
	stored   []pipeline.Item // of a resumed run of a pulling kind: those kept so far
	source   pipeline.Source
	worker   pipeline.Worker
	input    *sources.Input // nil for pulling kinds
	repeat   bool           // items may be repeated without harm
}

// do runs one job from the lock to the summary.
func (r *runner) do(job jobs.Job) (s summary) {
	j := &jobRun{runner: r, job: job, trace: r.traces.job(job)}
	defer func() { j.trace.end(s) }()
	s = summary{Job: job.Name, Kind: job.Kind, State: string(sinks.Failed), StartedAt: r.p.now().UTC()}
	err := j.open()
	if err == nil {
		defer func() { j.close(err) }()
		err = j.work()
		s = summarize(j.run, j.resumed)
	}
	if err != nil {
		var locked *sinks.LockedError
		if errors.As(err, &locked) {
			s.State = stateLocked
		}
		if nothing := (*nothingToRetry)(nil); errors.As(err, &nothing) {
			s.State, s.FinishedAt = string(sinks.Completed), r.p.now().UTC()
		}
		if exit := (*exitError)(nil); !errors.As(err, &exit) || exit.err != nil { // else the run says it already
			s.Message = err.Error()
		}
		s.err = err
	}
	return s
}

// open takes the job's lock and gets everything ready: after it, the run
// stands in the ledger and its input in the store.
func (j *jobRun) open() (err error) {
	defer func() {
		if err != nil && j.stops.stopped() {
			err = &exitError{j.stops.exitCode(), fmt.Errorf("stopped before the run began: %w", err)}
		}
	}()
	if j.ledger, err = j.lock(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.close(err)
		}
	}()
	if err := j.ledger.SettleUploads(j.stops.soft, inStore(j.job.Datasets())); err != nil {
		return err
	}
	j.limiter = ratelimit.New(j.job.Limits.Requests.PerSecond()).Under(j.project)
	j.api = j.runner.api.For(j.limiter, append(j.job.ClientOptions(), j.trace.clientOptions()...)...)
	j.env = j.runner.env(j.job, j.api)
	last, err := j.ledger.Last(j.stops.hard)
	if err != nil {
		return err
	}
	// What waits for permission to call must not outlive a first signal.
	defer context.AfterFunc(j.stops.soft, j.limiter.Close)()
	return j.start(last)
}

// close lets go of the job. What comes of that is said, unless something went
// wrong before, of which it is then the echo.
func (j *jobRun) close(cause error) {
	if j.input != nil {
		j.input.Close()
	}
	if err := j.ledger.Close(); err != nil && cause == nil {
		j.log.Error("close the ledger", "job", j.job.Name, "error", err)
	}
}

// lock opens the job's ledger. A reader may have it for a moment, so it is tried
// for two seconds.
func (j *jobRun) lock() (*sinks.Ledger, error) {
	for deadline := time.Now().Add(2 * time.Second); ; {
		ledger, err := j.store.Ledger(j.stops.hard, j.job.Name)
		var locked *sinks.LockedError
		if !errors.As(err, &locked) || time.Now().After(deadline) {
			return ledger, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-j.stops.soft.Done():
			return nil, err
		}
	}
}
