package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// queryMemory bounds what DuckDB's operators hold while a query is read.
const queryMemory = "256MB"

// queryRows yields the result of a query. The driver would hold the whole
// result in memory, so DuckDB writes it to a temporary Parquet file, every
// value as JSON text, and the rows are read from there.
type queryRows struct {
	name    string // of the source, for messages
	columns []Column
	path    string
	rows    *parquetRows
}

// openQuery runs a query, which must be one SELECT statement, to its end.
// Relative paths in it start from o.Dir.
func openQuery(ctx context.Context, name, text string, o Options) (_ Rows, err error) {
	d, err := openDuck(ctx, o.TempDir, queryMemory, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	fail := func(err error) (Rows, error) { return nil, fmt.Errorf("%s: %w", name, err) }

	if o.Dir != "" {
		if err := d.exec(ctx, "set file_search_path = "+literal(o.Dir)); err != nil {
			return fail(err)
		}
	}
	for i, statement := range o.Setup {
		if err := d.exec(ctx, statement); err != nil {
			return fail(fmt.Errorf("prepare the store's views, statement %d: %w", i+1, err))
		}
	}
	columns, err := d.describe(text)
	if err != nil {
		return fail(err)
	}
	q := &queryRows{name: name}
	names := make([]string, len(columns))
	values := make([]string, len(columns))
	for i, c := range columns {
		// Columns are numbered on the way: a name can be anything.
		names[i] = c.name
		values[i] = fmt.Sprintf("%s as c%d", jsonText(fmt.Sprintf("v%d", i), c.kind, 0), i)
		q.columns = append(q.columns, Column{Name: c.name, JSON: true})
	}
	if err := checkNames(names); err != nil {
		return fail(err)
	}
	if q.path, err = tempFile(o.TempDir); err != nil {
		return nil, err
	}
	// The statement becomes a view and is not put into another statement as
	// text, so that a comment or a semicolon at its end does no harm.
	for _, statement := range []string{
		"create temp view batch_input as " + text,
		"copy (select " + strings.Join(values, ", ") + " from batch_input as b(" + numbered("v", len(columns)) + ")) to " +
			literal(q.path) + " (format parquet, row_group_size 20480, use_tmp_file false)",
	} {
		if err := d.exec(ctx, statement); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), os.Remove(q.path))
		}
	}
	if q.rows, err = openParquet(q.path); err != nil {
		return nil, errors.Join(err, os.Remove(q.path))
	}
	return q, nil
}

// tempFile makes an empty file for a result.
func tempFile(dir string) (string, error) {
	f, err := os.CreateTemp(dir, "rows-*.parquet")
	if err != nil {
		return "", fmt.Errorf("make a temporary file: %w", err)
	}
	return f.Name(), f.Close()
}

// numbered returns prefix0, prefix1, … up to n names.
func numbered(prefix string, n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return strings.Join(names, ", ")
}

func (q *queryRows) Columns() []Column { return q.columns }

func (q *queryRows) Next() (Row, error) {
	line := q.rows.position + 1
	values, err := q.rows.next()
	if err == io.EOF {
		return Row{}, err
	}
	if err != nil {
		return Row{}, fmt.Errorf("%s row %d: %w", q.name, line, err)
	}
	row := Row{Line: line, File: q.name}
	row.Values, row.Null = texts(values)
	for i, text := range row.Values {
		// A value of type JSON comes as it was written.
		if text = strings.TrimSpace(text); text == "null" {
			row.setNull(i)
			text = ""
		}
		row.Values[i] = text
	}
	return row, nil
}

func (q *queryRows) Close() error {
	return errors.Join(q.rows.close(), os.Remove(q.path))
}

// texts copies the values of a row out of the reader's memory.
func texts(values []parquet.Value) ([]string, []bool) {
	out := make([]string, len(values))
	var null []bool
	for i, v := range values {
		if v.IsNull() {
			if null == nil {
				null = make([]bool, len(values))
			}
			null[i] = true
			continue
		}
		out[i] = string(v.ByteArray())
	}
	return out, null
}
