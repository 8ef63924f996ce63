package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// payUp publishes what is committed: invariant 7, for a file comes to its
// place by being renamed, whole and committed. What fails stays owed.
func (l *Ledger) payUp() (err error) {
	if len(l.owed) == 0 {
		return nil
	}
	unlock, err := l.store.lockFolders(l.ctx, unix.LOCK_SH)
	if err != nil {
		return fmt.Errorf("publish segments: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	dirs := make(map[string]struct{})
	for _, s := range l.owed {
		to := l.placed(s)
		if err := mkdirSynced(filepath.Dir(to)); err != nil {
			return fmt.Errorf("publish %s: %w", s.path, err)
		}
		err := os.Rename(l.staged(s), to)
		if errors.Is(err, os.ErrNotExist) {
			_, err = os.Stat(to) // an earlier try got this far
		}
		if err != nil {
			return fmt.Errorf("publish %s: %w", s.path, err)
		}
		dirs[filepath.Dir(to)] = struct{}{}
	}
	var disk flusher
	for dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			return errors.Join(fmt.Errorf("publish segments in %s: %w", dir, err), disk.wait())
		}
		disk.flush(f)
	}
	if err := disk.wait(); err != nil {
		return fmt.Errorf("publish segments: %w", err)
	}
	l.unflagged, l.owed = true, nil
	return nil
}

// flag notes in the ledger that everything is published. It is done with the
// next transaction, for it saves a start some work and nothing hangs on it.
func (l *Ledger) flag(ctx context.Context) error {
	// After a COMMIT that failed there may be segments that nobody here knows of.
	if !l.unflagged || l.unsure || len(l.owed) > 0 {
		return nil
	}
	if err := l.duck.exec(ctx, "UPDATE segments SET published = true WHERE NOT published"); err != nil {
		return fmt.Errorf("note what is published: %w", err)
	}
	return nil
}

// recover brings the store to where the ledger is: committed segments to their
// places, all else out of staging. A run that no process runs was interrupted.
func (l *Ledger) recover(ctx context.Context) error {
	if err := l.checkJournal(ctx); err != nil {
		return err
	}
	if err := l.syncLog(); err != nil {
		return err
	}
	rows, err := l.duck.conn.QueryContext(ctx, "SELECT run_id, path, staging FROM segments WHERE NOT published")
	if err != nil {
		return fmt.Errorf("read the segments: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s segment
		if err := rows.Scan(&s.run, &s.path, &s.staging); err != nil {
			return fmt.Errorf("read the segments: %w", err)
		}
		l.owed = append(l.owed, s)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read the segments: %w", err)
	}
	if err := l.payUp(); errors.Is(err, os.ErrNotExist) {
		return &DamagedError{Path: l.path, Cause: fmt.Errorf("a segment that was committed is gone: %w", err)}
	} else if err != nil {
		return err
	}
	if err := l.interrupt(ctx); err != nil {
		return err
	}
	// A process may have died between a commit and the history that tells of it.
	return errors.Join(l.clearStaging(), l.store.finishPruning(l.job), l.writeRuns(ctx))
}

// interrupt notes what is published, which run died and where.
func (l *Ledger) interrupt(ctx context.Context) error {
	var running, logged int
	err := l.duck.conn.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM runs WHERE state = 'running'), (SELECT count(*) FROM log)`).Scan(&running, &logged)
	if err != nil {
		return fmt.Errorf("read the runs: %w", err)
	}
	if running == 0 && logged == 0 && !l.unflagged {
		return nil
	}
	err = l.duck.tx(ctx, func() error {
		if logged > 0 {
			if err := l.catchUp(ctx); err != nil {
				return err
			}
		}
		if err := l.flag(ctx); err != nil {
			return err
		}
		return l.duck.exec(ctx, "UPDATE runs SET state = 'interrupted' WHERE state = 'running'")
	})
	if err != nil {
		return fmt.Errorf("note what became of the last run: %w", err)
	}
	l.unflagged = false
	return l.syncLog()
}

// clearStaging removes what no ledger knows: everything there, once what is
// committed is published.
func (l *Ledger) clearStaging() error {
	dir := filepath.Join(l.dir, stagingDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.Name() == "tmp" {
			continue // DuckDB's own, in use
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove the rest of a crash: %w", err)
		}
	}
	return nil
}
