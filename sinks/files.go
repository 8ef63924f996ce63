package sinks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// mkdirSynced makes a folder and its parents for their owner alone, and
// returns when their names are on disk. Others may make the same folders at
// the same time.
func mkdirSynced(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(dir)
		if info, errStat := os.Stat(parent); errStat != nil || !info.IsDir() {
			if err := mkdirSynced(parent); err != nil {
				return err
			}
		}
		// Once more, also when the parent is there: somebody may have made it
		// just now. If not, it takes no folders, as in /proc.
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir puts the names in a folder on disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// flusher puts files and folders on disk side by side: each waits for the disk
// for some milliseconds, and the disk takes them together.
type flusher struct {
	under sync.WaitGroup
	mu    sync.Mutex
	err   error
}

// flush begins to put a file or folder on disk, and closes it then.
func (d *flusher) flush(f *os.File) {
	d.under.Go(func() {
		err := errors.Join(f.Sync(), f.Close())
		d.mu.Lock()
		defer d.mu.Unlock()
		d.err = errors.Join(d.err, err)
	})
}

// wait returns when everything is on disk.
func (d *flusher) wait() error {
	d.under.Wait()
	return d.err
}

// syncFile puts the contents of a file on disk and returns their length.
// It must never be called on a ledger: closing any descriptor of a file drops
// the process's lock on it.
func syncFile(path string) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	info, errStat := f.Stat()
	if err := errors.Join(errStat, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// writeFileSynced replaces a file as a whole: readers see the old or the new,
// and after the death of the machine it is one of them.
func writeFileSynced(path string, data []byte) error {
	if err := replaceFile(path, data, true); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func replaceFile(path string, data []byte, sync bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// readJSON reads a file that is replaced as a whole; it is no error that there is none.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
