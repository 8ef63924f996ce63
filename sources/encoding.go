package sources

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// encodings are those that a text file may have, by the names that `encoding:`
// takes. UTF-16 without byte order mark is taken as little-endian.
var encodings = map[string]encoding.Encoding{
	"utf-8":        unicode.UTF8BOM,
	"utf-16":       unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16le":     unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16be":     unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"latin1":       charmap.ISO8859_1,
	"iso-8859-1":   charmap.ISO8859_1,
	"windows-1252": charmap.Windows1252,
}

func encodingNames() []string { return slices.Sorted(maps.Keys(encodings)) }

func isUTF8(name string) bool { return name == "" || strings.EqualFold(name, "utf-8") }

// decode returns r as UTF-8. UTF-8 itself passes as it is, without the byte
// order mark, so that a byte that is none of it is found and not replaced.
func decode(r io.Reader, name string) io.Reader {
	if isUTF8(name) {
		return &withoutBOM{r: r}
	}
	return encodings[strings.ToLower(name)].NewDecoder().Reader(r)
}

var bom = []byte("\xef\xbb\xbf")

// withoutBOM leaves out the byte order mark at the start of r.
type withoutBOM struct {
	r       io.Reader
	started bool
}

func (w *withoutBOM) Read(p []byte) (int, error) {
	if !w.started {
		w.started = true
		head := make([]byte, len(bom))
		n, err := io.ReadFull(w.r, head)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
		w.r = io.MultiReader(bytes.NewReader(bytes.TrimPrefix(head[:n], bom)), w.r)
	}
	return w.r.Read(p)
}

// badText returns where in s text stands that can not be right, and what it
// is, or -1. Where the file was decoded from another encoding, U+FFFD is what
// a sequence that is no character became.
func badText(s string, encoding string) (int, string) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return i, "a NUL byte; is the file UTF-16? Then set `encoding: utf-16`"
	}
	if isUTF8(encoding) {
		if utf8.ValidString(s) {
			return -1, ""
		}
		for i, r := range s {
			if _, size := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
				return i, "a byte that is not UTF-8; set `encoding:` to that of the file (" + strings.Join(encodingNames(), ", ") + ")"
			}
		}
	}
	if !isUTF8(encoding) {
		if i := strings.IndexRune(s, utf8.RuneError); i >= 0 {
			return i, "bytes that are no character in " + encoding
		}
	}
	return -1, ""
}
