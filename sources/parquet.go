package sources

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// readAhead is how many rows are taken out of a Parquet file at once.
const readAhead = 256

// parquetRows reads the rows of a flat Parquet file in order, from any row on,
// one row group at a time.
type parquetRows struct {
	os       *os.File
	file     *parquet.File
	schema   *parquet.Schema    // of the columns that are read
	convert  parquet.Conversion // to them; nil where they are those of the file
	groups   []parquet.RowGroup // those not yet begun
	current  parquet.Rows
	buffer   []parquet.Row
	filled   int
	taken    int
	position int64 // of the row that is next
}

func openParquet(path string) (*parquetRows, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open Parquet file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open Parquet file: %w", err), f.Close())
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open Parquet file %s: %w", path, err), f.Close())
	}
	p := &parquetRows{os: f, file: file, schema: file.Schema(), buffer: make([]parquet.Row, readAhead)}
	p.groups = file.RowGroups()
	return p, nil
}

// openColumns is openParquet for some of the columns: the others are not read.
func openColumns(path string, names ...string) (*parquetRows, error) {
	p, err := openParquet(path)
	if err != nil {
		return nil, err
	}
	if err := p.only(names); err != nil {
		return nil, errors.Join(fmt.Errorf("open Parquet file %s: %w", path, err), p.close())
	}
	return p, nil
}

func (p *parquetRows) only(names []string) error {
	var root ordered
	for _, name := range names {
		at := slices.IndexFunc(p.schema.Fields(), func(f parquet.Field) bool { return f.Name() == name })
		if at < 0 {
			return fmt.Errorf("it has no column %q", name)
		}
		root.fields = append(root.fields, p.schema.Fields()[at])
	}
	schema := parquet.NewSchema("columns", root)
	convert, err := parquet.Convert(schema, p.schema)
	p.schema, p.convert = schema, convert
	return err
}

// seek makes row the next one. It touches one page of each column.
func (p *parquetRows) seek(row int64) error {
	if err := p.endGroup(); err != nil {
		return err
	}
	p.groups, p.position = p.file.RowGroups(), row
	for len(p.groups) > 0 && row >= p.groups[0].NumRows() {
		row -= p.groups[0].NumRows()
		p.groups = p.groups[1:]
	}
	if len(p.groups) == 0 || row == 0 {
		return nil
	}
	p.beginGroup()
	return p.current.SeekToRow(row)
}

// next returns the values of the next row, valid until the next call, and
// io.EOF after the last.
func (p *parquetRows) next() ([]parquet.Value, error) {
	for p.taken == p.filled {
		if p.current == nil {
			if len(p.groups) == 0 {
				return nil, io.EOF
			}
			p.beginGroup()
		}
		n, err := p.current.ReadRows(p.buffer)
		p.taken, p.filled = 0, n
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("read %s at row %d: %w", p.os.Name(), p.position, err)
		}
		if n == 0 {
			if err := p.endGroup(); err != nil {
				return nil, err
			}
		}
	}
	row := p.buffer[p.taken]
	p.taken++
	p.position++
	return row, nil
}

func (p *parquetRows) beginGroup() {
	group := p.groups[0]
	if p.convert != nil {
		group = parquet.ConvertRowGroup(group, p.convert)
	}
	p.current, p.groups = group.Rows(), p.groups[1:]
}

func (p *parquetRows) endGroup() error {
	p.taken, p.filled = 0, 0
	if p.current == nil {
		return nil
	}
	err := p.current.Close()
	p.current = nil
	return err
}

func (p *parquetRows) close() error { return errors.Join(p.endGroup(), p.os.Close()) }
