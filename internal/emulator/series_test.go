package emulator

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASeriesKeepsItsElementsWhileItGrows(t *testing.T) {
	t.Parallel()
	var s series[int]
	assert.Zero(t, s.len())
	early := s.snapshot()
	const n = 2*blockSize + 3
	for i := range n {
		s.add(i)
		if i == blockSize/2 {
			early = s.snapshot()
		}
	}
	require.Equal(t, n, s.len())
	for i := range n {
		require.Equal(t, i, *s.at(i))
	}
	*s.at(blockSize)++
	assert.Equal(t, blockSize+1, *s.at(blockSize))
	next := blockSize - 2
	for x := range s.from(next) {
		if next++; next == blockSize {
			assert.Equal(t, blockSize-1, *x)
			break
		}
	}
	seen := 0
	for x := range early.from(0) {
		require.Equal(t, seen, *x)
		seen++
	}
	assert.Equal(t, blockSize/2+1, seen)
}
