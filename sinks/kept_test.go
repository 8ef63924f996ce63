package sinks

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatAJobKeepsIsRemembered(t *testing.T) {
	t.Parallel()
	s, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	l, err := s.Ledger(t.Context(), "archive")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()

	kept, err := s.KeptColumns("archive")
	require.NoError(t, err)
	assert.True(t, kept.Equal(KeptColumns{}), "everything, where nothing was said")
	require.NoError(t, s.SetKeptColumns("archive", KeptColumns{}))
	assert.NoFileExists(t, s.JobDir("archive")+"/"+keptFile)

	want := KeptColumns{Without: []string{"text", "body"}, Hashed: []string{"identity"}, Secret: "0a1b2c3d"}
	require.NoError(t, s.SetKeptColumns("archive", want))
	kept, err = s.KeptColumns("archive")
	require.NoError(t, err)
	assert.Equal(t, want, kept)
	assert.True(t, kept.Equal(KeptColumns{Without: []string{"body", "text"}, Hashed: []string{"identity"}, Secret: "0a1b2c3d"}), "in any order")
	assert.False(t, kept.Equal(KeptColumns{Without: []string{"body", "text"}, Hashed: []string{"identity"}}))
}
