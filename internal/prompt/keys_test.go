package prompt

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysAreThoseThatTheEditorKnows(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"abc":                 "abc",
		"åä🙂":                 "åä🙂",
		"a\xffb":              "a?b",
		"a\ufffdb":            "a?b",
		"ab\x03":              "ab\x1c\r",
		"\x1b[1~x\x1bOF":      "\x01x\x05",
		"\x1b[1;5D\x1b[A":     "\x1b[1;3D\x1b[A",
		"\x1b[200~x\x1b[201~": "\x1b[200~x\x1b[201~",
	} {
		whole, err := io.ReadAll(&keys{in: strings.NewReader(typed)})
		require.NoError(t, err)
		assert.Equal(t, want, string(whole), "%q", typed)
	}
	bytes, err := io.ReadAll(&keys{in: iotest.OneByteReader(strings.NewReader("å🙂\x03ß"))})
	require.NoError(t, err)
	assert.Equal(t, "å🙂\x1c\rß", string(bytes), "characters that come in parts")
}

// An editor whose buffer is full of a key that never ends is not asked for ever.
func TestKeysEndWhereThereIsNoRoom(t *testing.T) {
	t.Parallel()
	_, err := (&keys{in: strings.NewReader("x")}).Read(nil)
	assert.ErrorIs(t, err, io.ErrShortBuffer)
}

func TestWordsHaveABeginningInCommon(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{"a": "a", "abc,abd": "ab", "ABC,abd": "AB", "a,b": "", "åb,åc": "å", "Äb,äc": "Ä", "abc,ab": "ab"} {
		assert.Equal(t, want, commonPrefix(strings.Split(words, ",")), words)
	}
}
