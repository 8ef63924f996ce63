package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"convbatch/internal/prompt"
	"convbatch/sinks"
)

// errLeave ends the reading of queries.
var errLeave = errors.New("leave")

const promptHelp = `\d             the views of the store that have rows; \d+ lists all
\d VIEW        its columns, with types and what they are
\format NAME   how answers are written: table, csv, json, jsonl, markdown or parquet
\output FILE   where they are written, whole or not at all; alone, here again
\q             leave, as do exit and Ctrl-D
\?             this list

A query ends with a semicolon. Tab completes, Ctrl-R looks through the history,
Ctrl-C drops the line, or cancels the query that runs. The history is the file
sql_history in the store; a query that begins with a blank is not kept.
`

// do does what a statement or a command says. The error errLeave is that of the
// commands that leave.
func (q *querier) do(ctx context.Context, statement string) error {
	if prompt.IsCommand(statement) {
		return q.command(ctx, strings.Fields(strings.TrimRight(statement, "; \t")))
	}
	if flat, ok := prompt.Flat(statement); ok && flat == "" {
		return nil // a comment
	}
	return q.ask(ctx, statement)
}

func (q *querier) command(ctx context.Context, words []string) error {
	argument := strings.Join(words[1:], " ")
	switch words[0] {
	case `\q`, "exit", "quit":
		return errLeave
	case `\?`:
		_, err := fmt.Fprint(q.p.stderr, promptHelp)
		return err
	case `\d`, `\d+`:
		if argument == "" {
			return q.listViews(ctx, words[0] == `\d+`)
		}
		return q.describeView(ctx, argument)
	case `\format`:
		next := *q
		next.format = argument
		if next.format == formatParquet && next.output == "" {
			return usageError(`\format parquet needs a file: \output FILE first`)
		}
		if err := next.checkFormat(); err != nil {
			return usageError(`\format %s: want table, csv, json, jsonl, markdown or parquet`, argument)
		}
		*q = next
		return nil
	case `\output`:
		if argument == "" && q.format == formatParquet {
			q.format = string(sinks.FormatTable)
		}
		q.output = argument
		return nil
	}
	return usageError(`there is no command %s; \? lists them`, words[0])
}

// columns lists the views of the store, and the columns of each, in their order.
func (q *querier) columns(ctx context.Context) (names []string, columns map[string][]string, err error) {
	columns = map[string][]string{}
	err = q.store.Stream(ctx, "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND database_name = 'memory' ORDER BY table_oid, column_index",
		q.store.Views(datasets()), sinks.QueryOptions{}, func(values []any) error {
			view, column := values[0].(string), values[1].(string)
			if columns[view] == nil {
				names = append(names, view)
			}
			columns[view] = append(columns[view], column)
			return nil
		})
	return names, columns, err
}

// listViews counts the rows and columns of the views that have rows, or of all.
func (q *querier) listViews(ctx context.Context, all bool) error {
	names, columns, err := q.columns(ctx)
	if err != nil {
		return err
	}
	counts := make([]string, len(names))
	for i, name := range names {
		counts[i] = fmt.Sprintf("SELECT %s AS view, (SELECT count(*) FROM %s) AS rows, %d AS columns", literal(name), identifier(name), len(columns[name]))
	}
	query := "FROM (" + strings.Join(counts, "\nUNION ALL\n") + ")"
	if !all {
		query += " WHERE rows > 0"
	}
	return q.ask(ctx, query)
}

// describeView lists the columns of a view.
func (q *querier) describeView(ctx context.Context, view string) error {
	names, _, err := q.columns(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, strings.Trim(view, `"`)) })
	if at < 0 {
		return usageError(`there is no view %s; \d lists them`, view)
	}
	return q.ask(ctx, "SELECT column_name AS \"column\", data_type AS type, "+descriptions(names[at])+" AS description\n"+
		"FROM duckdb_columns() WHERE NOT internal AND table_name = "+literal(names[at])+" ORDER BY column_index")
}

// descriptions is an expression for what is said of the column column_name.
func descriptions(view string) string {
	said := "CASE column_name"
	for column, doc := range columnDocs(view) {
		said += " WHEN " + literal(column) + " THEN " + literal(doc)
	}
	return said + " ELSE '' END"
}

// literal makes s a text of SQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// identifier makes s a name of SQL.
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
