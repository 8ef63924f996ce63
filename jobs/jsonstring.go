package jobs

import (
	"errors"
	"unicode/utf8"
)

var errNotUTF8 = errors.New("is not valid UTF-8; set the encoding of the input")

// plainJSON says which bytes stand in a JSON string as they are (RFC 8259,
// section 7). HTML plays no part: <, > and & arrive as themselves.
var plainJSON = func() (plain [256]bool) {
	for b := ' '; b < utf8.RuneSelf; b++ {
		plain[b] = b != '"' && b != '\\'
	}
	return plain
}()

// appendEscaped appends s as the inside of a JSON string. Text that is not
// UTF-8 can not be said in JSON: that is the error.
func appendEscaped[T string | []byte](dst []byte, s T) ([]byte, error) {
	start := 0
	for i := 0; i < len(s); {
		if plainJSON[s[i]] {
			i++
			continue
		}
		if s[i] >= utf8.RuneSelf {
			// A rune has at most four bytes; converting these does not allocate.
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				return dst, errNotUTF8
			}
			i += size
			continue
		}
		dst = append(append(dst, s[start:i]...), '\\')
		const hex = "0123456789abcdef"
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, c)
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...), nil
}
