package prompt

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// What keys makes of Ctrl-C: a key that the line editor passes on, and Enter.
const (
	interruptKey = 0x1c
	interrupt    = "\x1c\r"
)

// otherNames are sequences that terminals send for keys which the line editor
// knows by another.
var otherNames = strings.NewReplacer(
	"\x03", interrupt,
	"\x1b[1~", "\x01", "\x1b[7~", "\x01", "\x1bOH", "\x01", // Home
	"\x1b[4~", "\x05", "\x1b[8~", "\x05", "\x1bOF", "\x05", // End
	"\x1bOA", "\x1b[A", "\x1bOB", "\x1b[B", "\x1bOC", "\x1b[C", "\x1bOD", "\x1b[D",
	"\x1b[1;5C", "\x1b[1;3C", "\x1bf", "\x1b[1;3C", // a word to the right
	"\x1b[1;5D", "\x1b[1;3D", "\x1bb", "\x1b[1;3D", // a word to the left
)

// keys is what is typed, as the line editor can take it: that would stand still
// at a byte that is no UTF-8, and at Ctrl-C it would end.
type keys struct {
	in    io.Reader
	ready []byte // to be read
	part  []byte // the beginning of a character
}

// Read implements io.Reader.
func (k *keys) Read(p []byte) (int, error) {
	if len(p) == 0 { // the editor has no room left: a key that never ends
		return 0, io.ErrShortBuffer
	}
	for len(k.ready) == 0 {
		var typed [256]byte
		n, err := k.in.Read(typed[:])
		k.take(typed[:n])
		if err != nil && len(k.ready) == 0 {
			return 0, err
		}
	}
	n := copy(p, k.ready)
	k.ready = k.ready[n:]
	return n, nil
}

func (k *keys) take(typed []byte) {
	text := append(k.part, typed...)
	whole := len(text)
	for back := 1; back <= min(utf8.UTFMax-1, len(text)); back++ {
		if tail := text[len(text)-back:]; utf8.RuneStart(tail[0]) && !utf8.FullRune(tail) {
			whole = len(text) - back
		}
	}
	k.part = bytes.Clone(text[whole:])
	// U+FFFD itself is what the editor takes for no character.
	valid := strings.ReplaceAll(strings.ToValidUTF8(string(text[:whole]), "?"), "\ufffd", "?")
	k.ready = []byte(otherNames.Replace(valid))
}
