package sinks

import (
	"errors"
	"fmt"
	"io"
	"os"

	"convbatch/internal/zstd"

	"github.com/parquet-go/parquet-go"
)

// WriteFile is Write into a file as the function WriteFile makes it.
func (r *ResultSet) WriteFile(path string, format Format) (n int64, err error) {
	err = WriteFile(path, func(w io.Writer) (err error) {
		n, err = r.Write(w, format)
		return err
	})
	return n, err
}

// WriteFile makes a file for its owner alone, which appears whole or not at all
// and takes the place of one that is there. What is there and is no plain file,
// such as /dev/stdout, is written to.
func WriteFile(path string, write func(io.Writer) error) error {
	fill := func(path string) error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
		return errors.Join(write(f), f.Close())
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fill(path)
	}
	return appear(path, fill)
}

// appear puts the file that fill makes, under the name it is given, in its
// place: whole and on disk, or not at all.
func appear(path string, fill func(unfinished string) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there and is no plain file", path)
	}
	unfinished := path + ".unfinished"
	err := fill(unfinished)
	if err == nil {
		_, err = syncFile(unfinished)
	}
	if err == nil {
		err = os.Rename(unfinished, path)
	}
	if err != nil {
		if errRemove := os.Remove(unfinished); errRemove != nil && !errors.Is(errRemove, os.ErrNotExist) {
			err = errors.Join(err, errRemove)
		}
	}
	return err
}

// WriteRows makes a Parquet file of rows, structs with parquet tags, for its
// owner alone. fill hands them over one by one. The file appears whole or, when
// fill returns an error, which is returned, not at all.
func WriteRows[T any](path string, fill func(write func(T) error) error) error {
	return appear(path, func(path string) (err error) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write the rows: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out := parquet.NewGenericWriter[T](f, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(groupRows))
		if err := fill(func(row T) error { _, err := out.Write([]T{row}); return err }); err != nil {
			return err
		}
		return out.Close()
	})
}
