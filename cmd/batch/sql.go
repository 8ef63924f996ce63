package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"convbatch/sinks"
)

func (p *program) sqlCommand() *cli.Command {
	return &cli.Command{
		Name:  "sql",
		Usage: "ask the store with SQL (DuckDB), read-only",
		Description: "Views: runs, results, and one for each dataset (messages). Without a query it reads them\n" +
			"from standard input, each ended by a semicolon; on a terminal that is a prompt, with a\n" +
			"history (sql_history in the store), completion, and \\? for help. docs/SQL.md has queries\n" +
			"to begin with.",
		UsageText: "batch sql \"select channel, count(*) from messages group by all\"\n" +
			"batch sql --format csv --read crm.csv \"select * from 'crm.csv' anti join contacts using (email)\"\n" +
			"batch sql < report.sql",
		ArgsUsage: "[QUERY]",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, csv, json, jsonl, markdown or parquet", EnvVars: []string{"BATCH_FORMAT"}},
			&cli.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "the `FILE` to write, whole or not at all; needed for parquet", EnvVars: []string{"BATCH_OUTPUT"}},
			&cli.StringSliceFlag{Name: "read", Usage: "a `FILE` beside the store's that the query may read; may be given again", EnvVars: []string{"BATCH_READ"}},
		},
		Action: p.sql,
	}
}

func (p *program) sql(c *cli.Context) error {
	if c.NArg() > 1 {
		return usageError("sql: one query, in quotes; this line has %d arguments", c.NArg())
	}
	store, _, err := p.readStore(c)
	if err != nil {
		return err
	}
	if err := p.settleAll(c.Context, store); err != nil {
		return err
	}
	format := c.String("format")
	if p.flag(c, "json") {
		format = "json"
	}
	q := querier{p: p, store: store, format: format, output: c.Path("output"), extra: c.StringSlice("read")}
	if c.Args().Present() {
		return q.ask(c.Context, c.Args().First())
	}
	if in, errs, ok := p.terminal(); ok {
		return q.prompt(c.Context, in, errs)
	}
	return q.askAll(c.Context)
}

// terminal returns standard input and standard error where both are one: what
// is typed is shown on the latter, so that the former can go to a file.
func (p *program) terminal() (in, errs *os.File, ok bool) {
	in, isFile := p.stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return nil, nil, false
	}
	errs, isFile = p.stderr.(*os.File)
	return in, errs, isFile && term.IsTerminal(int(errs.Fd()))
}

// settle brings into place what a job whose process died had committed, so that
// readers see it; for that its ledger is open a moment. A job that runs, or a
// store that can only be read, is left as it is.
func (p *program) settle(ctx context.Context, store *sinks.Store, job string) error {
	var locked *sinks.LockedError
	err := store.Settle(ctx, job)
	if errors.As(err, &locked) || errors.Is(err, sinks.ErrReadOnly) {
		return nil
	}
	return err
}

// settleAll settles every job. What is wrong with one does not hide the others.
func (p *program) settleAll(ctx context.Context, store *sinks.Store) error {
	names, err := store.Jobs()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := p.settle(ctx, store, name); err != nil {
			fmt.Fprintf(p.stderr, "batch: warning: job %s: what its last run kept is not shown: %v\n", name, err)
		}
	}
	return nil
}
