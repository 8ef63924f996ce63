package sinks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var resultColumns = []column{
	{"run_id", "VARCHAR"}, {"seq", "BIGINT"}, {"key", "VARCHAR"}, {"state", "VARCHAR"},
	{"http_status", "INTEGER"}, {"attempts", "INTEGER"}, {"error_code", "VARCHAR"}, {"error", "VARCHAR"},
	{"ref", "VARCHAR"}, {"finished_at", "TIMESTAMP WITH TIME ZONE"}, {"response", "VARCHAR"},
}

var runColumns = []column{
	{"job", "VARCHAR"}, {"run_id", "VARCHAR"}, {"kind", "VARCHAR"}, {"state", "VARCHAR"},
	{"started_at", "TIMESTAMP WITH TIME ZONE"}, {"finished_at", "TIMESTAMP WITH TIME ZONE"}, {"resumed", "BIGINT"},
	{"rows", "BIGINT"}, {"done", "BIGINT"}, {"failed", "BIGINT"}, {"invalid", "BIGINT"}, {"suppressed", "BIGINT"},
	{"skipped", "BIGINT"}, {"in_doubt", "BIGINT"}, {"records", "BIGINT"}, {"requests", "BIGINT"}, {"retries", "BIGINT"},
	{"throttled", "BIGINT"}, {"elapsed_s", "DOUBLE"}, {"message", "VARCHAR"},
}

// Views returns the statements that make the views of SQL: runs, results, and
// one for each dataset. They read published files and nothing else, so they
// stand in no job's way; a view of which there is no file yet has its columns
// and no row.
func (s *Store) Views(sets []Dataset) ([]string, error) {
	runs, err := s.runsView()
	if err != nil {
		return nil, err
	}
	results, err := s.resultsView()
	if err != nil {
		return nil, err
	}
	views := []string{runs, results}
	for _, set := range sets {
		view, err := s.datasetView(set)
		if err != nil {
			return nil, err
		}
		views = append(views, view)
	}
	return views, nil
}

func (s *Store) runsView() (string, error) {
	jobs, err := s.Jobs()
	if err != nil {
		return "", err
	}
	var files, held []string
	for _, job := range jobs {
		path := filepath.Join(s.JobDir(job), runsFile)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		files = append(files, quote(globEscape(path)))
		pid, err := s.Holder(job)
		if err != nil {
			return "", err
		}
		if pid != 0 {
			held = append(held, quote(job))
		}
	}
	if len(files) == 0 {
		return view("runs", runColumns, ""), nil
	}
	var types []string
	for _, c := range runColumns {
		types = append(types, quote(c.name)+": "+quote(c.typ))
	}
	// A run that nobody runs any more was interrupted.
	dead := "state = 'running'"
	if len(held) > 0 {
		dead += " AND job NOT IN (" + strings.Join(held, ", ") + ")"
	}
	return view("runs", runColumns, fmt.Sprintf(
		"SELECT * REPLACE (CASE WHEN %s THEN 'interrupted' ELSE state END AS state) FROM read_json([%s], format = 'array', columns = {%s})",
		dead, strings.Join(files, ", "), strings.Join(types, ", "))), nil
}

func (s *Store) resultsView() (string, error) {
	columns := append([]column{{"job", "VARCHAR"}}, resultColumns...)
	jobs, err := s.Jobs()
	if err != nil {
		return "", err
	}
	var files []string
	for _, job := range jobs {
		dir := filepath.Join(s.JobDir(job), resultsDir)
		has, err := hasParquet(dir)
		if err != nil {
			return "", err
		}
		if has {
			files = append(files, globEscape(dir)+"/*.parquet")
		}
	}
	if len(files) == 0 {
		return view("results", columns, ""), nil
	}
	return view("results", columns, fmt.Sprintf(
		"SELECT string_split(filename, '/')[-3] AS job, * EXCLUDE (filename) FROM read_parquet(%s, union_by_name = true, filename = true, hive_partitioning = false)",
		quoteList(files))), nil
}

func (s *Store) datasetView(set Dataset) (string, error) {
	columns, err := set.columns()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, datasetsDir, set.Name)
	has, err := hasParquet(dir)
	if err != nil || !has {
		return view(set.Name, columns, ""), err
	}
	files := quote(globEscape(dir) + "/**/*.parquet")
	if set.PartitionBy == "" {
		return view(set.Name, columns, fmt.Sprintf("SELECT * FROM read_parquet(%s, union_by_name = true, hive_partitioning = false)", files)), nil
	}
	partition := ident(set.PartitionBy)
	if strings.Contains(s.dir, "/"+set.PartitionBy+"=") {
		// DuckDB takes the first folder of that name, which is not ours.
		return view(set.Name, columns, fmt.Sprintf("SELECT * EXCLUDE (filename), CAST(string_split(string_split(filename, '/')[-2], '=')[2] AS %s) AS %s "+
			"FROM read_parquet(%s, union_by_name = true, hive_partitioning = false, filename = true)", columns[len(columns)-1].typ, partition, files)), nil
	}
	return view(set.Name, columns, fmt.Sprintf(
		"SELECT * FROM read_parquet(%s, union_by_name = true, hive_partitioning = true, hive_types_autocast = false, hive_types = {%s: %s})",
		files, partition, columns[len(columns)-1].typ)), nil
}

// view makes a view with the columns in their order and of their types, also
// those that the files, written by another version, do not have.
func view(name string, columns []column, from string) string {
	var names, typed []string
	for _, c := range columns {
		names = append(names, ident(c.name))
		typed = append(typed, fmt.Sprintf("CAST(NULL AS %s) AS %s", c.typ, ident(c.name)))
	}
	source := "SELECT " + strings.Join(typed, ", ") + " WHERE false"
	if from != "" {
		source += " UNION ALL BY NAME (" + from + ")"
	}
	return fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM (%s)", ident(name), strings.Join(names, ", "), source)
}

// hasParquet says whether a Parquet file lies below dir.
func hasParquet(dir string) (bool, error) {
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && filepath.Ext(path) == ".parquet" {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for files of the store: %w", err)
	}
	return found, nil
}

// globEscape makes a path a pattern that matches the path alone.
func globEscape(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}
