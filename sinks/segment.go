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
	"github.com/parquet-go/parquet-go/compress/zstd"
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
		options := []parquet.WriterOption{
			schema,
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
			parquet.DataPageStatistics(true),
			parquet.CreatedBy("batch", "", ""),
		}
		if leaf, ok := schema.Lookup("id"); ok && leaf.Node.Type().Kind() == parquet.ByteArray {
			options = append(options, parquet.BloomFilters(parquet.SplitBlockFilter(10, "id")))
		}
		row := reflect.TypeOf(set.Row)
		w.datasets[set.Name] = &datasetWriter{
			row: row, pointer: reflect.PointerTo(row), partition: set.PartitionBy, snapshot: set.Snapshot,
			parquet: parquet.NewGenericWriter[any](nil, options...),
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
	for i := range outcomes {
		for j := range outcomes[i].Records {
			r := &outcomes[i].Records[j]
			at := place{r.Dataset, r.Partition}
			n, known := places[at]
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

// write makes the file of a group and returns its size once it is on disk.
func (w *writer) write(path string, g group) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := w.datasets[g.dataset].parquet
	out.Reset(f)
	defer out.Reset(nil) // what is buffered is not kept until the next segment
	rows := make([]any, 0, 1024)
	inGroup, bytes := 0, 0
	for i, r := range g.records {
		rows = append(rows, r.Row)
		inGroup, bytes = inGroup+1, bytes+r.Size
		full := inGroup == groupRows || bytes >= groupBytes
		if len(rows) == cap(rows) || full || i == len(g.records)-1 {
			if _, err := out.Write(rows); err != nil {
				return 0, err
			}
			rows = rows[:0]
		}
		if full {
			if err := out.Flush(); err != nil {
				return 0, err
			}
			inGroup, bytes = 0, 0
		}
	}
	if err := out.Close(); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
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
	for i, g := range groups {
		if w.datasets[g.dataset].snapshot && g.partition != runPartition+"="+run {
			return nil, errors.Join(fmt.Errorf("run %s can not write into %s of the snapshots %s", run, g.partition, g.dataset), l.unstage(segments))
		}
		s := segment{
			run:     run,
			path:    filepath.Join(datasetsDir, g.dataset, g.partition, fmt.Sprintf("%s-%06d.parquet", run, n)),
			staging: fmt.Sprintf("%s-%06d-%d.parquet", run, n, i),
			rows:    int64(len(g.records)),
		}
		segments = append(segments, s)
		if segments[i].bytes, err = w.write(l.staged(s), g); err != nil {
			return nil, errors.Join(fmt.Errorf("write a segment of %s: %w", g.dataset, err), l.unstage(segments))
		}
	}
	return segments, syncDir(filepath.Join(l.dir, stagingDir))
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
