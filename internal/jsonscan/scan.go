// Package jsonscan takes JSON apart that is known to be valid. It finds where
// values begin and end, looks at each byte of them once, and builds nothing.
//
// Of what is not valid JSON it returns something, or less than there is, but
// never anything that lies outside.
package jsonscan

import (
	"bytes"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Members calls f with each member of an object, in order, until f returns
// false: with its name, unescaped, and with its value as it stands there. It
// does nothing with what is no object. Names and values lie in object.
func Members(object []byte, f func(name string, value []byte) bool) {
	i := space(object, 0)
	if i >= len(object) || object[i] != '{' {
		return
	}
	for i = space(object, i+1); i < len(object) && object[i] == '"'; i = space(object, i+1) {
		end := quoted(object, i)
		name := object[i:end]
		i = space(object, end)
		if i >= len(object) || object[i] != ':' {
			return
		}
		i = space(object, i+1)
		end = value(object, i)
		if end == i || !f(Text(name), object[i:end:end]) {
			return
		}
		if i = space(object, end); i >= len(object) || object[i] != ',' {
			return
		}
	}
}

// Elements calls f with each element of an array, in order, as it stands there.
// It does nothing with what is no array.
func Elements(array []byte, f func(element []byte)) {
	elements(array, space(array, 0), f)
}

// elements is Elements of the array at i, and returns where it ends.
func elements(b []byte, i int, f func(element []byte)) int {
	if i >= len(b) || b[i] != '[' {
		return i
	}
	for i = space(b, i+1); i < len(b) && b[i] != ']'; i = space(b, i+1) {
		end := value(b, i)
		if end == i {
			return i
		}
		f(b[i:end:end])
		if i = space(b, end); i >= len(b) || b[i] != ',' {
			break
		}
	}
	return min(i+1, len(b))
}

// Text is a value as text: a string without its quotes and escapes, nothing for
// null, and anything else as it stands there. Where it can, it shares the bytes
// of value, which must not be changed from then on.
func Text(value []byte) string {
	switch {
	case len(value) == 0 || value[0] == 'n':
		return ""
	case value[0] != '"':
		return shared(value)
	case bytes.IndexByte(value, '\\') >= 0:
		return gjson.Parse(shared(value)).Str
	}
	return shared(value[1:max(len(value)-1, 1)])
}

// IsText says whether a value is a string.
func IsText(value []byte) bool { return len(value) > 0 && value[0] == '"' }

// IsObject says whether a value is an object.
func IsObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// space returns where, from i on, white space ends.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// quoted returns where the string ends whose opening quote is at i.
func quoted(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			break
		}
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' { // the opening quote ends it at the latest
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
	return len(b)
}

// value returns where the value ends that begins at i.
func value(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return quoted(b, i)
	case '{', '[':
		return nested(b, i)
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

// nested returns where the object or array ends that begins at i.
func nested(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = quoted(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}
