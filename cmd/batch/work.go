package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
	"convbatch/sources"
)

// ready opens the source at the position.
func (j *jobRun) ready() (err error) {
	spec, pushes := j.job.Spec.(jobs.Pusher)
	if !pushes {
		j.source, j.repeat = jobs.ItemSource(j.position.Items), true
		return nil
	}
	folder := j.store.JobDir(j.job.Name)
	j.input, err = sources.OpenInput(filepath.Join(folder, j.run.Input), filepath.Join(folder, j.run.Fates), j.position.Mark)
	if err != nil {
		return err
	}
	if j.resumed { // else it was done when the input was taken down
		if err := learn(j.stops.soft, j.job.Name, spec, j.env); err != nil {
			return err
		}
	}
	if err := spec.Columns(j.input.Columns()); err != nil {
		return &exitError{exitUsage, fmt.Errorf("job %s: %w", j.job.Name, err)}
	}
	j.source = jobs.RowSource(j.input, j.position.Settled, j.position.Claims)
	j.repeat = spec.Idempotent()
	return nil
}

// openWorker opens the kind's worker, which may ask the API about the app.
func (j *jobRun) openWorker() (err error) {
	// What waits for permission to call must not outlive a first signal.
	defer context.AfterFunc(j.stops.soft, j.limiter.Close)()
	switch spec := j.job.Spec.(type) {
	case jobs.Pusher:
		j.worker, err = spec.Open(j.stops.hard, j.env)
	case jobs.Puller:
		j.worker, err = spec.Open(j.stops.hard, j.env, j.stored)
	}
	if errors.Is(err, pipeline.ErrReleased) {
		return pipeline.ErrStopped
	}
	if _, ok := j.worker.(pipeline.GroupWorker); err == nil && !ok && groupSize(j.job) > 1 {
		return fmt.Errorf("kind %s asks for groups of %d rows, and its worker takes one at a time", j.job.Kind, groupSize(j.job))
	}
	return err
}

// work runs the engine and keeps how it ended.
func (j *jobRun) work() error {
	options := pipeline.Options{
		Source: j.source, Worker: j.notedWorker(), Sink: j.sink(),
		InFlight: j.job.Limits.InFlight, Group: groupSize(j.job), Chunk: claimSize(j.job, j.file), Idempotent: j.repeat,
		RunAhead: runAhead, Clock: j.api.Now,
		Mark: j.position.Mark, Settled: j.position.Settled, Next: j.position.NextSeq,
		Guard: j.job.Guard(j.run.Rows, j.run.Failed), Quiet: j.limiter.Close, Cancel: j.api.CancelCalls,
	}
	if j.input == nil { // windows are few and large: they wait for each other to fill segments
		options.InFlight, options.RunAhead = min(options.InFlight, 4), -1
	}
	if options.Group > 1 {
		options.InFlight = min(options.InFlight, jobs.GroupsInFlight)
	}
	options.CommitEvery = commitEvery(j.job, j.repeat)
	engine := pipeline.New(options)
	began := j.p.now()
	before := j.run
	report := j.watch(engine, before, began)
	err := j.openWorker()
	if err == nil {
		err = engine.Run(j.stops.hard, j.stops.soft)
	}
	if err == nil {
		err = j.wrapUp()
	}
	report()

	j.run = j.now(before, engine, began)
	j.run.FinishedAt, j.run.State, j.run.Message = j.p.now().UTC(), sinks.Completed, ""
	switch {
	case errors.Is(err, pipeline.ErrStopped):
		j.run.State, j.run.Message = sinks.Interrupted, "stopped; the same command resumes"
	case err != nil:
		j.run.State, j.run.Message = sinks.Failed, err.Error()
	}
	// The end is kept also when the run was told to stop at once.
	finished, ferr := j.ledger.Finish(context.WithoutCancel(j.stops.hard), j.run)
	if ferr != nil {
		j.run.State = sinks.Failed
		return errors.Join(err, ferr)
	}
	j.run = *finished
	if err := j.ledger.WriteStatus(status{Run: j.run, UpdatedAt: j.p.now().UTC()}); err != nil {
		j.log.Warn("status.json can not be written", "job", j.job.Name, "error", err)
	}
	if errors.Is(err, pipeline.ErrStopped) && j.stops.stopped() {
		return &exitError{j.stops.exitCode(), errors.New(j.run.Message)}
	}
	return err
}

