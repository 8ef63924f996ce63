package sinks

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustMarks(t *testing.T) *marks {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "marks"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	m := &marks{file: f}
	t.Cleanup(func() { _ = m.close() })
	return m
}

// written returns what others find in the file.
func written(t *testing.T, m *marks) []byte {
	t.Helper()
	text, err := os.ReadFile(m.file.Name())
	require.NoError(t, err)
	return text
}

func TestMarksAreInTheFileAsSoonAsTheyAreSet(t *testing.T) {
	t.Parallel()
	m := mustMarks(t)
	require.NoError(t, m.reserve(128, 228))
	require.NotNil(t, m.view, "the file is mapped")
	require.NoError(t, m.set(130, 1))
	require.NoError(t, m.set(200, 28))
	want := make([]byte, 228)
	want[130] = 1
	copy(want[200:], bytes.Repeat([]byte{1}, 28))
	assert.Equal(t, want, written(t, m))

	require.NoError(t, m.reserve(228, 300))
	assert.Equal(t, append(want, make([]byte, 72)...), written(t, m), "more room changes none of them")
	require.NoError(t, m.reserve(150, 300))
	assert.Equal(t, want, written(t, m)[:228], "nor does a reservation of what was there")
}

func TestMarksOutOfViewAreSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reserve [][2]int64
		at      int64
		n       int
	}{
		"nothing is reserved":        {nil, 17, 3},
		"before the view":            {[][2]int64{{0, 100}, {5 << 20, 5<<20 + 100}}, 17, 3},
		"at the begin of the view":   {[][2]int64{{5 << 20, 5<<20 + 100}}, 5<<20 - 1, 2},
		"behind the end of the file": {[][2]int64{{0, 100}}, 99, 3},
		"behind the end of the view": {[][2]int64{{0, 100}, {100, viewSize + 10}}, viewSize - 1, 3},
		"more than the view":         {[][2]int64{{0, 2 * viewSize}}, 3, 2*viewSize - 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustMarks(t)
			for _, r := range c.reserve {
				require.NoError(t, m.reserve(r[0], r[1]))
			}
			require.NoError(t, m.set(c.at, c.n))
			text := written(t, m)
			assert.Equal(t, c.n, bytes.Count(text, []byte{1}))
			assert.Equal(t, bytes.Repeat([]byte{1}, c.n), text[c.at:c.at+int64(c.n)])
		})
	}
}

func TestMarksAreSetWhileTheViewMoves(t *testing.T) {
	t.Parallel()
	m := mustMarks(t)
	const all, step = 3 * viewSize, 5000
	var setters sync.WaitGroup
	for from := int64(0); from < all; from += step {
		require.NoError(t, m.reserve(from, from+step))
		setters.Go(func() {
			for at := from; at < from+step; at += 7 {
				assert.NoError(t, m.set(at, 1))
			}
		})
	}
	setters.Wait()
	text := written(t, m)
	for from := 0; from < all; from += step {
		for i := range step {
			if set := text[from+i] == 1; set != (i%7 == 0) {
				t.Fatalf("byte %d is %d", from+i, text[from+i])
			}
		}
	}
}

func TestAFileOfMarksThatWasCutIsAnErrorAndNoCrash(t *testing.T) {
	t.Parallel()
	m := mustMarks(t)
	require.NoError(t, m.reserve(0, 3*viewAlign))
	require.NoError(t, m.set(2*viewAlign, 1))
	require.NoError(t, os.Truncate(m.file.Name(), 0))
	assert.ErrorContains(t, m.set(2*viewAlign, 1), "write to "+m.file.Name()+", which is mapped")
	require.NoError(t, m.reserve(0, 3*viewAlign), "it goes on with room")
	require.NoError(t, m.set(2*viewAlign, 1))
	assert.Equal(t, []byte{1}, written(t, m)[2*viewAlign:2*viewAlign+1])
}

func TestMarksThatAreClosedAreNotSet(t *testing.T) {
	t.Parallel()
	m := mustMarks(t)
	require.NoError(t, m.reserve(0, 100))
	require.NoError(t, m.close())
	assert.ErrorIs(t, m.set(5, 1), os.ErrClosed)
	assert.ErrorIs(t, m.reserve(0, 100), os.ErrClosed)
}
