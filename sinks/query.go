package sinks

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// QueryOptions bound what a query may take.
type QueryOptions struct {
	MemoryMiB int      // default 512; beyond it, DuckDB goes to TempDir
	Threads   int      // default: DuckDB's, one for each core
	TempDir   string   // default: a folder that is removed afterwards
	Read      []string // files that may be read beside those of the store
}

// ResultSet is the rows of a query, to be read or written once and closed.
type ResultSet struct {
	Columns []Column

	ctx     context.Context
	rows    driver.Rows
	values  []driver.Value // of the row
	err     error          // io.EOF at the end
	cleanup func() error
}

// Column is a column of a result.
type Column struct {
	Name string
	Type string // in DuckDB's words, for example TIMESTAMP WITH TIME ZONE
}

// Query runs one query over the views and over nothing else: it can read the
// store's datasets and results, can write nothing, and can change no setting.
// Timestamps are in UTC.
func (s *Store) Query(ctx context.Context, query string, views Views, o QueryOptions) (r *ResultSet, err error) {
	_, cleanup, err := s.opened(ctx, query, views, o, "", func(d *duck, asked *duckdb.Stmt) error {
		r, err = ask(ctx, asked)
		return err
	})
	if err != nil {
		return nil, err
	}
	done := r.cleanup
	r.cleanup = func() error { return errors.Join(done(), cleanup()) }
	return r, nil
}

// opened opens an instance with the views, and has run do something there with
// the query, which run closes.
func (s *Store) opened(ctx context.Context, query string, views Views, o QueryOptions, output string, run func(*duck, *duckdb.Stmt) error) (d *duck, cleanup func() error, err error) {
	err = s.Again(ctx, views, func(statements []string) error {
		var asked *duckdb.Stmt
		if d, cleanup, err = s.openForQuery(ctx, statements, o, output); err != nil {
			return err
		}
		if asked, err = d.readOnly(ctx, query); err == nil {
			err = run(d, asked)
		}
		if err != nil {
			return errors.Join(err, cleanup())
		}
		return nil
	})
	return d, cleanup, err
}

// ask runs a query, which is closed after an error. Its result frees nothing but
// itself.
func ask(ctx context.Context, query *duckdb.Stmt) (*ResultSet, error) {
	rows, err := query.QueryContext(ctx, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("query: %w", err), query.Close())
	}
	r := &ResultSet{ctx: ctx, rows: rows, cleanup: query.Close}
	for i, name := range rows.Columns() {
		r.Columns = append(r.Columns, Column{Name: name, Type: rows.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(i)})
	}
	r.values = make([]driver.Value, len(r.Columns))
	return r, nil
}

// Export is Query with the rows going to a Parquet file, which appears whole or not at all.
func (s *Store) Export(ctx context.Context, query string, views Views, path string, o QueryOptions) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	err = appear(path, func(unfinished string) error {
		// The line break ends a comment at the end of the query.
		statement := fmt.Sprintf("COPY (%s\n) TO %s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d)",
			strings.TrimRight(strings.TrimSpace(query), ";"), quote(unfinished), groupRows)
		_, cleanup, err := s.opened(ctx, query, views, o, unfinished, func(d *duck, asked *duckdb.Stmt) error {
			if err := asked.Close(); err != nil {
				return err
			}
			// DuckDB would write beside a file that is there, which it may not.
			if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return d.exec(ctx, statement)
		})
		if err != nil {
			return err
		}
		return cleanup()
	})
	if err != nil {
		return fmt.Errorf("export to %s: %w", path, err)
	}
	return nil
}

// openForQuery opens an instance with the views, shut off from all but the
// store and, where it is given, one file to write.
func (s *Store) openForQuery(ctx context.Context, views []string, o QueryOptions, output string) (_ *duck, cleanup func() error, err error) {
	if o.MemoryMiB == 0 {
		o.MemoryMiB = 512
	}
	temp := o.TempDir
	remove := func() error { return nil }
	if temp == "" {
		if temp, err = os.MkdirTemp("", "batch-sql-*"); err != nil {
			return nil, nil, fmt.Errorf("make room for the query: %w", err)
		}
		remove = func() error { return os.RemoveAll(temp) }
	}
	settings := map[string]string{"memory_limit": fmt.Sprintf("%dMiB", o.MemoryMiB)}
	if o.Threads > 0 {
		settings["threads"] = fmt.Sprint(o.Threads)
	}
	d, err := openDuck(ctx, settings)
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	closeAll := func() error { return errors.Join(d.close(), remove()) }
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	dirs, files, err := s.readable()
	if err != nil {
		return nil, nil, err
	}
	files = append(files, o.Read...)
	if output != "" {
		files = append(files, output)
	}
	before := []string{
		"SET temp_directory = " + quote(temp), "SET TimeZone = 'UTC'",
		"SET parquet_metadata_cache = true", // a view and a query of it each look into every file
	}
	after := []string{
		"SET allowed_directories = " + quoteList(alsoAsPatterns(dirs)),
		"SET allowed_paths = " + quoteList(alsoAsPatterns(files)),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	}
	for _, statements := range [][]string{before, views, after} {
		for _, statement := range statements {
			if err := d.exec(ctx, statement); err != nil {
				return nil, nil, fmt.Errorf("prepare the store for queries: %w", err)
			}
		}
	}
	return d, closeAll, nil
}

