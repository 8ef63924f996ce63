package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"convbatch/pipeline"

	"github.com/parquet-go/parquet-go"
)

// Bounds of a row group, which is what a reader holds in memory.
const (
	groupRows  = 20_000
	groupBytes = 32 << 20
)

// segment is one Parquet file: written under staging, committed, published.
type segment struct {
	run     string
	path    string // of the published file, below the store's folder
	staging string // its name below the job's staging folder
	rows    int64
	bytes   int64
}

// writer makes the segments of the datasets that it was given.
type writer struct {
	datasets map[string]*datasetWriter
	err      error // of the datasets themselves
}

type datasetWriter struct {
	row       reflect.Type
	pointer   reflect.Type
	partition string
	snapshot  bool
	leaves    []leaf // nil where the row has lists or the like
	parquet   *parquet.GenericWriter[any]
}

func newWriter(sets []Dataset) *writer {
	w := &writer{datasets: make(map[string]*datasetWriter, len(sets))}
	for _, set := range sets {
		schema, err := set.schema()
		if _, twice := w.datasets[set.Name]; twice {
			err = fmt.Errorf("dataset %s is declared twice", set.Name)
		}
		if err != nil {
			w.err = errors.Join(w.err, err)
			continue
		}
		row := reflect.TypeOf(set.Row)
		w.datasets[set.Name] = &datasetWriter{
			row: row, pointer: reflect.PointerTo(row), partition: set.PartitionBy, snapshot: set.Snapshot,
			leaves:  leavesOf(row, schema),
			parquet: parquet.NewGenericWriter[any](nil, writerOptions(schema)...),
		}
	}
	return w
}

// group is the records of one segment.
type group struct {
	dataset, partition string
	records            []*pipeline.Record
}

// groupRecords sorts records into segments, and the records of each by Order.
func (w *writer) groupRecords(outcomes []pipeline.Outcome) ([]group, error) {
	if w.err != nil {
		return nil, w.err
	}
	type place struct{ dataset, partition string }
	places := make(map[place]int)
	var groups []group
	last, n := place{}, -1
	for i := range outcomes {
		for j := range outcomes[i].Records {
			r := &outcomes[i].Records[j]
			at := place{r.Dataset, r.Partition}
			known := n >= 0 && at == last
			if !known {
				last = at
				n, known = places[at]
			}
			if !known {
				if err := w.checkPlace(at.dataset, at.partition); err != nil {
					return nil, err
				}
				n = len(groups)
				places[at] = n
				groups = append(groups, group{dataset: r.Dataset, partition: r.Partition})
			}
			if t := reflect.TypeOf(r.Row); t != w.datasets[r.Dataset].row && t != w.datasets[r.Dataset].pointer {
				return nil, fmt.Errorf("dataset %s takes %s, not %T", r.Dataset, w.datasets[r.Dataset].row, r.Row)
			}
			groups[n].records = append(groups[n].records, r)
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g.records, func(a, b *pipeline.Record) int { return cmp.Compare(a.Order, b.Order) })
	}
	return groups, nil
}

func (w *writer) checkPlace(dataset, partition string) error {
	set, ok := w.datasets[dataset]
	if !ok {
		return fmt.Errorf("no dataset %q was declared", dataset)
	}
	if set.partition == "" && partition == "" {
		return nil
	}
	column, value, ok := strings.Cut(partition, "=")
	if !ok || column != set.partition || checkName("the partition", value) != nil {
		return fmt.Errorf("dataset %s is partitioned by %q, and %q is no such partition", dataset, set.partition, partition)
	}
	return nil
}

// write writes the file of a group and returns its size. It is not on disk yet.
func (w *writer) write(f *os.File, g group) (size int64, err error) {
	set := w.datasets[g.dataset]
	out := set.parquet
	out.Reset(f)
	defer out.Reset(nil) // what is buffered is not kept until the next segment
	for len(g.records) > 0 {
		n, bytes := 0, 0
		for ; n < len(g.records) && n < groupRows && bytes < groupBytes; n++ {
			bytes += g.records[n].Size
		}
		if err := set.writeRows(g.records[:n]); err != nil {
			return 0, err
		}
		if err := out.Flush(); err != nil {
			return 0, err
		}
		g.records = g.records[n:]
	}
	if err := out.Close(); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// stage writes the records of a commit under staging. Commit n of a run always
// gives the same names, so that one that is done again replaces what it left.
func (l *Ledger) stage(w *writer, run string, n int64, outcomes []pipeline.Outcome) ([]segment, error) {
	groups, err := w.groupRecords(outcomes)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	var segments []segment
	var disk flusher
	for i, g := range groups {
		s := segment{
			run:     run,
			path:    filepath.Join(datasetsDir, g.dataset, g.partition, fmt.Sprintf("%s-%06d.parquet", run, n)),
			staging: fmt.Sprintf("%s-%06d-%d.parquet", run, n, i),
			rows:    int64(len(g.records)),
		}
		segments = append(segments, s)
		if segments[i].bytes, err = l.stageGroup(w, run, l.staged(s), g, &disk); err != nil {
			break
		}
	}
	if err = errors.Join(err, disk.wait()); err != nil {
		return nil, errors.Join(fmt.Errorf("write segments: %w", err), l.unstage(segments))
	}
	return segments, syncDir(filepath.Join(l.dir, stagingDir))
}

// stageGroup writes one segment, which is on disk once disk has waited.
func (l *Ledger) stageGroup(w *writer, run, path string, g group, disk *flusher) (size int64, err error) {
	if w.datasets[g.dataset].snapshot && g.partition != runPartition+"="+run {
		return 0, fmt.Errorf("run %s can not write into %s of the snapshots %s", run, g.partition, g.dataset)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		defer disk.flush(f)
		size, err = w.write(f, g)
	}
	if err != nil {
		return 0, fmt.Errorf("a segment of %s: %w", g.dataset, err)
	}
	return size, nil
}

func (l *Ledger) staged(s segment) string { return filepath.Join(l.dir, stagingDir, s.staging) }

func (l *Ledger) placed(s segment) string { return filepath.Join(l.store.dir, s.path) }

// unstage removes segments that were not committed.
func (l *Ledger) unstage(segments []segment) error {
	var errs error
	for _, s := range segments {
		if err := os.Remove(l.staged(s)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// record enters segments in the ledger, within the caller's transaction.
func (l *Ledger) record(ctx context.Context, segments []segment) error {
	for _, s := range segments {
		if err := l.duck.exec(ctx, "INSERT INTO segments VALUES (?, ?, ?, ?, ?, false)",
			s.run, s.path, s.staging, s.rows, s.bytes); err != nil {
			return fmt.Errorf("enter a segment: %w", err)
		}
	}
	return nil
}