// wrapUp does what the kind has left to do once every row is settled.
func (j *jobRun) wrapUp() error {
	spec, ok := j.job.Spec.(jobs.Finisher)
	if !ok {
		return nil
	}
	defer context.AfterFunc(j.stops.soft, j.limiter.Close)()
	sink := j.sink()
	err := spec.Finish(j.stops.hard, j.env, func(records []pipeline.Record) error {
		return sink.Commit(j.stops.hard, pipeline.Commit{Mark: j.run.Rows, Records: records})
	})
	if errors.Is(err, pipeline.ErrReleased) {
		return pipeline.ErrStopped
	}
	return err
}

// sink takes what the run brings, of which the job may not keep everything.
func (j *jobRun) sink() pipeline.Sink {
	return j.trace.sink(j.job.Keeping(j.ledger.Sink(j.run.ID, inStore(j.job.Written()))))
}

// now is the run as it stands, with what this process added to it.
func (j *jobRun) now(before sinks.Run, engine *pipeline.Engine, began time.Time) sinks.Run {
	run, counts, calls := before, engine.Counts(), j.api.Counters()
	run.Done += counts.States[pipeline.Done]
	run.Failed += counts.States[pipeline.Failed]
	run.Invalid += counts.States[pipeline.Invalid]
	run.Suppressed += counts.States[pipeline.Suppressed]
	run.Skipped += counts.States[pipeline.Skipped]
	run.InDoubt += counts.States[pipeline.InDoubt]
	run.Records += counts.Records
	run.Requests += calls.Requests
	run.Retries += calls.Retries
	run.Throttled += calls.Throttled
	if j.input == nil {
		run.Rows = engine.Known() // windows that windows gave rise to count as well
	}
	run.ElapsedS += j.p.now().Sub(began).Seconds()
	return run
}

const (
	mostClaimed = 1000
	// runAhead is how many rows may be settled beyond one that is not: a row in
	// doubt waits to be looked for, and at 800/s the others go on for two minutes.
	runAhead = 100_000
)

// claimSize is how many items are claimed at a time: a quarter of a second's
// calls, since what is claimed when the machine dies is in doubt; of groups twice
// as many as are worked on at once, so that there is work while results are moved.
func claimSize(job jobs.Job, file *jobs.File) int {
	if group := groupSize(job); group > 1 {
		return 2 * group * jobs.GroupsInFlight
	}
	return int(max(16, min(allowed(job, file).PerSecond()/4, mostClaimed)))
}

// groupSize is how many rows the kind settles with one call.
func groupSize(job jobs.Job) int {
	if spec, ok := job.Spec.(interface{ Group() int }); ok {
		return max(spec.Group(), 1)
	}
	return 1
}

// commitEvery is how long outcomes may wait for their commit, each of which
// makes a file of the records it has. Windows fill segments. Rows that bring
// records wait as long as a repetition of what was sent meanwhile, after a
// crash, is worth fewer files. What must not be repeated does not wait: the
// claims of the next rows take it along.
func commitEvery(job jobs.Job, repeat bool) time.Duration {
	_, pushes := job.Spec.(jobs.Pusher)
	switch {
	case !pushes:
		return 30 * time.Second
	case repeat && len(job.Datasets()) > 0:
		return 5 * time.Second
	}
	return 0 // the engine's own
}

// datasets are those that every reader of the store knows.
func datasets() []sinks.Dataset { return inStore(jobs.Datasets()) }

func inStore(declared []jobs.Dataset) []sinks.Dataset {
	var sets []sinks.Dataset
	for _, d := range declared {
		sets = append(sets, sinks.Dataset{
			Name: d.Name, Row: d.Row, PartitionBy: d.PartitionBy,
			Snapshot: d.Snapshot, Part: d.Part, Kinds: d.Kinds, Latest: d.Latest, OrderBy: d.OrderBy,
		})
	}
	return sets
}

// allowed is the rate that a job may reach: its own, or that of the process.
func allowed(job jobs.Job, file *jobs.File) jobs.Rate {
	return min(job.Limits.Requests, file.Limits.Requests)
}
