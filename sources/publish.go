package sources

import (
	"errors"
	"os"
	"path/filepath"
)

// publish renames a file that is whole and synced to its place, and returns
// when that survives the death of the machine.
func publish(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
