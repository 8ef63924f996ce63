package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"convbatch/pipeline"
)

// Measured with commits of 1,000 rows over a million (BenchmarkOutcomes): a
// second thread makes commits slower and takes 60 MiB more. The memory is a
// ceiling that small rows come nowhere near; a segment of results with long
// answers needs several times its size. Checkpoints are made when outcomes leave
// the ledger; the threshold only bounds the log, which a start after a crash has
// to read, where that happens seldom.
var ledgerSettings = map[string]string{
	"threads":              "1",
	"memory_limit":         "512MiB",
	"checkpoint_threshold": "128MiB",
}

// How much stays in the ledger before it goes to a results segment. DuckDB takes
// about 1 KiB for each of these rows while it writes them.
const (
	moveRows  = 12_000
	moveBytes = 8 << 20
)

// Ledger is what one job knows: its runs, and of the unfinished one the items,
// claims and outcomes. As long as it is open no other process can run the job.
// Its methods may be called by several goroutines, one after the other.
type Ledger struct {
	store *Store
	job   string
	dir   string // the job's folder
	path  string
	lock  *os.File        // that keeps other processes off the job
	ctx   context.Context // never cancelled; for Close, which must not be cut short

	mu        sync.Mutex
	duck      *duck
	current   *position        // of the run that was begun or resumed
	journal   *journal         // likewise
	inherited []pipeline.Claim // what processes that died may have sent: only an outcome ends it
	owed      []segment        // committed and not yet published
	unflagged bool             // something was published and does not stand in the ledger as such
	upkeep    error            // why publishing or moving failed after the last commit
	unsure    bool             // the last COMMIT failed and may have taken effect all the same
	wal       os.FileInfo

	held    int64  // outcomes of the current run that are in the log
	bytes   int64  // that they take there
	scratch []byte // what is appended to the log, built anew by each commit

	// For tests: how much stays (moveRows, moveBytes), and a call where a crash hurts most.
	rows, weight int64
	crash        func(point string)
}

// Ledger opens the ledger of a job, and makes it when it is not there. What an
// earlier process had committed and not published is published, and what it
// had not committed is removed. It returns a *LockedError when another process
// has the job, a *VersionError when a newer batch wrote it, a *DamagedError
// when it can not be read; the file is then as it was.
func (s *Store) Ledger(ctx context.Context, job string) (*Ledger, error) {
	return s.ledger(ctx, job, embedded)
}

func (s *Store) ledger(ctx context.Context, job string, migrations fs.FS) (_ *Ledger, err error) {
	if err := checkName("the job's name", job); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // what is cut short looks like damage
	l := &Ledger{
		store: s, job: job, dir: s.JobDir(job), path: s.ledgerPath(job), ctx: ctx,
		rows: moveRows, weight: moveBytes, crash: func(string) {},
	}
	for _, dir := range []string{l.dir, filepath.Join(l.dir, stagingDir), filepath.Join(l.dir, resultsDir)} {
		if err := mkdirSynced(dir); err != nil {
			return nil, fmt.Errorf("make the folder of job %s: %w", job, withAdvice(err))
		}
	}
	if err := hold(job, l.path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			release(l.path)
		}
	}()
	if l.lock, err = lock(job, filepath.Join(l.dir, lockFile)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.lock.Close())
		}
	}()
	if l.duck, err = l.start(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.duck.close())
		}
	}()
	if err := l.open(ctx, migrations); err != nil {
		return nil, err
	}
	return l, nil
}

// open opens the ledger's file and brings it and the store up to date.
func (l *Ledger) open(ctx context.Context, migrations fs.FS) error {
	if err := l.create(ctx, migrations); err != nil {
		return err
	}
	if err := l.duck.attach(ctx, l.path); err != nil {
		return openError(l.job, l.path, err)
	}
	if err := migrate(ctx, l.duck, l.path, migrations); err != nil {
		var newer *VersionError
		if errors.As(err, &newer) {
			return err
		}
		return openError(l.job, l.path, err)
	}
	if err := l.recover(ctx); err != nil {
		if damaged(err) {
			return &DamagedError{Path: l.path, Cause: err}
		}
		return fmt.Errorf("recover job %s: %w", l.job, withAdvice(err))
	}
	return nil
}

// start starts DuckDB. Nothing is written to a ledger on the way out, so that a
// file which is turned down stays as it was.
func (l *Ledger) start(ctx context.Context) (*duck, error) {
	d, err := openDuck(ctx, ledgerSettings)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"SET temp_directory = " + quote(filepath.Join(l.dir, stagingDir, "tmp")),
		"PRAGMA disable_checkpoint_on_shutdown",
	} {
		if err := d.exec(ctx, statement); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// create makes the ledger's file, which appears whole or not at all.
func (l *Ledger) create(ctx context.Context, migrations fs.FS) error {
	if info, err := os.Stat(l.path); err == nil {
		if info.Size() == 0 {
			return &DamagedError{Path: l.path, Cause: errors.New("it is empty")}
		}
		return nil
	}
	fresh := filepath.Join(l.dir, stagingDir, fmt.Sprintf("ledger.%d.new", os.Getpid()))
	if err := l.fill(ctx, fresh, migrations); err != nil {
		return fmt.Errorf("make the ledger of job %s: %w", l.job, withAdvice(err))
	}
	// A link does not replace: of two processes that begin at once one is first.
	err := os.Link(fresh, l.path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Remove(fresh), syncDir(l.dir)); err != nil {
		return fmt.Errorf("make the ledger of job %s: %w", l.job, withAdvice(err))
	}
	return nil
}

func (l *Ledger) fill(ctx context.Context, path string, migrations fs.FS) error {
	for _, rest := range []string{path, path + ".wal"} { // of a crash
		if err := os.Remove(rest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := l.duck.attach(ctx, path); err != nil {
		return err
	}
	err := makeSchema(ctx, l.duck, migrations)
	if err == nil {
		err = l.duck.exec(ctx, "CHECKPOINT ledger")
	}
	if err := errors.Join(err, l.duck.detach(ctx)); err != nil {
		return err
	}
	_, err = syncFile(path)
	return err
}

// Close lets go of the job. What was committed stays, whatever Close returns.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.duck == nil {
		return nil
	}
	err := errors.Join(l.payUp(), l.flag(l.ctx), l.checkpoint(l.ctx), l.duck.close(), l.journal.close(), l.lock.Close())
	l.duck, l.journal = nil, nil
	release(l.path)
	if err != nil {
		return fmt.Errorf("close the ledger of job %s: %w", l.job, withAdvice(err))
	}
	return nil
}

func (l *Ledger) checkpoint(ctx context.Context) error {
	if err := l.duck.exec(ctx, "CHECKPOINT ledger"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return l.syncLog()
}

// syncLog sees to it that a write-ahead log that DuckDB has made anew is its
// owner's alone and that its name is on disk, without which its contents would
// not be found. The log carries no lock, but is not opened all the same.
func (l *Ledger) syncLog() error {
	info, err := os.Stat(l.path + ".wal")
	if errors.Is(err, fs.ErrNotExist) {
		l.wal = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the ledger's log: %w", err)
	}
	if l.wal != nil && os.SameFile(l.wal, info) && info.Size() >= l.wal.Size() {
		l.wal = info
		return nil
	}
	if err := errors.Join(os.Chmod(l.path, 0o600), os.Chmod(l.path+".wal", 0o600), syncDir(l.dir)); err != nil {
		return fmt.Errorf("keep the ledger's log: %w", err)
	}
	l.wal = info
	return nil
}
