package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// Views makes the statements that make views; see Store.Views. It lists the files
// that they read, which Compact may merge then, or PruneDataset take away. Where
// there are none it is nil.
type Views func() (statements []string, err error)

// Again calls f with the statements of the views, and calls it again, with those
// of the files that are there now, when a file of the store was listed and has
// been merged with others or taken away since. From the third time on nobody does
// that while f runs. It returns what f does at last.
//
// Files are listed while no folder changes places or is taken away. Who reads the
// names in a folder and then looks at each by its path would find some of them
// gone otherwise, and DuckDB leaves out without a word what it does not find. So
// views have their files by name, and not as patterns.
func (s *Store) Again(ctx context.Context, views Views, f func(statements []string) error) error {
	if views == nil {
		return f(nil)
	}
	for try := 1; ; try++ {
		var statements []string
		err := s.withFolders(ctx, unix.LOCK_SH, func() (err error) {
			if statements, err = views(); err == nil && try >= 3 {
				err = f(statements)
			}
			return err
		})
		if err == nil && try < 3 {
			err = f(statements)
		}
		if try == 5 || !s.hasMissed(err) {
			return err
		}
	}
}

// missed is how the system or DuckDB says that a file is not there.
var missed = regexp.MustCompile(`(?i)no such file or directory|no files found that match`)

// hasMissed says whether something failed because a file of a dataset, or of a
// job's results, is not there.
func (s *Store) hasMissed(err error) bool {
	if err == nil || !missed.MatchString(err.Error()) {
		return false
	}
	for _, dir := range []string{filepath.Join(s.dir, datasetsDir) + "/", filepath.Join(s.dir, jobsDir) + "/"} {
		if strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), globEscape(dir)) {
			return true
		}
	}
	return false
}

// parquetIn lists the Parquet files below dir by their paths, in the order of
// those; none where there is no such folder.
func parquetIn(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case path == dir && errors.Is(err, fs.ErrNotExist):
			return fs.SkipAll
		case err == nil && !d.IsDir() && filepath.Ext(path) == ".parquet":
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list files of the store: %w", err)
	}
	return files, nil
}
