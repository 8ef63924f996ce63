package emulator

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// writer appends JSON to a buffer: building a page must cost little more than
// copying it. It trusts its caller with the nesting.
type writer struct {
	b            []byte
	colon, comma string
	follows      bool // a value stands before the next one
}

// compact is a writer without whitespace.
func compact() writer { return writer{colon: ":", comma: ","} }

func (j *writer) open()      { j.b, j.follows = append(j.b, '{'), false }
func (j *writer) close()     { j.b, j.follows = append(j.b, '}'), true }
func (j *writer) openList()  { j.b, j.follows = append(j.b, '['), false }
func (j *writer) closeList() { j.b, j.follows = append(j.b, ']'), true }

// item begins an element of a list.
func (j *writer) item() *writer {
	if j.follows {
		j.b = append(j.b, j.comma...)
	}
	j.follows = true
	return j
}

// key begins a field of an object; name needs no escaping.
func (j *writer) key(name string) *writer {
	j.item()
	j.b = append(j.b, '"')
	j.b = append(j.b, name...)
	j.b = append(j.b, '"')
	j.b = append(j.b, j.colon...)
	return j
}

func (j *writer) text(s string) { j.b = appendQuoted(j.b, s) }

// raw appends what is JSON already.
func (j *writer) raw(s string) { j.b = append(j.b, s...) }

func (j *writer) number(n int64) { j.b = strconv.AppendInt(j.b, n, 10) }

func (j *writer) boolean(v bool) { j.b = strconv.AppendBool(j.b, v) }

func (j *writer) time(nanos int64) {
	j.b = append(j.b, '"')
	j.b = time.Unix(0, nanos).UTC().AppendFormat(j.b, time.RFC3339Nano)
	j.b = append(j.b, '"')
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string, leaving unicode as it is.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // from here on nothing had to be escaped
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			b = appendByte(append(b, s[plain:i]...), c)
			plain = i + 1
		}
	}
	return append(append(b, s[plain:]...), '"')
}

func appendByte(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, '\\', 'n')
	case c < ' ':
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(b, c)
}

// appendEscaped appends s as a JSON string of ASCII alone, as some encoders
// do: everything else as \u, beyond the basic plane as two of them.
func appendEscaped(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b = appendByte(b, byte(r))
		case r > 0xffff:
			r -= 0x10000
			b = appendUnit(appendUnit(b, 0xd800|r>>10), 0xdc00|r&0x3ff)
		default:
			b = appendUnit(b, r)
		}
	}
	return append(b, '"')
}

func appendUnit(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
