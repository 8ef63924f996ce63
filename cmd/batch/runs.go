package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"convbatch/sinks"
)

func (p *program) runsCommand() *cli.Command {
	return &cli.Command{
		Name:        "runs",
		Usage:       "the history: every run of every job, or of one, the newest first",
		Description: "Formats other than table have all columns of the view `runs`.",
		UsageText:   "batch runs --limit 5 nightly-archive\nbatch runs --format csv > history.csv",
		ArgsUsage:   "[JOB]",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.IntFlag{Name: "limit", Value: 20, Usage: "the latest `N` runs; 0 for all", EnvVars: []string{"BATCH_RUNS_LIMIT"}},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, csv, json, jsonl or markdown", EnvVars: []string{"BATCH_FORMAT"}},
		},
		Action: p.runs,
	}
}

func (p *program) runs(c *cli.Context) error {
	if c.NArg() > 1 {
		return usageError("runs: name one job, or none for all")
	}
	if c.Int("limit") < 0 {
		return usageError("--limit %d: want a number of runs, or 0 for all", c.Int("limit"))
	}
	store, names, err := p.readStore(c)
	if err != nil {
		return err
	}
	job := c.Args().First()
	if job != "" && !slices.Contains(names, job) {
		return noJob(job, cmp.Or(c.Path("store"), p.text(c, "file")), names)
	}
	if err := p.settleAll(c.Context, store); err != nil {
		return err
	}
	q := querier{p: p, store: store, format: c.String("format")}
	if p.flag(c, "json") {
		q.format = "json"
	}
	return q.ask(c.Context, runsQuery(job, c.Int("limit"), sinks.Format(q.format) == sinks.FormatTable))
}

// runsQuery asks for the latest runs. On a terminal a line has room for what
// people look at first; short leaves out the rest.
func runsQuery(job string, limit int, short bool) string {
	columns := "*"
	if short {
		columns = `job, run_id, state, strftime(started_at, '%Y-%m-%d %H:%M:%S') AS started_utc, round(elapsed_s, 2) AS seconds,
			rows, done, failed + invalid AS failed, in_doubt, suppressed + skipped AS left_out, records, message`
	}
	query := "SELECT " + columns + " FROM runs"
	if job != "" {
		query += " WHERE job = '" + strings.ReplaceAll(job, "'", "''") + "'"
	}
	query += " ORDER BY started_at DESC, run_id DESC"
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit)
	}
	return query
}