// readable lists the folders and files that a query may read. A ledger is not
// among them: reading it would keep its job from running.
func (s *Store) readable() (dirs, files []string, err error) {
	jobs, err := s.Jobs()
	if err != nil {
		return nil, nil, err
	}
	dirs = []string{filepath.Join(s.dir, datasetsDir)}
	for _, job := range jobs {
		dirs = append(dirs, filepath.Join(s.JobDir(job), resultsDir))
		files = append(files, filepath.Join(s.JobDir(job), runsFile))
	}
	return dirs, files, nil
}

// alsoAsPatterns adds to paths how patterns spell them: a pattern is held
// against the list before it is resolved.
func alsoAsPatterns(paths []string) []string {
	for _, path := range paths {
		if pattern := globEscape(path); pattern != path {
			paths = append(paths, pattern)
		}
	}
	return paths
}

func quoteList(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = quote(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// explain is an EXPLAIN with its options and what it explains. Options are words:
// where a comment or a quoted text might begin among them, what DuckDB explains
// would be something else than what was looked at.
var explain = regexp.MustCompile(`(?is)^\s*EXPLAIN\s+(?:ANALYZE\s+|\([\w\s,]*\)\s*)?(.*)$`)

var (
	errReadsOnly = errors.New("only a SELECT (or WITH, FROM, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN) can be run here: the store is read-only")

	// changes is what DuckDB has against a change to a view.
	changes = regexp.MustCompile(`Can only (?:delete|update|insert)`)
)

// readOnly plans a query, and turns down what is not one SELECT, or EXPLAIN of
// one: what DuckDB may read it may also write.
func (d *duck) readOnly(ctx context.Context, query string) (planned *duckdb.Stmt, err error) {
	m := explain.FindStringSubmatch(query)
	switch {
	case strings.Contains(query, "\x00"): // which ends it for some of DuckDB
		err = errors.New("there is a NUL in it")
	case m == nil:
		planned, err = d.planOnly(ctx, query, duckdb.STATEMENT_TYPE_SELECT)
	default:
		if planned, err = d.planOnly(ctx, m[1], duckdb.STATEMENT_TYPE_SELECT); err == nil {
			err = planned.Close()
		}
		if err == nil {
			planned, err = d.planOnly(ctx, query, duckdb.STATEMENT_TYPE_EXPLAIN)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return planned, nil
}

// planOnly plans one statement of a kind, and says of any other that it is not run.
func (d *duck) planOnly(ctx context.Context, query string, kind duckdb.StmtType) (*duckdb.Stmt, error) {
	planned, err := d.plan(ctx, query)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "multi-statement"):
		return nil, errors.New("one statement can be run at a time (a PIVOT counts as several unless it has IN with its values)")
	case changes.MatchString(err.Error()):
		return nil, errReadsOnly
	default:
		return nil, err
	}
	is, err := planned.StatementType()
	if err == nil && is != kind {
		err = errReadsOnly
	}
	if err != nil {
		return nil, errors.Join(err, planned.Close())
	}
	return planned, nil
}

// plan plans one statement; one that is several it does not run in part, as the
// methods of database/sql would.
func (d *duck) plan(ctx context.Context, query string) (planned *duckdb.Stmt, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = d.conn.Raw(func(conn any) error {
		s, err := conn.(driver.Conn).Prepare(query)
		if err == nil {
			planned = s.(*duckdb.Stmt)
		}
		return err
	})
	return planned, err
}

// Next goes to the next row and says whether there is one; see Err when there is
// none. There is none any more when the context of the query is done.
func (r *ResultSet) Next() bool {
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	if r.err == nil {
		r.err = r.rows.Next(r.values)
	}
	return r.err == nil
}

// Values returns the values of the row, as database/sql has them.
func (r *ResultSet) Values() []any {
	values := make([]any, len(r.values))
	for i, v := range r.values {
		values[i] = v
	}
	return values
}

// Err returns the error that ended the rows early.
func (r *ResultSet) Err() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read a row: %w", r.err)
}

// Close frees what the query holds. There is no next row then.
func (r *ResultSet) Close() error {
	cleanup := r.cleanup
	if cleanup == nil {
		return nil
	}
	r.cleanup, r.err = nil, cmp.Or(r.err, io.EOF)
	return errors.Join(r.rows.Close(), cleanup())
}
