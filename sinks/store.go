// Package sinks keeps outcomes, records and positions.
package sinks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	storeFormat  = 1
	storeMarker  = "store" // the file that says what the folder is
	ledgerFile   = "ledger.duckdb"
	statusFile   = "status.json"
	runsFile     = "runs.json"
	jobsDir      = "jobs"
	datasetsDir  = "datasets"
	stagingDir   = "staging"
	resultsDir   = "results"
	markerPrefix = "batch store, format "
)

// Store is the folder under which everything is kept. It holds nothing open;
// its methods may be called by any number of goroutines and processes.
type Store struct {
	dir    string
	bucket Bucket // that segments go to as well; nil for none
}

// OpenStore opens the store at dir and makes it, for its owner alone, when it
// is not there. It returns a *VersionError when a newer batch made it. A store
// that can only be read opens; its ledgers do not.
func OpenStore(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	if strings.ContainsAny(abs, `?\`) {
		// DuckDB puts its log elsewhere for the one, and parts patterns at the other.
		return nil, fmt.Errorf("the store %s has a question mark or a backslash in its path, which DuckDB can not have; choose another folder (store: in the job file)", abs)
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := mkdirSynced(abs); err != nil {
			return nil, fmt.Errorf("make the store %s: %w; choose another folder (store: in the job file)", dir, err)
		}
	case err != nil:
		return nil, fmt.Errorf("open the store %s: %w", dir, err)
	case !info.IsDir():
		return nil, fmt.Errorf("the store %s is not a folder; choose another (store: in the job file)", dir)
	}
	s := &Store{dir: abs}
	if err := s.checkMarker(); err != nil {
		return nil, err
	}
	return s, nil
}

// Dir is the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

// JobDir is the absolute path of the job's folder, whether it exists or not.
func (s *Store) JobDir(job string) string { return filepath.Join(s.dir, jobsDir, job) }

// HasDataset says whether there is a folder of the dataset, which its first
// segment makes.
func (s *Store) HasDataset(name string) (bool, error) {
	_, err := os.Stat(filepath.Join(s.dir, datasetsDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the dataset %s: %w", name, err)
	}
	return true, nil
}

func (s *Store) ledgerPath(job string) string { return filepath.Join(s.JobDir(job), ledgerFile) }

// checkMarker reads the store's format, or writes it into a store that has none.
func (s *Store) checkMarker() error {
	path := filepath.Join(s.dir, storeMarker)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.Chmod(s.dir, 0o700); err != nil {
			return fmt.Errorf("keep the store %s to its owner: %w", s.dir, withAdvice(err))
		}
		if err := writeFileSynced(path, fmt.Appendf(nil, "%s%d\n", markerPrefix, storeFormat)); err != nil {
			return fmt.Errorf("set up the store %s: %w", s.dir, withAdvice(err))
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the store %s: %w", s.dir, err)
	}
	number, ok := strings.CutPrefix(strings.TrimSpace(string(text)), markerPrefix)
	format, err := strconv.Atoi(number)
	if !ok || err != nil || format < 1 {
		return fmt.Errorf("%s does not say which format the store has; is %s the right folder?", path, s.dir)
	}
	if format > storeFormat {
		return &VersionError{Path: s.dir, Found: format, Known: storeFormat}
	}
	return nil
}

var goodName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_. -]*$`)

// checkName keeps names that become parts of paths from leaving their place.
func checkName(what, name string) error {
	if !goodName.MatchString(name) || len(name) > 200 {
		return fmt.Errorf("%s %q can not name a file: use letters, digits, '.', '_' and '-', beginning with a letter or digit", what, name)
	}
	return nil
}
