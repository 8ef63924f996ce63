package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder keeps objects as files.
type folder string

// partSuffix ends the name of a file that is being written, which is that of the
// object with .DIGITS and this behind: each that is, also of one object, has its
// own. What a kill leaves is listed, so that it can be removed like an object.
const partSuffix = ".part"

func (f folder) path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

// put copies a file beside its place, puts it on disk and renames it.
func (f folder) put(_ context.Context, name, file string) error {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	to := f.path(name)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*"+partSuffix) // 0600
	if err != nil {
		return err
	}
	_, err = io.Copy(part, from)
	if err = errors.Join(err, part.Sync(), part.Close()); err == nil {
		err = os.Rename(part.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return f.syncUp(filepath.Dir(to))
}

// syncUp puts the names of a folder on disk, and its own and that of those above.
func (f folder) syncUp(dir string) error {
	for {
		d, err := os.Open(dir)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil || dir == string(f) || dir == filepath.Dir(dir) {
			return err
		}
		dir = filepath.Dir(dir)
	}
}

func (f folder) get(_ context.Context, name string) ([]byte, error) { return os.ReadFile(f.path(name)) }

func (f folder) remove(_ context.Context, name string) error {
	if err := os.Remove(f.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f folder) list(ctx context.Context, prefix string, each func(name string, size int64) error) error {
	top := f.path(prefix[:strings.LastIndexByte(prefix, '/')+1])
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(string(f), path)
		if name = filepath.ToSlash(name); err != nil || !strings.HasPrefix(name, prefix) {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went in this moment
		}
		if err != nil {
			return err
		}
		return each(name, info.Size())
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// judge: what a file system refuses does not get better by itself.
func (f folder) judge(err error) (hint string, again bool, short error) {
	return "; the folder of upload: has to be there or to be made, with room, by who runs batch", false, err
}

func (f folder) close() {}
