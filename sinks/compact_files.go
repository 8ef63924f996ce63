package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// acceptTime is the column by which records of the API's messages are ordered.
const acceptTime = "accept_time"

// dataFile is a file of a dataset.
type dataFile struct {
	path, name string
	run        string
	commit     int64 // of the run; the number in the name
	rows       int64
	bytes      int64
	schema     *parquet.Schema
	info       os.FileInfo
	needed     bool // a ledger may ask for it, or its run bring more that belongs behind it
}

// segmentName is the name of a segment: <run>-<commit>.parquet.
var segmentName = regexp.MustCompile(`^(.+)-(\d{6,})\.parquet$`)

// successor is the name of a file that this one and those before it are merged
// into: of the same run and commit, so that its place in the order is that of
// the last, with a zero more, so that it is nobody's name yet. A reader who
// knows one of the names never finds the contents of the other.
func (f dataFile) successor() string {
	digits := segmentName.FindStringSubmatch(f.name)[2]
	return fmt.Sprintf("%s-0%s.parquet", f.run, digits)
}

// merged says whether a file of this name took the place of others.
func merged(name string) bool {
	m := segmentName.FindStringSubmatch(name)
	return m != nil && len(m[2]) > 6 && m[2][0] == '0' // of numbers beyond six digits none begins so
}

func weightOf(files []dataFile) (bytes int64) {
	for _, f := range files {
		bytes += f.bytes
	}
	return bytes
}

func rowsOf(files []dataFile) (rows int64) {
	for _, f := range files {
		rows += f.rows
	}
	return rows
}

// dataFiles lists the segments in a folder in the order in which they were
// committed; those of runs that are not settled are needed. What is named
// otherwise is not ours.
func (s *Store) dataFiles(folder string, settled map[string]bool) ([]dataFile, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []dataFile
	for _, e := range entries {
		name := segmentName.FindStringSubmatch(e.Name())
		if name == nil || !e.Type().IsRegular() {
			continue
		}
		f := dataFile{path: filepath.Join(folder, e.Name()), name: e.Name(), run: name[1]}
		if f.commit, err = strconv.ParseInt(name[2], 10, 64); err != nil {
			continue
		}
		if f.info, err = e.Info(); err != nil {
			return nil, err
		}
		f.bytes = f.info.Size()
		if f.schema, f.rows, err = readFooter(f.path); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	// After the files were listed: a run that was begun since has none of them.
	runs, err := s.Runs("")
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		for i := range files {
			files[i].needed = files[i].needed || files[i].run == r.ID && !settled[r.ID]
		}
	}
	slices.SortStableFunc(files, func(a, b dataFile) int {
		if a.run != b.run {
			return strings.Compare(a.run, b.run)
		}
		return int(a.commit - b.commit)
	})
	return files, nil
}

// settledRuns are the runs of which no ledger asks for a segment any more, and
// that bring no further ones. A ledger asks for those that it does not know to be
// published; once it was opened, and so brought in order, it knows that of all.
func (s *Store) settledRuns(ctx context.Context) (map[string]bool, error) {
	jobs, err := s.Jobs()
	if err != nil {
		return nil, err
	}
	settled := make(map[string]bool)
	for _, job := range jobs {
		runs, open := s.orderly(ctx, job)
		for _, r := range runs[:max(len(runs)-open, 0)] {
			settled[r.ID] = true
		}
	}
	return settled, nil
}

// orderly returns the runs of a job, and of how many of the last the files have
// to stay.
func (s *Store) orderly(ctx context.Context, job string) (runs []Run, open int) {
	l, err := s.Ledger(ctx, job)
	var locked *LockedError
	switch {
	case errors.As(err, &locked):
		runs, err := s.Runs(job)
		if err != nil {
			return nil, 0
		}
		return runs, 2 // the process may have given up the one before its own
	case err != nil:
		return nil, 0 // whoever runs the job is told why; until then all its files stay
	}
	runs, err = l.Runs(ctx)
	if errors.Join(err, l.Close()) != nil {
		return nil, 0
	}
	if n := len(runs); n > 0 && runs[n-1].Unfinished() {
		open = 1
	}
	return runs, open
}

// batchesOf cuts files, in their order, into what is to be merged, and counts
// the small ones that have to stay.
func batchesOf(files []dataFile) (batches [][]dataFile, left int) {
	var batch []dataFile
	end := func() {
		if len(batch) > 1 {
			batches = append(batches, batch)
		}
		batch = nil
	}
	for _, f := range files {
		if f.needed && f.bytes < compactBytes/2 {
			left++
		}
		if f.needed || f.bytes >= compactBytes/2 {
			end()
			continue
		}
		full := len(batch) == compactFiles || weightOf(batch) >= compactBytes
		if full || len(batch) > 0 && !parquet.EqualNodes(batch[0].schema, f.schema) {
			end()
		}
		batch = append(batch, f)
	}
	end()
	return batches, left
}

// readFooter returns the schema of a file and how many rows it has.
func readFooter(path string) (schema *parquet.Schema, rows int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", path, err)
	}
	return file.Schema(), file.NumRows(), nil
}
