package sinks

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestJobsThatBeginAtOnceMakeTheirFoldersSideBySide(t *testing.T) {
	t.Parallel()
	for range 200 {
		root := t.TempDir()
		var wg sync.WaitGroup
		for _, job := range []string{"a", "b", "c", "d"} {
			wg.Go(func() { assert.NoError(t, mkdirSynced(filepath.Join(root, "store", "jobs", job, "staging"))) })
		}
		wg.Wait()
	}
}
