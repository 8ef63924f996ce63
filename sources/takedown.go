package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"

	"convbatch/internal/zstd"

	"github.com/parquet-go/parquet-go"
)

// A row group holds rows up to one of these; it is what memory is taken for.
const (
	groupRows  = 50_000
	groupBytes = 16 << 20
	batchRows  = 512
	batchBytes = 1 << 20
	valueBytes = 32 // what a value takes beside its text
)

// TakeOptions says how an input is taken down.
type TakeOptions struct {
	Key string // the column of the rows' keys; "" for none
}

// Intake is an input that was taken down.
type Intake struct {
	Path    string
	Rows    int64
	Columns []Column
	Key     string // the column of the rows' keys; "" for none

	// Fingerprint is "sha256:…" over the columns and all values in order. Two
	// inputs with the same one have the same rows.
	Fingerprint string
	Files       []string // where the rows came from, in order
}

// TakeDown copies rows into one Parquet file at path, which appears whole and
// on disk or not at all; an older file there is replaced. The columns are _seq,
// _line, and those of the input as optional texts. Memory does not depend on
// the number of rows. The first error of the input is returned as it is.
func TakeDown(ctx context.Context, rows Rows, path string, o TakeOptions) (Intake, error) {
	columns := rows.Columns()
	if err := checkColumns(columns, o.Key); err != nil {
		return Intake{}, err
	}
	out, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Intake{}, fmt.Errorf("take the input down: %w", err)
	}
	t := &taker{
		writer: parquet.NewGenericWriter[any](out, schemaOf(columns), parquet.Compression(&zstd.Codec{}),
			parquet.DataPageStatistics(false), parquet.ColumnIndexSizeLimit(func([]string) int { return 16 })),
		fingerprint: newFingerprint(columns),
		about:       about{Version: 1, Columns: columns, Key: o.Key},
	}
	err = t.take(ctx, rows)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return Intake{}, errors.Join(err, os.Remove(out.Name()))
	}
	if err := publish(out.Name(), path); err != nil {
		return Intake{}, fmt.Errorf("take the input down: %w", err)
	}
	return t.about.intake(path, t.seq), nil
}

func checkColumns(columns []Column, key string) error {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		if c.Name == seqColumn || c.Name == lineColumn {
			return fmt.Errorf("the input has a column %s, a name that batch keeps for itself; rename it", c.Name)
		}
	}
	if err := checkNames(names); err != nil {
		return err
	}
	if key == "" || position(columns, key) >= 0 {
		return nil
	}
	for i, name := range names {
		names[i] = shown(name)
	}
	err := fmt.Errorf("key: the input has no column %q; it has %s", key, strings.Join(names, ", "))
	if len(names) == 0 {
		err = fmt.Errorf("key: the input has no column %q; it has none at all", key)
	}
	if name := near(columns, key); name != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, shown(name))
	}
	return err
}

// taker writes rows to a Parquet file.
type taker struct {
	writer      *parquet.GenericWriter[any]
	fingerprint *fingerprint
	about       about
	seq         int64

	values     []parquet.Value // of one column of a block
	groupRows  int
	groupBytes int
}

// block is rows on their way from who reads them to who writes them.
type block struct {
	rows  []Row
	bytes int
	err   error // after the rows; io.EOF after the last
}

// take writes the rows while others are read.
func (t *taker) take(ctx context.Context, rows Rows) error {
	reading, stop := context.WithCancel(ctx)
	blocks := make(chan block, 1)
	go readBlocks(reading, rows, blocks)
	defer func() {
		stop()
		for range blocks { // which ends when nobody reads any more
		}
	}()
	for b := range blocks {
		if ctx.Err() != nil {
			break
		}
		if b.err != nil && b.err != io.EOF {
			return b.err
		}
		if err := t.write(b); err != nil {
			return fmt.Errorf("take the input down: %w", err)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("take the input down: %w", context.Cause(ctx))
	}
	t.about.Fingerprint = t.fingerprint.sum()
	text, err := t.about.marshal()
	if err != nil {
		return err
	}
	t.writer.SetKeyValueMetadata(aboutKey, text)
	if err := t.writer.Close(); err != nil {
		return fmt.Errorf("take the input down: %w", err)
	}
	return nil
}

// readBlocks reads rows in blocks until they or ctx end, and closes blocks.
func readBlocks(ctx context.Context, rows Rows, blocks chan<- block) {
	defer close(blocks)
	for {
		b := nextBlock(ctx, rows)
		select {
		case blocks <- b:
		case <-ctx.Done():
		}
		if b.err != nil {
			return
		}
	}
}

// nextBlock reads a block. Few rows may be all that is wanted of many, so it
// looks at ctx before each.
func nextBlock(ctx context.Context, rows Rows) (b block) {
	b.rows = make([]Row, 0, batchRows)
	for len(b.rows) < batchRows && b.bytes < batchBytes {
		row, err := rows.Next()
		if b.err = cmp.Or(err, ctx.Err()); b.err != nil {
			return b
		}
		b.rows = append(b.rows, row)
		for _, text := range row.Values {
			b.bytes += len(text) + valueBytes
		}
	}
	return b
}

// write hands a block to the Parquet writer, column by column, and ends the row
// group when it is full.
func (t *taker) write(b block) error {
	if len(b.rows) == 0 { // parquet-go looks for the address of the first value
		return nil
	}
	for i, row := range b.rows {
		t.about.from(row.File, t.seq+int64(i))
		t.fingerprint.add(row)
	}
	for c, column := range t.writer.ColumnWriters() {
		t.values = t.values[:0]
		for i, row := range b.rows {
			t.values = append(t.values, t.value(row, i, c))
		}
		if _, err := column.WriteRowValues(t.values); err != nil {
			return err
		}
	}
	t.seq += int64(len(b.rows))
	t.groupRows += len(b.rows)
	t.groupBytes += b.bytes
	if t.groupRows < groupRows && t.groupBytes < groupBytes {
		return nil
	}
	t.groupRows, t.groupBytes = 0, 0
	return t.writer.Flush()
}

// value is that of column c in the row of a place in its block.
func (t *taker) value(row Row, at, c int) parquet.Value {
	switch {
	case c == 0:
		return parquet.Int64Value(t.seq+int64(at)).Level(0, 0, c)
	case c == 1:
		return parquet.Int64Value(row.Line).Level(0, 0, c)
	case row.IsNull(c - 2):
		return parquet.NullValue().Level(0, 0, c)
	}
	text := row.Values[c-2]
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(text), len(text))).Level(0, 1, c) // which is only read
}
