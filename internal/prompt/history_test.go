package prompt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheHistoryLastsAndIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	h, err := OpenHistory(path)
	require.NoError(t, err)
	for _, typed := range []string{"select 1;", "select\n  2 -- two\n;", "select\n2;", " select 'secret';", "select 'a\nb';", "-- nothing\n", "select 2 ;"} {
		require.NoError(t, h.Keep(typed))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	h, err = OpenHistory(path)
	require.NoError(t, err)
	var all []string
	for i := range h.Len() {
		all = append(all, h.At(i))
	}
	assert.Equal(t, []string{"select 2 ;", "select 2;", "select 2 ;", "select 1;"}, all)
}

func TestTheHistoryIsCutWhenItGetsLong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	var text strings.Builder
	for i := range 2*kept + 1 {
		fmt.Fprintf(&text, "select %d;\n", i)
	}
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	h, err := OpenHistory(path)
	require.NoError(t, err)
	assert.Equal(t, kept, h.Len())
	again, err := OpenHistory(path)
	require.NoError(t, err)
	assert.Equal(t, h.entries, again.entries)
	assert.Equal(t, fmt.Sprintf("select %d;", 2*kept), again.At(0))
}

// Where no file can be, the history lasts as long as the prompt, and that is
// said once.
func TestAHistoryWithoutAFile(t *testing.T) {
	t.Parallel()
	h, err := OpenHistory(filepath.Join(t.TempDir(), "no", "such", "folder"))
	require.NoError(t, err)
	require.Error(t, h.Keep("select 1;"))
	require.NoError(t, h.Keep("select 2;"))
	assert.Equal(t, "select 2;", h.At(0))
	assert.Equal(t, "select 1;", h.At(1))
}

func TestTheHistoryIsSearchedBackwards(t *testing.T) {
	t.Parallel()
	h := &History{entries: []string{"select 'Ä' from a", "select 2", "SELECT 3"}}
	at, ok := h.find("select", h.Len())
	assert.True(t, ok)
	assert.Equal(t, 2, at)
	at, ok = h.find("ä", 2)
	assert.True(t, ok)
	assert.Equal(t, 0, at)
	_, ok = h.find("ä", 0)
	assert.False(t, ok)
}
