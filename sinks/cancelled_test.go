package sinks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCancelledBatchesAreKeptOnce(t *testing.T) {
	t.Parallel()
	store, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(store.JobDir("offer"), 0o700))
	none, err := store.Cancelled("offer")
	require.NoError(t, err)
	assert.Empty(t, none)

	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	first, second := CancelledBatch{"B1", "R1", at}, CancelledBatch{"B2", "R1", at}
	for _, b := range []CancelledBatch{first, second, first} {
		require.NoError(t, store.AddCancelled("offer", b))
	}
	kept, err := store.Cancelled("offer")
	require.NoError(t, err)
	assert.Equal(t, []CancelledBatch{first, second}, kept)

	// What can not be read is not taken for nothing: rows would not be sent.
	require.NoError(t, os.WriteFile(filepath.Join(store.JobDir("offer"), cancelledFile), []byte("["), 0o600))
	_, err = store.Cancelled("offer")
	require.ErrorContains(t, err, cancelledFile)
	require.Error(t, store.AddCancelled("offer", first))
}
