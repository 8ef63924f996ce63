package sinks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

var resultColumns = []column{
	{"run_id", "VARCHAR", "The run."},
	{"seq", "BIGINT", "The place of the row in the input, from 0; of a job that reads, the number of the part."},
	{"key", "VARCHAR", "The row's key, as the job file makes it."},
	{"state", "VARCHAR", "done, failed, invalid, suppressed, skipped or in_doubt."},
	{"http_status", "INTEGER", "Of the last answer; 0 when there was none."},
	{"attempts", "INTEGER", "How often it was called."},
	{"error_code", "VARCHAR", "The API's word for what is wrong, such as INVALID_REQUEST."},
	{"error", "VARCHAR", "What is wrong, in words."},
	{"ref", "VARCHAR", "The id that the API gave: of the message, of the contact."},
	{"finished_at", "TIMESTAMP WITH TIME ZONE", "When the row was settled."},
	{"response", "VARCHAR", "The answer, where a kind keeps it."},
}

var runColumns = []column{
	{"job", "VARCHAR", "The job's name in the job file."},
	{"run_id", "VARCHAR", "Ids sort by time."},
	{"kind", "VARCHAR", "The job's kind, such as bulk_send."},
	{"state", "VARCHAR", "running, completed, failed or interrupted."},
	{"started_at", "TIMESTAMP WITH TIME ZONE", "When it began."},
	{"finished_at", "TIMESTAMP WITH TIME ZONE", "When it ended; null while it has not."},
	{"resumed", "BIGINT", "How often it went on after an interruption."},
	{"rows", "BIGINT", "Of the input, or parts of what is read."},
	{"done", "BIGINT", "Rows that the API took."},
	{"failed", "BIGINT", "Rows that it refused, or whose attempts ran out."},
	{"invalid", "BIGINT", "Rows that were never sent: they could not have been right."},
	{"suppressed", "BIGINT", "Rows that were never sent: the recipient opted out."},
	{"skipped", "BIGINT", "Rows that were never sent: done in an earlier run, or nothing to change."},
	{"in_doubt", "BIGINT", "Rows that may have happened and were not repeated."},
	{"records", "BIGINT", "What was put in datasets."},
	{"requests", "BIGINT", "Calls of the API."},
	{"retries", "BIGINT", "Calls that were another attempt."},
	{"throttled", "BIGINT", "Answers that said: slower (429)."},
	{"elapsed_s", "DOUBLE", "Seconds at work, over all its processes."},
	{"message", "VARCHAR", "Why it ended as it did."},
}

var jobColumn = column{"job", "VARCHAR", "The job's name in the job file."}

// changeColumns say what the columns of <dataset>_changes and <dataset>_diff are.
var changeColumns = []column{
	{name: "change", doc: "added, removed or changed."},
	{name: "id", doc: "Of what changed."},
	{name: "from_run", doc: "The run before."},
	{name: "to_run", doc: "The run that found it."},
	{name: "before", doc: "Its body in the run before; null when it was added."},
	{name: "after", doc: "Its body now; null when it was removed."},
}

// ColumnDocs says what the columns are of a view whose rows no dataset declares:
// of runs, of results, and of <dataset>_changes; nil for any other.
func ColumnDocs(view string) map[string]string {
	var columns []column
	switch {
	case view == "runs":
		columns = runColumns
	case view == "results":
		columns = append([]column{jobColumn}, resultColumns...)
	case strings.HasSuffix(view, changesSuffix):
		columns = changeColumns
	default:
		return nil
	}
	docs := make(map[string]string, len(columns))
	for _, c := range columns {
		docs[c.name] = c.doc
	}
	return docs
}

// made is a statement that makes a view or a macro of that name; "" when it is
// not asked for.
type made struct{ name, sql string }

// Views returns what makes the views of SQL: runs, results, those of each dataset
// (see Dataset), and those of the folders of datasets/ that nobody declared. They
// read published files and nothing else, so they stand in no job's way; a view of
// which there is no file yet has its columns and no row. Which files there are, and
// what is the latest snapshot, is settled when it is called, not when a view is
// asked.
func (s *Store) Views(sets []Dataset) Views {
	return s.views(sets, func(string) bool { return true })
}

// ViewsFor is Views for one query: what that does not speak of is not opened,
// so neither its size nor its damage is in the way.
func (s *Store) ViewsFor(query string, sets []Dataset) Views {
	query = strings.ToLower(query)
	return s.views(sets, func(name string) bool { return strings.Contains(query, strings.ToLower(name)) })
}

func (s *Store) views(sets []Dataset, asked func(name string) bool) Views {
	return func() ([]string, error) { return s.viewsAskedFor(sets, asked) }
}

