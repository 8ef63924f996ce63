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

	"convbatch/internal/zstd"
	"convbatch/pipeline"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// writerOptions say how the files of a dataset are written, and what helps
// those who read them: the bounds of each column, but for texts that nobody
// compares, and a filter that says of an id that it is not there.
func writerOptions(schema *parquet.Schema) []parquet.WriterOption {
	options := []parquet.WriterOption{
		schema,
		parquet.Compression(&zstd.Codec{}),
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

// leaf reads the value of one column off the row at an address.
type leaf func(row unsafe.Pointer) parquet.Value

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
		if all[i] = leafOf(field, f.Type(), f.Optional(), i); all[i] == nil {
			return nil
		}
	}
	return all
}

// leafOf makes Parquet's value of Go's, for the types that rows are made of.
func leafOf(field reflect.StructField, column parquet.Type, optional bool, i int) leaf {
	kind, t := column.Kind(), field.Type
	switch {
	case t == reflect.TypeFor[time.Time]() && kind == parquet.Int64 && inMicroseconds(column):
		return fieldAt(field.Offset, optional, i, func(t time.Time) parquet.Value { return parquet.Int64Value(t.UnixMicro()) })
	case t.Kind() == reflect.String && kind == parquet.ByteArray:
		return fieldAt(field.Offset, optional, i, func(s string) parquet.Value {
			return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s))) // which is only read
		})
	case t.Kind() == reflect.Bool && kind == parquet.Boolean:
		return fieldAt(field.Offset, optional, i, parquet.BooleanValue)
	case t.Kind() == reflect.Int64 && kind == parquet.Int64:
		return fieldAt(field.Offset, optional, i, parquet.Int64Value)
	case t.Kind() == reflect.Int && kind == parquet.Int64:
		return fieldAt(field.Offset, optional, i, func(n int) parquet.Value { return parquet.Int64Value(int64(n)) })
	}
	return nil
}

func inMicroseconds(column parquet.Type) bool {
	if column.LogicalType() == nil {
		return false
	}
	t, ok := column.LogicalType().Value.(*format.TimestampType)
	return ok && t.Unit.Value != nil && t.Unit.Value.Duration() == time.Microsecond
}

// fieldAt is the leaf of the field of type T at an offset. The zero value of one
// that is optional is NULL.
func fieldAt[T comparable](offset uintptr, optional bool, column int, value func(T) parquet.Value) leaf {
	if !optional {
		return func(row unsafe.Pointer) parquet.Value { return value(*(*T)(unsafe.Add(row, offset))) }
	}
	return func(row unsafe.Pointer) parquet.Value {
		var zero T
		if v := *(*T)(unsafe.Add(row, offset)); v != zero {
			return value(v).Level(0, 1, column)
		}
		return parquet.NullValue().Level(0, 0, column)
	}
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
	rows := make([]unsafe.Pointer, len(records))
	for i, r := range records {
		rows[i] = addressOf(r.Row)
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
func writeColumn(out *parquet.ColumnWriter, read leaf, rows []unsafe.Pointer) error {
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

// addressOf is where the struct is that row is or points to.
func addressOf(row any) unsafe.Pointer {
	v := reflect.ValueOf(row)
	if v.Kind() != reflect.Pointer {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		v = p
	}
	return v.UnsafePointer()
}
