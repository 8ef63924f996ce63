package jsonscan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape returns the inside of a string without its escapes. Half of a
// surrogate pair is U+FFFD; bytes that are not UTF-8 stay.
func unescape(inside []byte) string {
	out := make([]byte, 0, len(inside)) // an escape is at least as long as what it stands for
	for {
		n := bytes.IndexByte(inside, '\\')
		if n < 0 {
			return shared(append(out, inside...))
		}
		out = append(out, inside[:n]...)
		c := inside[n+1]
		inside = inside[n+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			var r rune
			r, inside = codePoint(inside)
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
}

// codePoint reads what \u stands before, and the other half of a pair.
func codePoint(b []byte) (r rune, rest []byte) {
	r, _ = hex(b)
	b = b[4:]
	if utf16.IsSurrogate(r) && bytes.HasPrefix(b, []byte(`\u`)) {
		low, _ := hex(b[2:])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, b[6:]
		}
	}
	return r, b // AppendRune makes U+FFFD of a half
}

// hex reads four digits.
func hex(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