// viewsAskedFor makes those that are asked for: by the name of a dataset, all of its.
func (s *Store) viewsAskedFor(sets []Dataset, asked func(name string) bool) ([]string, error) {
	var all []made
	for name, view := range map[string]func() (string, error){"runs": s.runsView, "results": s.resultsView} {
		m := made{name: name}
		if asked(name) {
			var err error
			if m.sql, err = view(); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
	}
	history := sync.OnceValues(func() ([]Run, error) { return s.Runs("") })
	for _, set := range sets {
		if !asked(set.Name) {
			all = append(all, made{name: set.Name})
			continue
		}
		columns, err := set.columns()
		if err != nil {
			return nil, err
		}
		views, err := s.viewsOf(set, columns, history)
		if err != nil {
			return nil, err
		}
		all = append(all, views...)
	}
	all, err := s.addUndeclared(all, asked, history)
	if err != nil {
		return nil, err
	}
	var statements []string
	for _, m := range all {
		if m.sql != "" {
			statements = append(statements, m.sql)
		}
	}
	return statements, nil
}

// viewsOf returns what makes the views of one dataset, the one of all its
// records first. The history is only asked for where it matters: one that can
// not be read is in the way of nothing else.
func (s *Store) viewsOf(set Dataset, columns []column, history func() ([]Run, error)) ([]made, error) {
	everything, err := parquetIn(s.datasetDir(set))
	var runs []Run
	if err == nil && set.Snapshot && len(everything) > 0 {
		// What a run wrote that is completed here is in its place by now.
		if runs, err = history(); err == nil {
			everything, err = parquetIn(s.datasetDir(set))
		}
	}
	if err != nil {
		return nil, err
	}
	all := made{set.Name, view(set.Name, columns, s.scan(set, everything))}
	if set.Snapshot || len(set.Latest) > 0 {
		all.name += historySuffix
		all.sql = view(all.name, columns, s.scan(set, everything))
	}
	switch {
	case set.Snapshot:
		return append([]made{all}, s.snapshotViews(set, columns, runs, everything)...), nil
	case len(set.Latest) > 0:
		return []made{all, {set.Name, s.latestView(set, columns, everything)}}, nil
	}
	return []made{all}, nil
}

func (s *Store) datasetDir(set Dataset) string { return filepath.Join(s.dir, datasetsDir, set.Name) }

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
	columns := append([]column{jobColumn}, resultColumns...)
	jobs, err := s.Jobs()
	if err != nil {
		return "", err
	}
	var files []string
	for _, job := range jobs {
		of, err := s.AllResultFiles(job)
		if err != nil {
			return "", err
		}
		files = append(files, of...)
	}
	if len(files) == 0 {
		return view("results", columns, ""), nil
	}
	return view("results", columns, fmt.Sprintf(
		"SELECT string_split(filename, '/')[-3] AS job, * EXCLUDE (filename) FROM read_parquet(%s, union_by_name = true, filename = true, hive_partitioning = false)",
		patterns(files))), nil
}

// datasetView makes the view of a dataset with all its records.
func (s *Store) datasetView(set Dataset) Views {
	return func() ([]string, error) {
		columns, err := set.columns()
		if err != nil {
			return nil, err
		}
		views, err := s.viewsOf(set, columns, nil)
		if err != nil {
			return nil, err
		}
		return []string{views[0].sql}, nil
	}
}

// scan selects from files of a dataset, with the column that their folders give
// and with further expressions, which may speak of filename and file_row_number.
// It is "" when there are no files.
func (s *Store) scan(set Dataset, files []string, further ...string) string {
	if len(files) == 0 {
		return ""
	}
	hive := "hive_partitioning = false"
	switch {
	case set.PartitionBy == "":
	case strings.Contains(s.dir, "/"+set.PartitionBy+"="):
		// DuckDB takes the first folder of that name, which is not ours.
		further = append(further, fmt.Sprintf("CAST(string_split(string_split(filename, '/')[-2], '=')[2] AS %s) AS %s",
			set.partitionType(), ident(set.PartitionBy)))
	default:
		hive = fmt.Sprintf("hive_partitioning = true, hive_types_autocast = false, hive_types = {%s: %s}", ident(set.PartitionBy), set.partitionType())
	}
	return fmt.Sprintf("SELECT %s FROM read_parquet(%s, union_by_name = true, %s)",
		strings.Join(append([]string{"*"}, further...), ", "), patterns(files), hive)
}

// view makes a view of the columns in their order and of their types.
func view(name string, columns []column, from string) string {
	return fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM %s", ident(name), names(columns), typed(columns, from))
}

// typed is what a query selects from, with the columns of their types, also
// those that the files, written by another version, do not have.
func typed(columns []column, from string) string {
	nulls := make([]string, len(columns))
	for i, c := range columns {
		nulls[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.typ, ident(c.name))
	}
	source := "SELECT " + strings.Join(nulls, ", ") + " WHERE false"
	if from != "" {
		source += " UNION ALL BY NAME (" + from + ")"
	}
	return "(" + source + ")"
}

func names(columns []column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = ident(c.name)
	}
	return strings.Join(names, ", ")
}

// globEscape makes a path a pattern that matches the path alone.
func globEscape(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}
