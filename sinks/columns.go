package sinks

import (
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"convbatch/pipeline"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// writerOptions say how the files of a dataset are written, and what helps
// those who read them: the bounds of each column, but for texts that nobody
// compares, and a filter that says of an id that it is not there.
func writerOptions(schema *parquet.Schema) []parquet.WriterOption {
	options := []parquet.WriterOption{
		schema,
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.DataPageStatistics(false), // in each page's header: the index of the columns has them
		parquet.CreatedBy("batch", "", ""),
		parquet.SkipPageBounds("body"),
		parquet.SkipPageBounds("text"),
	}
	if leaf, ok := schema.Lookup("id"); ok && leaf.Node.Type().Kind() == parquet.ByteArray {
		options = append(options, parquet.BloomFilters(parquet.SplitBlockFilter(10, "id")))
	}
	return options
}

// leaf reads the value of one column off a row.
type leaf func(row reflect.Value) parquet.Value

// leavesOf are the columns of a struct, none where one of them is not a plain
// value: such rows are written one by one, which takes half as long again.
func leavesOf(row reflect.Type, schema *parquet.Schema) []leaf {
	fields := schema.Fields()
	if row.NumField() != len(fields) {
		return nil
	}
	all := make([]leaf, len(fields))
	for i, f := range fields {
		field := row.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		if name != f.Name() || !f.Leaf() || f.Repeated() {
			return nil
		}
		read := reader(field.Type, f.Type())
		if read == nil {
			return nil
		}
		all[i] = func(row reflect.Value) parquet.Value { return read(row.Field(i)) }
		if f.Optional() {
			all[i] = func(row reflect.Value) parquet.Value {
				if v := row.Field(i); !v.IsZero() {
					return read(v).Level(0, 1, i)
				}
				return parquet.NullValue().Level(0, 0, i)
			}
		}
	}
	return all
}

// reader makes Parquet's value of Go's, for the types that rows are made of.
func reader(t reflect.Type, column parquet.Type) leaf {
	stamp := func() bool {
		if column.LogicalType() == nil {
			return false
		}
		logical, ok := column.LogicalType().Value.(*format.TimestampType)
		return ok && logical.Unit.Value != nil && logical.Unit.Value.Duration() == time.Microsecond
	}
	switch kind := column.Kind(); {
	case t == reflect.TypeFor[time.Time]() && kind == parquet.Int64 && stamp():
		return func(v reflect.Value) parquet.Value {
			return parquet.Int64Value(v.Addr().Interface().(*time.Time).UnixMicro())
		}
	case t.Kind() == reflect.String && kind == parquet.ByteArray:
		return func(v reflect.Value) parquet.Value {
			s := v.String()
			return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s))) // which is only read
		}
	case t.Kind() == reflect.Bool && kind == parquet.Boolean:
		return func(v reflect.Value) parquet.Value { return parquet.BooleanValue(v.Bool()) }
	case (t.Kind() == reflect.Int64 || t.Kind() == reflect.Int) && kind == parquet.Int64:
		return func(v reflect.Value) parquet.Value { return parquet.Int64Value(v.Int()) }
	}
	return nil
}

// batchRows is how many rows go to a column at a time: a page ends with a batch.
const batchRows = 256

// writeRows writes the rows of a row group, each a struct or a pointer to one.
func (w *datasetWriter) writeRows(records []*pipeline.Record) error {
	if w.leaves == nil {
		rows := make([]any, len(records))
		for i, r := range records {
			rows[i] = r.Row
		}
		_, err := w.parquet.Write(rows)
		return err
	}
	rows := make([]reflect.Value, len(records))
	for i, r := range records {
		rows[i] = addressable(r.Row)
	}
	// Columns know nothing of each other. The body, which takes as long as all
	// others together, is one of the last, so these come first.
	var next atomic.Int64
	next.Store(int64(len(w.leaves)))
	errs := make([]error, min(runtime.GOMAXPROCS(0), 4))
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			for c := next.Add(-1); c >= 0 && errs[i] == nil; c = next.Add(-1) {
				errs[i] = writeColumn(w.parquet.ColumnWriters()[c], w.leaves[c], rows)
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// writeColumn writes one column of rows, to its last page.
func writeColumn(out *parquet.ColumnWriter, read leaf, rows []reflect.Value) error {
	var values [batchRows]parquet.Value
	for batch := range slices.Chunk(rows, batchRows) {
		for i, row := range batch {
			values[i] = read(row)
		}
		if _, err := out.WriteRowValues(values[:len(batch)]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// addressable is the struct that row is or points to.
func addressable(row any) reflect.Value {
	v := reflect.ValueOf(row)
	if v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Elem()
}
