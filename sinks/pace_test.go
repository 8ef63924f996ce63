package sinks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sampleOf(second int) Pace {
	return Pace{At: noon.Add(time.Duration(second) * time.Second), Seconds: 1, Rows: int64(second), LatencyMS: 1.5, Limit: 20}
}

// A run that is resumed goes on in its file, whatever a process that died has
// left at its end.
func TestThePaceOfARunOutlivesItsProcesses(t *testing.T) {
	t.Parallel()
	s, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	none, err := s.Pace("offer", "R1")
	require.NoError(t, err)
	assert.Empty(t, none)

	l := mustLedger(t, s, "offer")
	p, err := l.Pace("R1")
	require.NoError(t, err)
	require.NoError(t, p.Add(sampleOf(1)))
	require.NoError(t, p.Add(sampleOf(2)))
	require.NoError(t, p.Close())
	path := filepath.Join(s.JobDir("offer"), "pace", "R1.jsonl")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	require.NoError(t, os.Truncate(path, info.Size()-10)) // as if it had died while it wrote

	p, err = l.Pace("R1")
	require.NoError(t, err)
	require.NoError(t, p.Add(sampleOf(3)))
	require.NoError(t, p.Close())
	got, err := s.Pace("offer", "R1")
	require.NoError(t, err)
	assert.Equal(t, []Pace{sampleOf(1), sampleOf(3)}, got)

	require.ErrorContains(t, p.Add(sampleOf(4)), "keep the pace")
	_, err = l.Pace("../R1")
	require.ErrorContains(t, err, "can not name a file")
}

// The number of samples grows with the logarithm of the time that a run takes,
// over all its processes.
func TestSamplesOfALongRunAreFew(t *testing.T) {
	t.Parallel()
	s, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	l := mustLedger(t, s, "offer")
	n := 0
	for length := time.Duration(0); length < 30*24*time.Hour; {
		p, err := l.Pace("R1")
		require.NoError(t, err)
		if n == 0 {
			assert.Equal(t, time.Second, p.Every())
		}
		for range 100 {
			length += p.Every()
			require.NoError(t, p.Add(sampleOf(n)))
			n++
		}
		require.NoError(t, p.Close())
	}
	assert.Less(t, n, 5000)
}
