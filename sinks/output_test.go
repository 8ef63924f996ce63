package sinks

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustAnswer(t *testing.T, s *Store, query string) *ResultSet {
	t.Helper()
	r, err := s.Query(t.Context(), query, nil, QueryOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func TestAResultIsAFileAsAWholeForItsOwner(t *testing.T) {
	t.Parallel()
	s := mustFill(t, t.TempDir())
	path := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(path, []byte("a longer text that was there before"), 0o644))
	n, err := mustAnswer(t, s, "SELECT 1 AS a UNION ALL SELECT 2").WriteFile(path, FormatCSV)
	require.NoError(t, err)
	assert.EqualValues(t, 2, n)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "a\n1\n2\n", string(text))
	require.NoError(t, s.Export(t.Context(), "SELECT 3 AS a -- the last", nil, path+".parquet", QueryOptions{}))
	for _, path := range []string{path, path + ".parquet"} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.EqualValues(t, 0o600, info.Mode().Perm(), path)
	}

	_, err = mustAnswer(t, s, "SELECT 1").WriteFile(path, "yaml")
	require.ErrorContains(t, err, "there is no format")
	boom := errors.New("boom")
	require.ErrorIs(t, appear(path, func(unfinished string) error {
		require.NoError(t, os.WriteFile(unfinished, []byte("half"), 0o600))
		return boom
	}), boom)
	require.Error(t, s.Export(t.Context(), "SELECT error('late') FROM range(3)", nil, path+".parquet", QueryOptions{}))
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, after, "what was there is there")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 2, "and nothing beside it")
}

// A device is written to; to put a file in its place would be a surprise.
func TestAResultTakesThePlaceOfNoDevice(t *testing.T) {
	t.Parallel()
	s := mustFill(t, t.TempDir())
	device := filepath.Join(t.TempDir(), "null")
	require.NoError(t, os.Symlink(os.DevNull, device))
	n, err := mustAnswer(t, s, "SELECT 1").WriteFile(device, FormatCSV)
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)
	require.ErrorContains(t, s.Export(t.Context(), "SELECT 1", nil, device, QueryOptions{}), "is no plain file")
	to, err := os.Readlink(device)
	require.NoError(t, err)
	assert.Equal(t, os.DevNull, to)
}
