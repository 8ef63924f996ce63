package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"convbatch/internal/zstd"

	"github.com/parquet-go/parquet-go"
)

// A row group holds rows up to one of these; it is what memory is taken for.
const (
	groupRows  = 50_000
	groupBytes = 16 << 20
	batchRows  = 512
	batchBytes = 1 << 20
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

	batch      []parquet.Row
	bytes      int // in the batch
	groupRows  int
	groupBytes int
}

func (t *taker) take(ctx context.Context, rows Rows) error {
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("take the input down: %w", context.Cause(ctx))
		}
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := t.add(row); err != nil {
			return err
		}
	}
	if err := t.write(); err != nil {
		return err
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

func (t *taker) add(row Row) error {
	t.about.from(row.File, t.seq)
	t.fingerprint.add(row)
	n := len(t.batch)
	if n < cap(t.batch) {
		t.batch = t.batch[:n+1]
	} else {
		t.batch = append(t.batch, nil)
	}
	values := append(t.batch[n][:0],
		parquet.Int64Value(t.seq).Level(0, 0, 0),
		parquet.Int64Value(row.Line).Level(0, 0, 1))
	for i, text := range row.Values {
		value := parquet.NullValue().Level(0, 0, i+2)
		if !row.IsNull(i) {
			value = parquet.ByteArrayValue([]byte(text)).Level(0, 1, i+2)
		}
		values = append(values, value)
		t.bytes += len(text)
	}
	t.batch[n] = values
	t.seq++
	if len(t.batch) >= batchRows || t.bytes >= batchBytes {
		return t.write()
	}
	return nil
}

// write hands the batch to the Parquet writer, and ends the row group when it
// is full.
func (t *taker) write() error {
	_, err := t.writer.WriteRows(t.batch)
	t.groupRows += len(t.batch)
	t.groupBytes += t.bytes
	t.batch, t.bytes = t.batch[:0], 0
	if err == nil && (t.groupRows >= groupRows || t.groupBytes >= groupBytes) {
		t.groupRows, t.groupBytes = 0, 0
		err = t.writer.Flush()
	}
	if err != nil {
		return fmt.Errorf("take the input down: %w", err)
	}
	return nil
}
