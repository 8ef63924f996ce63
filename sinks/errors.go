package sinks

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/duckdb/duckdb-go/v2"
)

// LockedError says that another process has the job.
type LockedError struct {
	Job string
	PID int // 0 when it is not known
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("job %s is being run by another process; wait for it or stop it", e.Job)
	}
	return fmt.Sprintf("job %s is being run by process %d; wait for it or stop it", e.Job, e.PID)
}

// VersionError says that a newer batch made a store or a ledger. The file is
// as it was found.
type VersionError struct {
	Path         string
	Found, Known int
	Cause        error // DuckDB's words when its own format is newer, else nil
}

func (e *VersionError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s was written by a newer DuckDB (storage version %d): use the batch that wrote it, or a newer one", e.Path, e.Found)
	}
	return fmt.Sprintf("%s has format %d and this batch knows formats up to %d: use the batch that wrote it, or a newer one", e.Path, e.Found, e.Known)
}

func (e *VersionError) Unwrap() error { return e.Cause }

// DamagedError says that a ledger, or what it vouches for, can not be read.
// The file is as it was found.
type DamagedError struct {
	Path  string
	Cause error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged and was left as it is: %v; restore it from a backup, or move the job's folder away "+
		"(the job then begins anew and knows nothing of what it sent)", e.Path, e.Cause)
}

func (e *DamagedError) Unwrap() error { return e.Cause }

// ErrReadOnly says that the store can not be written.
var ErrReadOnly = errors.New("the store can not be written; check who owns it and how it is mounted")

var (
	lockedWords   = regexp.MustCompile(`Could not set lock on file`)
	lockedPID     = regexp.MustCompile(`\(PID (\d+)\)`)
	readOnlyWords = regexp.MustCompile(`(?i)permission denied|read-only file system`)
	versionWords  = regexp.MustCompile(`(?s)file with version number (\d+)`)
	// What the machine refuses says nothing of the file.
	machineWords = regexp.MustCompile(`(?i)permission denied|read-only file system|no space left|too many open files|out of memory|cannot allocate|quota exceeded|interrupted|operation not permitted`)
)

// openError gives the error of opening a ledger its type, from DuckDB's words.
func openError(job, path string, err error) error {
	text := err.Error()
	if lockedWords.MatchString(text) {
		locked := &LockedError{Job: job}
		if m := lockedPID.FindStringSubmatch(text); m != nil {
			locked.PID, _ = strconv.Atoi(m[1])
		}
		return locked
	}
	if m := versionWords.FindStringSubmatch(text); m != nil {
		found, _ := strconv.Atoi(m[1])
		return &VersionError{Path: path, Found: found, Cause: err}
	}
	if readOnlyWords.MatchString(text) {
		return fmt.Errorf("open the ledger %s: %w: %w", path, ErrReadOnly, err)
	}
	if machineWords.MatchString(text) {
		return fmt.Errorf("open the ledger %s: %w", path, withAdvice(err))
	}
	return &DamagedError{Path: path, Cause: err}
}

// damaged says whether DuckDB met contents that it can not read.
func damaged(err error) bool {
	var duck *duckdb.Error
	return errors.As(err, &duck) && (duck.Type == duckdb.ErrorTypeSerialization ||
		strings.Contains(duck.Msg, "Corrupt") || strings.Contains(duck.Msg, "checksum") ||
		strings.Contains(duck.Msg, "Could not read enough bytes"))
}

// Missing says whether a query failed because it speaks of a table or a function
// that there is not.
func Missing(err error) bool {
	var duck *duckdb.Error
	return errors.As(err, &duck) && duck.Type == duckdb.ErrorTypeCatalog
}

// withAdvice adds what to do about what the machine refused.
func withAdvice(err error) error {
	switch text := err.Error(); {
	case errors.Is(err, syscall.ENOSPC), strings.Contains(text, "No space left"):
		return fmt.Errorf("the disk of the store is full; make room and run the same command again: %w", err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission),
		strings.Contains(text, "Permission denied"), strings.Contains(text, "Read-only file system"):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errors.Is(err, syscall.EFBIG), strings.Contains(text, "File too large"):
		return fmt.Errorf("a file of the store may not grow further; lift the limit (ulimit -f) and run the same command again: %w", err)
	case errors.Is(err, syscall.EDQUOT), strings.Contains(text, "Disk quota exceeded"):
		return fmt.Errorf("the quota of the store's disk is used up; make room and run the same command again: %w", err)
	}
	return err
}

// Advise adds to an error what to do about it, where the machine refused: a
// full disk, a folder that can not be written.
func Advise(err error) error { return withAdvice(err) }
