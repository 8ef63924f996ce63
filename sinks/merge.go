package sinks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// content is what files hold, whatever the order of their rows.
type content struct {
	rows int64
	sum  uint64 // of the digests of all rows
}

// digest tells contents apart within this process.
var digest = maphash.MakeSeed()

func (c *content) add(row parquet.Row) {
	h := uint64(len(row))
	for _, v := range row {
		x := v.Uint64()
		if kind := v.Kind(); kind == parquet.ByteArray || kind == parquet.FixedLenByteArray {
			x = maphash.Bytes(digest, v.ByteArray())
		}
		levels := uint64(v.DefinitionLevel())<<8 | uint64(v.RepetitionLevel())<<16 | uint64(v.Column())<<24
		h = (h ^ x ^ levels) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	c.rows++
	c.sum += h
}

// mergedKey is under which a merged file keeps the names of the files that it was
// made of, and of those that these were made of.
const mergedKey = "batch.merged"

func madeOf(file *parquet.File) []string {
	names, _ := file.Lookup(mergedKey)
	return strings.Fields(names)
}

// cursor goes through the rows of one file.
type cursor struct {
	file   *os.File
	madeOf []string
	groups []parquet.RowGroup
	reader parquet.Rows
	buffer []parquet.Row
	rows   []parquet.Row // of buffer, that are left
	column int           // that the rows are in order of; -1 for none
}

// cursorRows is how many rows of each file are held.
const cursorRows = 64

func openCursor(path string, column string) (*cursor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	c := &cursor{file: f, madeOf: madeOf(file), groups: file.RowGroups(), buffer: make([]parquet.Row, cursorRows), column: -1}
	if leaf, ok := file.Schema().Lookup(column); ok && column != "" {
		c.column = leaf.ColumnIndex
	}
	return c, nil
}

// fill sees to it that there are rows, and returns io.EOF when there are no
// more. It takes back the memory of those it filled in before.
func (c *cursor) fill() error {
	for len(c.rows) == 0 {
		if c.reader == nil {
			if len(c.groups) == 0 {
				return io.EOF
			}
			c.reader, c.groups = c.groups[0].Rows(), c.groups[1:]
		}
		n, err := c.reader.ReadRows(c.buffer)
		c.rows = c.buffer[:n]
		if errors.Is(err, io.EOF) {
			if n > 0 {
				return nil
			}
			err = c.reader.Close()
			c.reader = nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", c.file.Name(), err)
		}
	}
	return nil
}

// at is what the next row is ordered by.
func (c *cursor) at() int64 {
	if c.column < 0 {
		return 0
	}
	row := c.rows[0]
	i := slices.IndexFunc(row, func(v parquet.Value) bool { return v.Column() == c.column })
	return row[i].Int64()
}

func (c *cursor) close() error {
	var err error
	if c.reader != nil {
		err = c.reader.Close()
	}
	return errors.Join(err, c.file.Close())
}

// merger writes the rows of files into one.
type merger struct {
	content
	out    *parquet.GenericWriter[any]
	ready  []parquet.Row // that still lie in the buffers of cursors
	rows   int           // in the row group
	weight int
}

// merge writes the rows of files into a new one, on disk when it returns: in
// the order of a column, or where that is "" one file after the other. What it
// returns is what it read.
func merge(ctx context.Context, to string, schema *parquet.Schema, paths []string, column string) (_ content, err error) {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return content{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	m := &merger{out: parquet.NewGenericWriter[any](buffered, writerOptions(schema)...)}
	var cursors []*cursor
	defer func() {
		for _, c := range cursors {
			err = errors.Join(err, c.close())
		}
	}()
	var names []string
	for _, path := range paths {
		c, err := openCursor(path, column)
		if err != nil {
			return content{}, err
		}
		cursors = append(cursors, c)
		names = append(append(names, filepath.Base(path)), c.madeOf...)
	}
	m.out.SetKeyValueMetadata(mergedKey, strings.Join(names, "\n"))
	if column == "" {
		for _, c := range cursors {
			if err := m.take(ctx, []*cursor{c}); err != nil {
				return content{}, err
			}
		}
	} else if err := m.take(ctx, slices.Clone(cursors)); err != nil {
		return content{}, err
	}
	if err := errors.Join(m.out.Close(), buffered.Flush(), f.Sync()); err != nil {
		return content{}, err
	}
	return m.content, nil
}

// take takes all rows of the cursors, the least first, of equal ones that of the
// first cursor.
func (m *merger) take(ctx context.Context, cursors []*cursor) error {
	for {
		var least *cursor
		var at int64
		for i := 0; i < len(cursors); i++ {
			c := cursors[i]
			if len(c.rows) == 0 {
				if err := m.write(ctx); err != nil {
					return err
				}
				if err := c.fill(); errors.Is(err, io.EOF) {
					cursors = slices.Delete(cursors, i, i+1)
					i--
					continue
				} else if err != nil {
					return err
				}
			}
			if now := c.at(); least == nil || now < at {
				least, at = c, now
			}
		}
		if least == nil {
			return m.write(ctx)
		}
		m.ready = append(m.ready, least.rows[0])
		least.rows = least.rows[1:]
	}
}

// write writes what is ready, before a cursor takes its memory back.
func (m *merger) write(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, row := range m.ready {
		m.add(row)
		for _, v := range row {
			m.weight += 8
			if v.Kind() == parquet.ByteArray {
				m.weight += len(v.ByteArray())
			}
		}
	}
	if _, err := m.out.WriteRows(m.ready); err != nil {
		return err
	}
	m.rows += len(m.ready)
	m.ready = m.ready[:0]
	if m.rows < groupRows && m.weight < groupBytes {
		return nil
	}
	m.rows, m.weight = 0, 0
	return m.out.Flush()
}

// read is what a file holds.
func read(ctx context.Context, path string) (found content, err error) {
	c, err := openCursor(path, "")
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for {
		if err := errors.Join(ctx.Err(), c.fill()); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return found, err
		}
		for _, row := range c.rows {
			found.add(row)
		}
		c.rows = nil
	}
}
