package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

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
	resume  bool // go on although the job's request changed
}

// jobRun is one run of one job under way in this process.
type jobRun struct {
	*runner
	job     jobs.Job
	ledger  *sinks.Ledger
	limiter *ratelimit.Limiter
	api     *client.Client
	env     jobs.Env

	run      sinks.Run
	position sinks.Position
	resumed  bool
	source   pipeline.Source
	worker   pipeline.Worker
	input    *sources.Input // nil for pulling kinds
	repeat   bool           // items may be repeated without harm
}

// do runs one job from the lock to the summary.
func (r *runner) do(job jobs.Job) summary {
	j := &jobRun{runner: r, job: job}
	s := summary{Job: job.Name, Kind: job.Kind, State: string(sinks.Failed), StartedAt: r.p.now().UTC()}
	err := j.open()
	if err == nil {
		defer func() { j.close(err) }()
		err = j.work()
		s = summarize(j.run, j.resumed)
	}
	if err != nil {
		var locked *sinks.LockedError
		if errors.As(err, &locked) {
			s.State = "locked"
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
	if j.ledger, err = j.lock(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.close(err)
		}
	}()
	j.limiter = ratelimit.New(j.job.Limits.Requests.PerSecond()).Under(j.project)
	j.api = j.runner.api.For(j.limiter, j.job.ClientOptions()...)
	j.env = jobs.Env{
		Client: j.api, Project: j.file.API.Project, App: j.job.App, Now: j.p.now,
		Log: j.log.With("job", j.job.Name), Archived: j.archived, Newest: j.newest,
	}
	last, err := j.ledger.Last(j.stops.hard)
	if err != nil {
		return err
	}
	// What waits for permission to call must not outlive a first signal.
	defer context.AfterFunc(j.stops.soft, j.limiter.Close)()
	if last != nil && last.Unfinished() {
		err = j.goOn(*last)
	} else {
		err = j.begin(last)
	}
	if err != nil && j.stops.stopped() {
		return &exitError{j.stops.exitCode(), fmt.Errorf("stopped before the run began: %w", err)}
	}
	return err
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

// begin begins a new run.
func (j *jobRun) begin(last *sinks.Run) error {
	j.run = sinks.Run{
		Job: j.job.Name, ID: ulid.Make().String(), Kind: j.job.Kind,
		State: sinks.Running, StartedAt: j.p.now().UTC(),
	}
	j.env.RunID = j.run.ID
	var items []pipeline.Item
	var err error
	switch spec := j.job.Spec.(type) {
	case jobs.Pusher:
		err = j.takeDown(spec)
	case jobs.Puller:
		var data json.RawMessage
		if last != nil {
			data = last.Data
		}
		var b jobs.Beginning
		b, err = spec.Begin(j.stops.soft, j.env, data)
		items, j.run.Data, j.run.Rows, j.run.Request = b.Items, b.Data, int64(len(b.Items)), spec.Digest(j.env)
	default:
		err = fmt.Errorf("kind %s neither pushes nor pulls", j.job.Kind)
	}
	if err == nil {
		err = j.ledger.Begin(j.stops.hard, j.run, items)
	}
	if err != nil {
		if now, errLast := j.ledger.Last(j.stops.hard); errLast == nil && (now == nil || now.ID != j.run.ID) {
			j.dropInputs(func(name string) bool { return strings.HasPrefix(name, j.run.ID) }) // no run needs it
		}
		return err
	}
	// Those of runs before were needed until this one began.
	j.dropInputs(func(name string) bool { return !strings.HasPrefix(name, j.run.ID) })
	j.position = sinks.Position{Items: items, NextSeq: max(j.run.Rows, int64(len(items)))}
	return j.ready(nil)
}

// goOn resumes a run that was not finished.
func (j *jobRun) goOn(last sinks.Run) error {
	j.run, j.resumed = last, true
	j.env.RunID = last.ID
	j.run.Requests, j.run.Retries, j.run.Throttled, j.run.ElapsedS = j.saidLast(last)
	if err := j.unchanged(last); err != nil {
		return err
	}
	position, err := j.ledger.Resume(j.stops.hard, last.ID)
	if err != nil {
		return err
	}
	j.position = *position
	var stored []pipeline.Item
	if _, ok := j.job.Spec.(jobs.Puller); ok {
		if stored, err = j.ledger.StoredItems(j.stops.hard, last.ID); err != nil {
			return err
		}
	}
	return j.ready(stored)
}

// saidLast returns the counters of calls of an unfinished run. Of a process that
// was killed they are those of its last status, half a second old at most: the
// ledger has them from orderly ends alone.
func (j *jobRun) saidLast(last sinks.Run) (requests, retries, throttled int64, elapsed float64) {
	requests, retries, throttled, elapsed = last.Requests, last.Retries, last.Throttled, last.ElapsedS
	var said status
	all, err := j.store.Statuses()
	for _, s := range all {
		if err == nil && s.Job == j.job.Name && s.Said != nil && json.Unmarshal(s.Said, &said) == nil && said.ID == last.ID {
			requests, retries = max(requests, said.Requests), max(retries, said.Retries)
			throttled, elapsed = max(throttled, said.Throttled), max(elapsed, said.ElapsedS)
		}
	}
	return requests, retries, throttled, elapsed
}

// unchanged says how the job differs from the one that an unfinished run was
// begun for.
func (j *jobRun) unchanged(last sinks.Run) error {
	if last.Kind != j.job.Kind {
		return usageError("job %s: run %s, which is not finished, is of kind %s, and the job is of kind %s now: give the new job another name",
			j.job.Name, last.ID, last.Kind, j.job.Kind)
	}
	switch spec := j.job.Spec.(type) {
	case jobs.Puller:
		if last.Request != spec.Digest(j.env) {
			return usageError("job %s: run %s, which is not finished, is about another app: undo the change to finish it, or give the job of the new app another name",
				j.job.Name, last.ID)
		}
	case jobs.Pusher:
		if last.Request != spec.Digest() && !j.runner.resume {
			return usageError("job %s: the request, the app or the key changed since run %s was interrupted, and %d of its %d rows are not settled; "+
				"`batch run --resume %s` sends the rest as the job is now, undoing the change sends it as it was",
				j.job.Name, last.ID, last.Rows-last.Settled(), last.Rows, j.job.Name)
		}
	}
	return nil
}

// takeDown copies the input into the store and decides what can be decided
// before anything is sent.
func (j *jobRun) takeDown(spec jobs.Pusher) error {
	from, key := spec.Input()
	dir := filepath.Join(j.store.JobDir(j.job.Name), "input")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make room for the input: %w", err)
	}
	taken, err := takeDown(j.stops.soft, takeDownOptions{
		spec: spec, from: from, key: key, dir: j.file.Dir, store: j.store,
		job: j.job.Name, into: dir, name: j.run.ID,
	})
	if err != nil {
		return err
	}
	j.run.Input = filepath.Join("input", filepath.Base(taken.input))
	j.run.Fates = filepath.Join("input", filepath.Base(taken.fates))
	j.run.Fingerprint, j.run.Rows, j.run.Request = taken.intake.Fingerprint, taken.intake.Rows, spec.Digest()
	return nil
}

// dropInputs removes inputs that were taken down; they are people's data. What
// can not be removed now is removed when the next run begins.
func (j *jobRun) dropInputs(drop func(name string) bool) {
	dir := filepath.Join(j.store.JobDir(j.job.Name), "input")
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if drop(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		j.log.Warn("inputs that are not needed can not be removed", "job", j.job.Name, "error", err)
	}
}

// ready opens source and worker at the position.
func (j *jobRun) ready(stored []pipeline.Item) (err error) {
	switch spec := j.job.Spec.(type) {
	case jobs.Pusher:
		folder := j.store.JobDir(j.job.Name)
		j.input, err = sources.OpenInput(filepath.Join(folder, j.run.Input), filepath.Join(folder, j.run.Fates), j.position.Mark)
		if err != nil {
			return err
		}
		if err := spec.Columns(j.input.Columns()); err != nil {
			return &exitError{exitUsage, fmt.Errorf("job %s: %w", j.job.Name, err)}
		}
		j.source = jobs.RowSource(j.input, j.position.Settled, j.position.Claims)
		j.repeat = spec.Idempotent()
		j.worker, err = spec.Open(j.stops.hard, j.env)
	case jobs.Puller:
		j.source, j.repeat = jobs.ItemSource(j.position.Items), true
		j.worker, err = spec.Open(j.stops.hard, j.env, stored)
	}
	return err
}

// work runs the engine and keeps how it ended.
func (j *jobRun) work() error {
	options := pipeline.Options{
		Source: j.source, Worker: pipeline.WorkerFunc(j.noted), Sink: j.ledger.Sink(j.run.ID, datasets()),
		InFlight: j.job.Limits.InFlight, Chunk: claimSize(j.job, j.file), Idempotent: j.repeat,
		RunAhead: runAhead, Clock: j.api.Now,
		Mark: j.position.Mark, Settled: j.position.Settled, Next: j.position.NextSeq,
		Guard: jobs.Guard(j.job.StopAfter, j.run.Rows, j.run.Failed), Quiet: j.limiter.Close, Cancel: j.api.CancelCalls,
	}
	if j.input == nil { // windows are few and large: they wait for each other to fill segments
		options.InFlight, options.RunAhead, options.CommitEvery = min(options.InFlight, 4), -1, 30*time.Second
	}
	engine := pipeline.New(options)
	began := j.p.now()
	before := j.run
	report := j.watch(engine, before, began)
	err := engine.Run(j.stops.hard, j.stops.soft)
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

// noted works on an item; each of its calls is noted in the ledger at the
// moment before it goes out, whatever the kind.
func (j *jobRun) noted(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	return j.worker.Do(client.BeforeSend(ctx, func() error { return j.ledger.Sending(item.Seq) }), item)
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

// claimSize is how many items are claimed at a time: an eighth of a second's
// calls, since what is claimed when a process dies is in doubt.
func claimSize(job jobs.Job, file *jobs.File) int {
	return int(max(16, min(allowed(job, file).PerSecond()/8, mostClaimed)))
}

func datasets() []sinks.Dataset {
	var sets []sinks.Dataset
	for _, d := range jobs.Datasets() {
		sets = append(sets, sinks.Dataset{Name: d.Name, Row: d.Row, PartitionBy: d.PartitionBy})
	}
	return sets
}

// archived looks up what the store has of the job's app.
func (j *jobRun) archived(ctx context.Context, from, to time.Time) (map[string]struct{}, error) {
	return j.store.Archived(ctx, messages(), j.job.App, from, to)
}

// newest looks up until when the store has messages of the job's app.
func (j *jobRun) newest(ctx context.Context) (time.Time, error) {
	return j.store.Newest(ctx, messages(), j.job.App)
}

func messages() sinks.Dataset {
	return sinks.Dataset{Name: "messages", Row: jobs.Message{}, PartitionBy: "date"}
}

// allowed is the rate that a job may reach: its own, or that of the process.
func allowed(job jobs.Job, file *jobs.File) jobs.Rate {
	return min(job.Limits.Requests, file.Limits.Requests)
}
