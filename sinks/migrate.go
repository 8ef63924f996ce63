package sinks

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migration is one numbered .sql file: 0001_ledger.sql leads to version 1.
type migration struct {
	version int
	sql     string
}

// loadMigrations reads the numbered files of a folder, which follow on each other from 1.
func loadMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	var all []migration
	for i, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		all = append(all, migration{version, string(text)})
	}
	return all, nil
}

// migrate brings the attached ledger to the newest version in one transaction,
// or returns a *VersionError having changed nothing.
func migrate(ctx context.Context, d *duck, ledgerPath string, files fs.FS) error {
	steps, err := loadMigrations(files)
	if err != nil {
		return err
	}
	at, err := schemaVersion(ctx, d)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	switch {
	case at > len(steps):
		return &VersionError{Path: ledgerPath, Found: at, Known: len(steps)}
	case at == len(steps):
		return nil
	}
	return d.tx(ctx, func() error { return d.apply(ctx, steps[at:]) })
}

// makeSchema gives an empty ledger its tables.
func makeSchema(ctx context.Context, d *duck, files fs.FS) error {
	steps, err := loadMigrations(files)
	if err != nil {
		return err
	}
	return d.tx(ctx, func() error {
		if err := d.exec(ctx, "CREATE TABLE schema_version (version INTEGER NOT NULL)"); err != nil {
			return err
		}
		return d.apply(ctx, steps)
	})
}

func (d *duck) apply(ctx context.Context, steps []migration) error {
	for _, step := range steps {
		err := d.exec(ctx, step.sql)
		if err == nil {
			err = d.exec(ctx, "INSERT INTO schema_version VALUES (?)", step.version)
		}
		if err != nil {
			return fmt.Errorf("migrate to version %d: %w", step.version, err)
		}
	}
	return nil
}

func schemaVersion(ctx context.Context, d *duck) (version int, err error) {
	err = d.conn.QueryRowContext(ctx, "SELECT max(version) FROM schema_version").Scan(&version)
	return version, err
}
