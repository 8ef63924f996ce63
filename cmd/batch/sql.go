package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"convbatch/sinks"
)

func (p *program) sqlCommand() *cli.Command {
	return &cli.Command{
		Name:  "sql",
		Usage: "ask the store with SQL (DuckDB), read-only",
		Description: "Views: runs, results, and one for each dataset (messages). Without a query it reads\n" +
			"queries from standard input, each ended by a semicolon at the end of a line. Example:\n\n" +
			"   batch sql \"select channel, count(*) from messages group by all\"",
		ArgsUsage: "[QUERY]",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, csv, json, jsonl, markdown or parquet", EnvVars: []string{"BATCH_FORMAT"}},
			&cli.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "the file to write; needed for parquet", EnvVars: []string{"BATCH_OUTPUT"}},
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
	return q.prompt(c.Context)
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

// querier asks the store and writes what it answers.
type querier struct {
	p      *program
	store  *sinks.Store
	format string
	output string
	extra  []string // files that the query may read beside the store's
}

func (q querier) ask(ctx context.Context, query string) error {
	views, err := q.store.Views(datasets())
	if err != nil {
		return err
	}
	o := sinks.QueryOptions{Read: q.extra}
	if q.format == "parquet" {
		if q.output == "" {
			return usageError("--format parquet needs --output FILE")
		}
		return q.store.Export(ctx, query, views, q.output, o)
	}
	if !known(q.format) {
		return usageError("--format %q: want table, csv, json, jsonl, markdown or parquet", q.format)
	}
	rows, err := q.store.Query(ctx, query, views, o)
	if err != nil {
		return err
	}
	defer rows.Close()
	w, finish, err := q.writer()
	if err != nil {
		return err
	}
	_, err = rows.Write(w, sinks.Format(q.format))
	return errors.Join(err, finish())
}

func known(format string) bool {
	for _, f := range sinks.Formats() {
		if string(f) == format {
			return true
		}
	}
	return false
}

func (q querier) writer() (io.Writer, func() error, error) {
	if q.output == "" {
		return q.p.stdout, func() error { return nil }, nil
	}
	f, err := os.OpenFile(q.output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("write the result: %w", err)
	}
	return f, f.Close, nil
}

// prompt reads queries until the end of the input. A query that is wrong is
// said and does not end it on a terminal; elsewhere the first one does.
func (q querier) prompt(ctx context.Context) error {
	in, terminal := q.p.stdin.(*os.File)
	terminal = terminal && term.IsTerminal(int(in.Fd()))
	show := func(s string) {
		if terminal {
			fmt.Fprint(q.p.stderr, s)
		}
	}
	lines := bufio.NewScanner(q.p.stdin)
	lines.Buffer(nil, 16<<20)
	var query strings.Builder
	for show("batch> "); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if query.Len() == 0 && (line == `\q` || line == "exit" || line == "quit") {
			return nil
		}
		query.WriteString(lines.Text() + "\n")
		if !strings.HasSuffix(line, ";") {
			if line != "" {
				show("   ...> ")
			} else {
				show("batch> ")
			}
			continue
		}
		if err := q.ask(ctx, query.String()); err != nil {
			if !terminal {
				return err
			}
			fmt.Fprintln(q.p.stderr, err)
		}
		query.Reset()
		show("batch> ")
	}
	if rest := strings.TrimSpace(query.String()); rest != "" {
		return errors.Join(q.ask(ctx, rest), lines.Err())
	}
	return lines.Err()
}
