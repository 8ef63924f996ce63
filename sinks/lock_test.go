package sinks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An input that is a query may read any file, the ledger of its own job among
// them, and closing it drops the lock that DuckDB has.
func TestTheLockOutlivesOtherDescriptorsOfTheLedger(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	for _, name := range []string{l.path, filepath.Join(l.dir, lockFile)} {
		f, err := os.Open(name)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	_, err := lock("offer", filepath.Join(l.dir, lockFile))
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	assert.Equal(t, LockedError{Job: "offer", PID: os.Getpid()}, *locked)

	require.NoError(t, l.Close())
	f, err := lock("offer", filepath.Join(l.dir, lockFile))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
