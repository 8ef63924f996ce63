package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The words of each are tested beside the loader; here, that the command that
// would send says them all, sends nothing, and ends as a usage error.
func TestEveryBrokenJobFileEndsARunBeforeItBegins(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/invalid/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 25)
	for _, path := range files {
		r := inProcess(t, program{}, "run", "-f", path, "any")
		assert.Equal(t, exitUsage, r.code, path)
		assert.Empty(t, r.stdout, path)
		assert.Contains(t, r.stderr, filepath.Base(path), path)
		_, err := os.Stat(filepath.Join(filepath.Dir(path), "batch-data"))
		assert.ErrorIs(t, err, os.ErrNotExist, "no store is made")
	}
	t.Logf("%d broken job files", len(files))
}
