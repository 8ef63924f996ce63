package main

import (
	"fmt"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/ratelimit"
	"convbatch/sinks"
)

func (p *program) runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "run jobs; an unfinished run of the same job is resumed by itself",
		Description: "Keys that are done are skipped, whatever the input. When the job changed since an unfinished run\n" +
			"began, --resume or --restart says what becomes of that.",
		UsageText: "batch run nightly-archive\n" +
			"batch run --limit 10 spring-offer   # try it on ten rows\n" +
			"batch run spring-offer              # then send the rest",
		ArgsUsage: "JOB…",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "resume", Usage: "go on although the job's request changed since it was interrupted", EnvVars: []string{"BATCH_RESUME"}},
			&cli.BoolFlag{Name: "restart", Usage: "give an unfinished run up and begin a new one, with the job as it is now; rows that may have been sent stay in doubt", EnvVars: []string{"BATCH_RESTART"}},
		}, slices.Concat(partFlags(), tellFlags(), metricsFlags())...),
		Action: p.runJobs,
	}
}

func (p *program) runJobs(c *cli.Context) error {
	if !c.Args().Present() {
		return usageError("run: name the jobs to run, for example `batch run nightly-archive`")
	}
	asks := wish{resume: c.Bool("resume"), restart: c.Bool("restart")}
	if asks.resume && asks.restart {
		return usageError("--resume goes on with an unfinished run, --restart gives it up: choose one")
	}
	return p.runAll(c, func(chosen []jobs.Job) (_ wish, err error) {
		asks.part, err = partOf(c, chosen)
		return asks, err
	})
}

// runAll runs the jobs that the line names, which asks reads the rest of, and
// says what became of them: here, and to whom the line names, also of jobs that
// could not begin.
func (p *program) runAll(c *cli.Context, asks func(chosen []jobs.Job) (wish, error)) (err error) {
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	tells, err := newTeller(c, log)
	if err != nil {
		return err
	}
	traces, err := p.newTracing(c, log)
	if err != nil {
		tells.end(c.Context, tellWithin, nil, exitCode(err))
		return err
	}
	defer func() { traces.end(exitCode(err)) }()
	r, chosen, done, err := p.open(c)
	if err != nil {
		tells.end(c.Context, tellWithin, nil, exitCode(err))
		return err
	}
	defer done()
	r.traces = traces
	summaries, err := p.runChosen(c, r, chosen, asks)
	within := tellWithin
	if r.stops.stopped() {
		within = tellWhenStopped
	}
	tells.end(r.stops.hard, within, summaries, exitCode(err))
	return err
}

// runChosen runs jobs, shows how they get on and prints what became of them.
func (p *program) runChosen(c *cli.Context, r *runner, chosen []jobs.Job, asks func(chosen []jobs.Job) (wish, error)) (summaries []summary, err error) {
	if r.asks, err = asks(chosen); err != nil {
		return nil, err
	}
	close, err := r.upload()
	if err != nil {
		return nil, err
	}
	defer close()
	metrics, err := newMetrics(c, r, chosen)
	if err != nil {
		return nil, err
	}
	r.shows = displays{p.newDisplay(p.flag(c, "quiet")), metrics}
	summaries = r.all(chosen)
	r.shows.close()
	err = runExit(summaries)
	metrics.end(summaries, exitCode(err))

	if p.flag(c, "json") {
		if err := writeJSON(p.stdout, summaryReport{summaries}); err != nil {
			return summaries, err
		}
		return summaries, err
	}
	for _, s := range summaries {
		fmt.Fprintln(p.stdout, s.words())
	}
	return summaries, err
}

// open loads the job file, chooses the jobs that the line names, opens what they
// share and listens for signals, until the returned function is called.
func (p *program) open(c *cli.Context) (r *runner, chosen []jobs.Job, done func(), err error) {
	file, err := p.load(c)
	if err != nil {
		return nil, nil, nil, err
	}
	if chosen, err = choose(file, c.Args().Slice()); err != nil {
		return nil, nil, nil, err
	}
	if r, err = p.newRunner(c, file); err != nil {
		return nil, nil, nil, err
	}
	r.stops, done = p.watchSignals(c.Context)
	return r, chosen, done, nil
}

// newRunner opens what the jobs of one process share.
func (p *program) newRunner(c *cli.Context, file *jobs.File) (*runner, error) {
	log, err := p.logger(c)
	if err != nil {
		return nil, err
	}
	store, err := sinks.OpenStore(file.StorePath())
	if err != nil {
		return nil, err
	}
	project := ratelimit.New(file.Limits.Requests.PerSecond())
	api, err := newClient(file, project, log)
	if err != nil {
		return nil, usageError("%s: api: %w", file.Path, err)
	}
	return &runner{p: p, file: file, store: store, project: project, api: api, log: log}, nil
}

// all runs the jobs side by side.
func (r *runner) all(chosen []jobs.Job) []summary {
	summaries := make([]summary, len(chosen))
	var wg sync.WaitGroup
	for i, job := range chosen {
		wg.Go(func() { summaries[i] = r.do(job) })
	}
	wg.Wait()
	return summaries
}
