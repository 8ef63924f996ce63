package sinks

import (
	"errors"
	"fmt"
	"os"
)

// WriteFile is Write into a file for its owner alone, which appears whole or
// not at all and takes the place of one that is there. What is there and is no
// plain file, such as /dev/stdout, is written to.
func (r *ResultSet) WriteFile(path string, format Format) (n int64, err error) {
	fill := func(path string) error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
		n, err = r.Write(f, format)
		return errors.Join(err, f.Close())
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		err = fill(path)
		return n, err
	}
	err = appear(path, fill)
	return n, err
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
