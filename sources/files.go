package sources

import (
	"bufio"

	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxRecord is the most bytes that one record of a file may have.
const maxRecord = 16 << 20

// file is an input file: where it is, and what the user calls it.
type file struct{ path, name string }

// find returns the files that a path or glob stands for, sorted by name. A
// file that exists under the very name is meant, whatever characters it has.
func find(dir, pattern string) ([]file, error) {
	full := pattern
	if !filepath.IsAbs(pattern) {
		full = filepath.Join(dir, pattern)
	}
	paths := []string{full}
	info, err := os.Stat(full)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder; to read the files in it, give a glob such as %s", pattern, filepath.Join(pattern, "*.csv"))
	case err == nil:
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("open the input: %w", err)
	case !strings.ContainsAny(pattern, "*?["):
		return nil, &missing{"there is no file " + pattern + "; paths begin at the folder of the job file", pattern, full}
	default:
		if paths, err = filepath.Glob(full); err != nil {
			return nil, fmt.Errorf("%s is not a glob: %w", pattern, err)
		}
	}
	slices.Sort(paths)
	var files []file
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
		name := path
		if rel, err := filepath.Rel(dir, path); err == nil && !filepath.IsAbs(pattern) {
			name = rel
		}
		files = append(files, file{path, name})
	}
	if len(files) == 0 {
		return nil, &missing{"no file matches " + pattern, pattern, full}
	}
	return files, nil
}

// missing is an os.ErrNotExist that says where the input was looked for.
type missing struct{ says, pattern, full string }

func (e *missing) Error() string {
	if e.full == e.pattern {
		return e.says
	}
	return fmt.Sprintf("%s (looked for %s)", e.says, e.full)
}

func (e *missing) Unwrap() error { return os.ErrNotExist }

// text opens a file for reading as UTF-8: decompressed, decoded, without byte
// order mark.
func (f file) text(encoding string) (io.ReadCloser, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	closers := []func() error{in.Close}
	var r io.Reader = in
	switch strings.ToLower(filepath.Ext(f.path)) {
	case ".gz":
		zr, err := gzip.NewReader(bufio.NewReaderSize(in, 1<<16))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: decompress: %w", f.name, err), in.Close())
		}
		r = zr // it holds nothing to close
	case ".zst":
		// One thread: nothing is decoded ahead, and no goroutine outlives Close.
		zr, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: decompress: %w", f.name, err), in.Close())
		}
		r, closers = zr, append(closers, func() error { zr.Close(); return nil })
	}
	return &textFile{decode(r, encoding), closers}, nil
}

type textFile struct {
	io.Reader
	closers []func() error // outermost last
}

func (t *textFile) Close() error {
	var err error
	for _, c := range slices.Backward(t.closers) {
		err = errors.Join(err, c())
	}
	return err
}
