package sinks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// duck is one connection to a DuckDB instance of its own. Files are attached
// to it by quoted path, for a path in a DSN ends at its first "?".
type duck struct {
	db   *sql.DB
	conn *sql.Conn
}

// openDuck opens an instance in memory, with settings beside those that hold
// everywhere: nothing is ever downloaded.
func openDuck(ctx context.Context, settings map[string]string) (*duck, error) {
	options := url.Values{
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
	}
	for name, value := range settings {
		options.Set(name, value)
	}
	connector, err := duckdb.NewConnector("?"+options.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	d := &duck{db: sql.OpenDB(connector)}
	if d.conn, err = d.db.Conn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start DuckDB: %w", err), d.db.Close())
	}
	return d, nil
}

func (d *duck) exec(ctx context.Context, query string, args ...any) error {
	_, err := d.conn.ExecContext(ctx, query, args...)
	return err
}

// tx runs f in a transaction. Every statement of f must be checked: after a
// failed one DuckDB's COMMIT reports success and has rolled back.
func (d *duck) tx(ctx context.Context, f func() error) error {
	if err := d.exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := f()
	if err == nil {
		if err = d.exec(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// A failed COMMIT has ended the transaction, and ROLLBACK then has nothing to say.
	_ = d.exec(ctx, "ROLLBACK")
	return err
}

func (d *duck) close() error {
	return errors.Join(d.conn.Close(), d.db.Close())
}

// quote makes s a string literal of SQL.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// ident makes s an identifier of SQL.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
