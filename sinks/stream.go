package sinks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// sliceRows is how many rows of an answer are in memory at once.
const sliceRows = 2048

// Stream runs one query as Query does, and calls row with the values of each
// row in order; an error of row ends it and is returned as it is. Its memory
// does not depend on the number of rows: the driver holds a result whole, so
// the answer goes to a temporary table, which DuckDB takes to disk, and is read
// from there in slices.
func (s *Store) Stream(ctx context.Context, query string, views Views, o QueryOptions, row func(values []any) error) (err error) {
	d, cleanup, err := s.opened(ctx, query, views, o, "", func(d *duck, asked *duckdb.Stmt) error { return d.keep(ctx, query, asked) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanup()) }()
	for from := int64(0); ; from += sliceRows {
		n, err := d.slice(ctx, from, row)
		if err != nil || n < sliceRows {
			return err
		}
	}
}

// keep makes the temporary table of a query's answer. Its columns are numbered:
// one that the query calls rowid would hide the place of the row.
func (d *duck) keep(ctx context.Context, query string, asked *duckdb.Stmt) error {
	n, err := asked.ColumnCount()
	if err = errors.Join(err, asked.Close()); err != nil {
		return err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	// The line break ends a comment at the end of the query.
	from := "FROM (" + strings.TrimRight(strings.TrimSpace(query), ";") + "\n) AS answer"
	if err := d.exec(ctx, "CREATE TEMP TABLE batch_answer AS SELECT * "+from+"("+strings.Join(names, ", ")+")"); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return nil
}

// slice reads the rows of the answer from a place on.
func (d *duck) slice(ctx context.Context, from int64, row func(values []any) error) (n int64, err error) {
	planned, err := d.plan(ctx, fmt.Sprintf("SELECT * FROM batch_answer WHERE rowid BETWEEN %d AND %d", from, from+sliceRows-1))
	if err != nil {
		return 0, err
	}
	r, err := ask(ctx, planned)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.each(func(_ int64, values []any) error { return row(values) })
}
