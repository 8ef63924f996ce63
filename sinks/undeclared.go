package sinks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// listKind is the kind of job that writes datasets of the user's own naming.
const listKind = "api_list"

// plainName is a name that needs no quotes in SQL.
var plainName = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

// addUndeclared adds the views of folders under datasets/ that no dataset was
// declared for. One whose name, or that of a view of whose, is taken has none.
func (s *Store) addUndeclared(all []made, asked func(name string) bool, history func() ([]Run, error)) ([]made, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, datasetsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the datasets of the store: %w", err)
	}
	taken := make(map[string]struct{}) // in lower case, for SQL does not tell cases apart
	for _, m := range all {
		taken[strings.ToLower(m.name)] = struct{}{}
	}
	isTaken := func(m made) bool { _, ok := taken[strings.ToLower(m.name)]; return ok }
	for _, e := range entries {
		if !e.IsDir() || !plainName.MatchString(e.Name()) || !asked(e.Name()) || isTaken(made{name: e.Name()}) {
			continue
		}
		views, err := s.viewsOfFolder(e.Name(), history)
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", e.Name(), err)
		}
		if slices.ContainsFunc(views, isTaken) {
			continue
		}
		for _, m := range views {
			taken[strings.ToLower(m.name)] = struct{}{}
		}
		all = append(all, views...)
	}
	return all, nil
}

// viewsOfFolder returns what makes the views of a folder under datasets/, whose
// columns are those of its newest file; none when it has no file.
func (s *Store) viewsOfFolder(name string, history func() ([]Run, error)) ([]made, error) {
	set := Dataset{Name: name}
	files, err := parquetIn(s.datasetDir(set))
	if err != nil || len(files) == 0 {
		return nil, err
	}
	newest := files[len(files)-1] // a name begins with the run's
	schema, _, err := readFooter(newest)
	if err != nil {
		return nil, err
	}
	folder, _, _ := strings.Cut(strings.TrimPrefix(newest, s.datasetDir(set)+"/"), "/")
	partition, _, ok := strings.Cut(folder, "=")
	if _, has := schema.Lookup(partition); ok && !has && plainName.MatchString(partition) {
		set.PartitionBy = partition
	}
	if set.PartitionBy == runPartition {
		set.Snapshot, set.Kinds = true, []string{listKind}
	}
	columns, err := set.columnsOf(schema)
	if err != nil {
		return nil, err
	}
	return s.viewsOf(set, columns, history)
}
