package sinks

import (
	"context"
	"database/sql"
	"database/sql/driver"
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

	begin, commit *sql.Stmt        // what every transaction needs, parsed once
	log           *duckdb.Appender // kept from commit to commit; nil before the first
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

// attach opens a file as the ledger, which statements are then about.
func (d *duck) attach(ctx context.Context, path string) error {
	if err := d.exec(ctx, "ATTACH "+quote(path)+" AS ledger (TYPE duckdb)"); err != nil {
		return err
	}
	return d.exec(ctx, "USE ledger")
}

func (d *duck) detach(ctx context.Context) error {
	if err := d.exec(ctx, "USE memory"); err != nil {
		return err
	}
	return d.exec(ctx, "DETACH ledger")
}

// prepare gets ready for transactions.
func (d *duck) prepare(ctx context.Context) (err error) {
	if d.begin, err = d.conn.PrepareContext(ctx, "BEGIN TRANSACTION"); err == nil {
		d.commit, err = d.conn.PrepareContext(ctx, "COMMIT")
	}
	return err
}

func (d *duck) exec(ctx context.Context, query string, args ...any) error {
	_, err := d.conn.ExecContext(ctx, query, args...)
	return err
}

// tx runs f in a transaction. Every statement of f must be checked: after a
// failed one DuckDB's COMMIT reports success and has rolled back.
func (d *duck) tx(ctx context.Context, f func() error) error {
	if _, err := d.begin.ExecContext(ctx); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := f()
	if err == nil {
		if _, err = d.commit.ExecContext(ctx); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// A failed COMMIT has ended the transaction, and ROLLBACK then has nothing to say.
	_ = d.exec(ctx, "ROLLBACK")
	return err
}

// giveBack gives memory that is free back to the system. DuckDB does so when
// its limit is set, also to what it was; else what one large statement took is
// kept, and the next takes more beside it.
func (d *duck) giveBack(ctx context.Context) error {
	return d.exec(ctx, "SET memory_limit = "+quote(ledgerSettings["memory_limit"]))
}

// appendLog appends a row to the table log of the ledger, within the caller's
// transaction, which the appender shares because it is on the same connection.
// To make an appender costs as much as to use it, so it is kept.
func (d *duck) appendLog(values ...driver.Value) (err error) {
	if d.log == nil {
		err = d.conn.Raw(func(conn any) (err error) {
			d.log, err = duckdb.NewAppender(conn.(driver.Conn), "ledger", "main", "log")
			return err
		})
		if err != nil {
			return err
		}
	}
	if err = d.log.AppendRow(values...); err == nil {
		err = d.log.Flush()
	}
	if err != nil {
		// What it still holds must not get into another transaction.
		err = errors.Join(err, d.log.Clear(), d.closeLog())
	}
	return err
}

func (d *duck) closeLog() error {
	if d.log == nil {
		return nil
	}
	err := d.log.Close()
	d.log = nil
	return err
}

// close lets go of the files, which what is not closed before would keep open.
func (d *duck) close() error {
	err := d.closeLog()
	for _, s := range []*sql.Stmt{d.begin, d.commit} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return errors.Join(err, d.conn.Close(), d.db.Close())
}

// quote makes s a string literal of SQL.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// ident makes s an identifier of SQL.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
