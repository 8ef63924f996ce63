package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"convbatch/internal/prompt"
	"convbatch/sinks"
)

// querier asks the store and writes what it answers.
type querier struct {
	p      *program
	store  *sinks.Store
	format string
	output string   // the file to write; "" for standard output
	extra  []string // files that the query may read beside the store's
}

// formatParquet is the format that needs a file.
const formatParquet = "parquet"

// checkFormat says what is wrong with the format.
func (q querier) checkFormat() error {
	switch {
	case q.format == formatParquet && q.output == "":
		return usageError("--format parquet needs --output FILE")
	case q.format != formatParquet && !slices.Contains(sinks.Formats(), sinks.Format(q.format)):
		return usageError("--format %q: want table, csv, json, jsonl, markdown or parquet", q.format)
	}
	return nil
}

// everything is what a query asks for views with that it does not name.
var everything = regexp.MustCompile(`(?i)\b(show|describe|desc|pragma|information_schema|pg_\w+|sqlite_\w+|duckdb_\w+|query|query_table)\b`)

// ask answers one query. It makes the views that the query names, which is most
// of the time that a small query takes; where that will not do, for there are
// other ways to speak of one, it makes all.
func (q querier) ask(ctx context.Context, query string) error {
	if err := q.checkFormat(); err != nil {
		return err
	}
	if !everything.MatchString(query) {
		if err := q.askWith(ctx, query, q.store.ViewsFor(query, datasets())); !sinks.Missing(err) {
			return err
		}
	}
	return q.askWith(ctx, query, q.store.Views(datasets()))
}

// askWith answers a query with views.
func (q querier) askWith(ctx context.Context, query string, views sinks.Views) error {
	o := sinks.QueryOptions{Read: q.extra}
	if q.format == formatParquet {
		return q.store.Export(ctx, query, views, q.output, o)
	}
	rows, err := q.store.Query(ctx, query, views, o)
	if err != nil && strings.Contains(err.Error(), "Cannot access file") {
		return fmt.Errorf("%w\nA query reads the store, and the files that --read names", err)
	}
	if err != nil {
		return err
	}
	if q.output == "" {
		_, err = rows.Write(q.p.stdout, sinks.Format(q.format))
	} else {
		_, err = rows.WriteFile(q.output, sinks.Format(q.format))
	}
	return errors.Join(err, rows.Close())
}

// askAll asks what standard input says, up to the first error.
func (q querier) askAll(ctx context.Context) error {
	statements := bufio.NewScanner(q.p.stdin)
	statements.Buffer(nil, 16<<20)
	statements.Split(prompt.Statements)
	for statements.Scan() {
		err := q.do(ctx, statements.Text())
		if errors.Is(err, errLeave) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	if err := statements.Err(); err != nil {
		return fmt.Errorf("read queries from standard input: %w", err)
	}
	return nil
}
