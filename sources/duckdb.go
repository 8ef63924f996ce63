package sources

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// duck is one connection to a DuckDB of its own, in memory, that spills to
// disk and never reaches for the network.
type duck struct {
	db   *sql.DB
	conn *sql.Conn
	temp string // its folder for spilling, removed at the end
}

// openDuck opens a DuckDB whose operators may hold memory bytes such as
// "192MB". The process takes more: buffers of readers and writers are not
// counted. One thread keeps it lowest.
func openDuck(ctx context.Context, tempDir, memory string, threads int) (*duck, error) {
	temp, err := os.MkdirTemp(tempDir, "duckdb-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for temporary files: %w", err)
	}
	d := &duck{temp: temp}
	connector, err := duckdb.NewConnector("?autoinstall_known_extensions=false&autoload_known_extensions=false", nil)
	if err == nil {
		d.db = sql.OpenDB(connector)
		d.conn, err = d.db.Conn(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open DuckDB: %w", err), d.close())
	}
	for _, set := range []string{
		"set temp_directory = " + literal(temp),
		"set memory_limit = " + literal(memory),
		fmt.Sprintf("set threads = %d", threads),
		"set TimeZone = 'UTC'",
		"set enable_progress_bar = false",
	} {
		if err := d.exec(ctx, set); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

func (d *duck) exec(ctx context.Context, statement string) error {
	if _, err := d.conn.ExecContext(ctx, statement); err != nil {
		return errors.Join(withoutData(err), context.Cause(ctx))
	}
	return nil
}

// copyTo writes the rows of a query to a Parquet file, which appears whole and
// on disk or not at all.
func (d *duck) copyTo(ctx context.Context, query, path string) error {
	temp := path + ".tmp"
	err := os.WriteFile(temp, nil, 0o600)
	if err == nil {
		err = d.exec(ctx, "copy ("+query+") to "+literal(temp)+" (format parquet, compression zstd, row_group_size 50000, use_tmp_file false)")
	}
	if err == nil {
		err = syncFile(temp)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(temp))
	}
	return publish(temp, path)
}

// syncFile puts a file that DuckDB wrote on disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

var valueInError = regexp.MustCompile(`'[^']*'|"[^"]*"|\d{7,}`)

var damagedFile = regexp.MustCompile(`No magic bytes|too small to be a Parquet file`)

// withoutData takes the values out of an error about a value, such as that a
// text is no number: they may be phone numbers or message texts.
func withoutData(err error) error {
	var e *duckdb.Error
	if !errors.As(err, &e) {
		return err
	}
	if damagedFile.MatchString(e.Msg) { // it names the file, and no value
		return fmt.Errorf("%w: the file is damaged; restore it from a backup", err)
	}
	switch e.Type {
	case duckdb.ErrorTypeConversion, duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeInvalidInput,
		duckdb.ErrorTypeMismatchType, duckdb.ErrorTypeConstraint:
		first, _, _ := strings.Cut(e.Msg, "\n")
		return errors.New(valueInError.ReplaceAllString(first, "(a value)"))
	}
	return err
}

func (d *duck) close() error {
	var err error
	if d.conn != nil {
		err = d.conn.Close()
	}
	if d.db != nil {
		err = errors.Join(err, d.db.Close())
	}
	return errors.Join(err, os.RemoveAll(d.temp))
}

// resultColumn is a column of a query's result.
type resultColumn struct {
	name string
	kind duckdb.TypeInfo // nil where the driver can not tell
}

// describe checks that text is one SELECT statement, without running it, and
// returns the columns of its result.
func (d *duck) describe(text string) ([]resultColumn, error) {
	var columns []resultColumn
	err := d.conn.Raw(func(driverConn any) (err error) {
		prepared, err := driverConn.(driver.Conn).Prepare(text)
		if err != nil {
			var ofDuckDB *duckdb.Error
			if !errors.As(err, &ofDuckDB) && strings.Contains(err.Error(), "multi-statement") { // the driver's own, not exported
				return errors.New("only one statement can be read from, and there are several")
			}
			return withoutData(err)
		}
		defer func() { err = errors.Join(err, prepared.Close()) }()
		stmt := prepared.(*duckdb.Stmt)
		if kind, err := stmt.StatementType(); err != nil || kind != duckdb.STATEMENT_TYPE_SELECT {
			return errors.Join(errors.New("rows can be read from a SELECT statement only"), err)
		}
		if n := stmt.NumInput(); n > 0 {
			return fmt.Errorf("the statement has %s (? or $1), for which there are no values", count(n, "parameter"))
		}
		n, err := stmt.ColumnCount()
		if err != nil {
			return err
		}
		for i := range n {
			name, errName := stmt.ColumnName(i)
			if errName != nil {
				return fmt.Errorf("column %d: %w", i+1, errName)
			}
			kind, err := stmt.ColumnTypeInfo(i)
			if err != nil {
				kind = nil // a type that the driver can not describe, such as that of row(1, 2)
			}
			columns = append(columns, resultColumn{name, kind})
		}
		return nil
	})
	return columns, err
}

// identifier quotes a name for SQL.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// list returns texts as a list for SQL.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = literal(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// jsonText returns an SQL expression for the JSON text of the expression e, or
// NULL when it is NULL. It is put together from texts because to_json drops
// digits (1.50 becomes 1.5) and knows no RFC 3339. depth makes the names of
// lambda parameters differ.
func jsonText(e string, t duckdb.TypeInfo, depth int) string {
	if t == nil {
		return "to_json(" + e + ")::varchar"
	}
	x := fmt.Sprintf("x%d", depth)
	switch d := t.Details().(type) {
	case *duckdb.ListDetails:
		return jsonList(e, x, jsonText(x, d.Child, depth+1))
	case *duckdb.ArrayDetails:
		return jsonList(e, x, jsonText(x, d.Child, depth+1))
	case *duckdb.MapDetails:
		entry := "to_json(" + x + ".key::varchar)::varchar || ':' || coalesce(" + jsonText(x+".value", d.Value, depth+1) + ", 'null')"
		return jsonJoin(e, "map_entries("+e+")", x, entry, "{", "}")
	case *duckdb.StructDetails:
		return jsonStruct(e, d, depth)
	}
	return jsonScalar(e, t.InternalType())
}

func jsonScalar(e string, t duckdb.Type) string {
	text := "(" + e + ")::varchar"
	quoted := "to_json(" + text + ")::varchar"
	finite := func(then string) string { // JSON has no infinity, and RFC 3339 none either
		return "case when isfinite(" + e + ") then " + then + " else " + quoted + " end"
	}
	switch t {
	case duckdb.TYPE_BOOLEAN, duckdb.TYPE_TINYINT, duckdb.TYPE_SMALLINT, duckdb.TYPE_INTEGER, duckdb.TYPE_BIGINT,
		duckdb.TYPE_UTINYINT, duckdb.TYPE_USMALLINT, duckdb.TYPE_UINTEGER, duckdb.TYPE_UBIGINT,
		duckdb.TYPE_HUGEINT, duckdb.TYPE_UHUGEINT, duckdb.TYPE_BIGNUM, duckdb.TYPE_DECIMAL:
		return text
	case duckdb.TYPE_FLOAT, duckdb.TYPE_DOUBLE:
		return finite(text)
	case duckdb.TYPE_TIMESTAMP, duckdb.TYPE_TIMESTAMP_S, duckdb.TYPE_TIMESTAMP_MS, duckdb.TYPE_TIMESTAMP_NS:
		return finite(`'"' || replace(` + text + `, ' ', 'T') || 'Z"'`)
	case duckdb.TYPE_TIMESTAMP_TZ:
		return finite(`'"' || replace(((` + e + `) at time zone 'UTC')::varchar, ' ', 'T') || 'Z"'`)
	case duckdb.TYPE_VARCHAR: // JSON is a VARCHAR by another name
		return "case when typeof(" + e + ") = 'JSON' then " + text + " else " + quoted + " end"
	case duckdb.TYPE_BLOB:
		return "to_json(base64(" + e + "))::varchar"
	case duckdb.TYPE_UNION, duckdb.TYPE_VARIANT:
		return "to_json(" + e + ")::varchar"
	}
	return quoted
}

func jsonList(e, x, element string) string {
	return jsonJoin(e, e, x, "coalesce("+element+", 'null')", "[", "]")
}

func jsonJoin(e, elements, x, element, open, end string) string {
	return "case when (" + e + ") is not null then '" + open + "' || array_to_string(list_transform(" + elements +
		", lambda " + x + ": " + element + "), ',') || '" + end + "' end"
}

func jsonStruct(e string, d *duckdb.StructDetails, depth int) string {
	var parts []string
	for _, entry := range d.Entries {
		name := literal(entry.Name())
		field := "struct_extract(" + e + ", " + name + ")"
		parts = append(parts, "to_json("+name+"::varchar)::varchar || ':' || coalesce("+jsonText(field, entry.Info(), depth)+", 'null')")
	}
	return "case when (" + e + ") is not null then '{' || " + strings.Join(parts, " || ',' || ") + " || '}' end"
}
