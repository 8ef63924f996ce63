package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"convbatch/pipeline"
	"convbatch/sinks"
	"convbatch/sources"
)

func (p *program) resultsCommand() *cli.Command {
	return &cli.Command{
		Name:      "results",
		Usage:     "the rows of a run by state; csv, jsonl and parquet can be used as input again",
		UsageText: "batch results spring-offer\nbatch results --state failed,invalid --format csv spring-offer > mend.csv",
		ArgsUsage: "RUN|JOB",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.StringSliceFlag{Name: "state", Usage: "only rows in this state: done, failed, invalid, suppressed, skipped, in_doubt", EnvVars: []string{"BATCH_STATE"}},
			&cli.BoolFlag{Name: "errors", Usage: "why rows are not done: each reason once, with how many rows and the first of them", EnvVars: []string{"BATCH_ERRORS"}},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "csv, jsonl, table or parquet", EnvVars: []string{"BATCH_FORMAT"}},
			&cli.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "the file to write; needed for parquet", EnvVars: []string{"BATCH_OUTPUT"}},
		},
		Action: p.results,
	}
}

func (p *program) results(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError("results: name one job, or the id of a run")
	}
	states := c.StringSlice("state")
	for _, s := range states {
		if !slices.Contains(pipeline.States(), pipeline.State(s)) {
			return usageError("--state %q: want one of %v", s, pipeline.States())
		}
	}
	store, _, err := p.readStore(c)
	if err != nil {
		return err
	}
	run, err := findRun(store, c.Args().First())
	if err != nil {
		return err
	}
	files, err := store.Results(c.Context, run.Job, run.ID)
	var locked *sinks.LockedError
	if errors.As(err, &locked) {
		fmt.Fprintf(p.stderr, "batch: job %s is running (process %d): these are the results published so far\n", run.Job, locked.PID)
	} else if err != nil {
		return err
	} else if len(files) == 0 && run.Settled() > 0 {
		fmt.Fprintln(p.stderr, "batch: the results of this run are no longer kept")
	}
	format := c.String("format")
	if p.flag(c, "json") {
		format = "json"
	}
	q := querier{p: p, store: store, format: format, output: c.Path("output")}
	if c.Bool("errors") {
		return q.ask(c.Context, sinks.ResultsQuery{Files: files, States: states}.Reasons(0))
	}
	return p.writeResults(c.Context, store, run, files, states, q)
}

// findRun returns the run with that id, or the last run of the job of that name.
func findRun(store *sinks.Store, name string) (sinks.Run, error) {
	runs, err := store.Runs("")
	if err != nil {
		return sinks.Run{}, err
	}
	for _, run := range slices.Backward(runs) {
		if run.ID == name || run.Job == name {
			return run, nil
		}
	}
	return sinks.Run{}, usageError("no job and no run %q has results in %s; `batch status` shows what ran", name, store.Dir())
}

// writeResults joins the results with the rows of the input, where that is
// still there, and writes them.
func (p *program) writeResults(ctx context.Context, store *sinks.Store, run sinks.Run, files, states []string, q querier) error {
	r := sinks.ResultsQuery{Files: files, States: states}
	if run.Input != "" {
		input := filepath.Join(store.JobDir(run.Job), run.Input)
		in, err := sources.OpenInput(input, "", 0)
		switch {
		case err == nil:
			r.Input = input
			for _, col := range in.Columns() {
				r.Columns = append(r.Columns, sinks.InputColumn{Name: col.Name, JSON: col.JSON})
			}
			if err := in.Close(); err != nil {
				return err
			}
			q.extra = append(q.extra, input)
		default:
			fmt.Fprintln(p.stderr, "batch: the input of this run is no longer kept: its columns are left out")
		}
	}
	return q.ask(ctx, r.SQL())
}
