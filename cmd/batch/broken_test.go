package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		var stdout, stderr bytes.Buffer
		p := &program{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, now: time.Now,
			env: func(string) (string, bool) { return "", false },
		}
		assert.Equal(t, exitUsage, p.run(t.Context(), []string{"batch", "run", "-f", path, "any"}), path)
		assert.Empty(t, stdout.String(), path)
		assert.Contains(t, stderr.String(), filepath.Base(path), path)
		_, err := os.Stat(filepath.Join(filepath.Dir(path), "batch-data"))
		assert.ErrorIs(t, err, os.ErrNotExist, "no store is made")
	}
	t.Logf("%d broken job files", len(files))
}
