package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The functions of this file say where what begins at i ends, and bad where it
// is not JSON.
const bad = -1

// maxDepth is how deep values may be nested, as in encoding/json: a bound to
// the stack that a hostile text can make us use.
const maxDepth = 10_000

// space ends where white space does.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// value is any value, within depth others.
func value(b []byte, i, depth int) int {
	if i >= len(b) {
		return bad
	}
	switch b[i] {
	case '"':
		i, _ = quoted(b, i)
		return i
	case '{':
		return object(b, i, depth+1)
	case '[':
		return array(b, i, depth+1)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	return number(b, i)
}

func object(b []byte, i, depth int) int {
	if depth > maxDepth {
		return bad
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		if i, _ = quoted(b, i); i == bad {
			return bad
		}
		if i = colon(b, i); i == bad {
			return bad
		}
		if i = value(b, i, depth); i == bad {
			return bad
		}
		switch i = space(b, i); {
		case i < len(b) && b[i] == ',':
			i = space(b, i+1)
		case i < len(b) && b[i] == '}':
			return i + 1
		default:
			return bad
		}
	}
	return bad
}

func array(b []byte, i, depth int) int {
	if depth > maxDepth {
		return bad
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = value(b, i, depth); i == bad {
			return bad
		}
		switch i = space(b, i); {
		case i < len(b) && b[i] == ',':
			i = space(b, i+1)
		case i < len(b) && b[i] == ']':
			return i + 1
		default:
			return bad
		}
	}
}

// colon ends before the value that follows it.
func colon(b []byte, i int) int {
	if i = space(b, i); i >= len(b) || b[i] != ':' {
		return bad
	}
	return space(b, i+1)
}

func literal(b []byte, i int, word string) int {
	if !bytes.HasPrefix(b[i:], []byte(word)) {
		return bad
	}
	return i + len(word)
}

func number(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digits(b, i); i == bad {
		return bad
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i == bad {
			return bad
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits are one or more.
func digits(b []byte, i int) int {
	from := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == from {
		return bad
	}
	return i
}

// quoted is a string; plain says that it has no escapes. Of each eight bytes it
// sees by arithmetic which is the first to look at: a byte less n has its highest
// bit set where it was less than n, and nothing below borrowed from it. A quote
// becomes a space there, which is less than any character but the controls.
func quoted(b []byte, i int) (end int, plain bool) {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	plain = true
	for i++; ; {
		for ; i+8 <= len(b); i += 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			low, backslash := x^ones*('"'^' '), x^ones*'\\'
			found := ((low-ones*(' '+1))&^low | (backslash-ones)&^backslash) & highest
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		switch {
		case i == len(b):
			return bad, false
		case b[i] == '"':
			return i + 1, plain
		case b[i] != '\\':
			return bad, false
		}
		if i, plain = escape(b, i), false; i == bad {
			return bad, false
		}
	}
}

// escape is a backslash and what it stands before.
func escape(b []byte, i int) int {
	if i+1 >= len(b) {
		return bad
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, ok := hex(b[i+2:]); ok {
			return i + 6
		}
	}
	return bad
}
