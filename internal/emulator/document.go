package emulator

import (
	"bytes"
	"iter"
	"sync"

	"github.com/tidwall/gjson"
)

// document is a request body, taken apart once: whoever looks at a value of it
// need not read again what stands before it. A batch has a thousand recipients,
// each of which is judged by its shape and read by the handler.
type document struct {
	room   bytes.Buffer // where the body is read into, before it becomes the text
	text   string
	pieces []piece // in the order in which they stand in the text
}

// piece is a value, or the name of a field, which its value follows.
type piece struct {
	start, end int32 // in the text
	next       int32 // the piece behind it and all that it holds
	kind       valueKind
	escaped    bool // a text with a backslash
}

// documents are used again: one of a batch is larger than its text.
var documents = sync.Pool{New: func() any { return new(document) }}

// value is one of a document's, or none: the zero value.
type value struct {
	in *document
	at int32
}

// read takes a text apart and tells whether it is JSON (RFC 8259).
func (d *document) read(text string) bool {
	d.text, d.pieces = text, d.pieces[:0]
	end := d.take(0, 0)
	return end >= 0 && d.skip(end) == len(text)
}

func (d *document) root() value { return value{d, 0} }

// release lets the document be used again. None of its values may be used any
// more; their texts may.
func (d *document) release() {
	d.text = ""
	documents.Put(d)
}

// deepest is how deep values may be nested: as deep as encoding/json goes.
const deepest = 10_000

// take appends the value that begins at i, or behind whitespace, with all that
// it holds, and gives where it ends: -1 if there is none.
func (d *document) take(i, depth int) int {
	i = d.skip(i)
	if i == len(d.text) {
		return -1
	}
	at := len(d.pieces)
	d.pieces = append(d.pieces, piece{}) // whose end is not known before what it holds is
	n := piece{start: int32(i)}
	end := -1
	switch d.text[i] {
	case '{':
		n.kind, end = object, d.takeFields(i+1, depth+1)
	case '[':
		n.kind, end = list, d.takeElements(i+1, depth+1)
	case '"':
		n.kind = text
		end, n.escaped = d.endOfText(i + 1)
	case 't':
		n.kind, end = boolean, d.endOfWord(i, "true")
	case 'f':
		n.kind, end = boolean, d.endOfWord(i, "false")
	case 'n':
		n.kind, end = null, d.endOfWord(i, "null")
	default:
		n.kind, end = number, d.endOfNumber(i)
	}
	n.end, n.next = int32(end), int32(len(d.pieces))
	d.pieces[at] = n
	return end
}

func (d *document) takeFields(i, depth int) int {
	if depth > deepest {
		return -1
	}
	if i = d.skip(i); d.is(i, '}') {
		return i + 1
	}
	for d.is(i, '"') {
		i = d.skip(d.take(i, depth))
		if !d.is(i, ':') {
			return -1
		}
		i = d.skip(d.take(i+1, depth))
		if d.is(i, '}') {
			return i + 1
		}
		if !d.is(i, ',') {
			return -1
		}
		i = d.skip(i + 1)
	}
	return -1
}

func (d *document) takeElements(i, depth int) int {
	if depth > deepest {
		return -1
	}
	if i = d.skip(i); d.is(i, ']') {
		return i + 1
	}
	for {
		i = d.skip(d.take(i, depth))
		if d.is(i, ']') {
			return i + 1
		}
		if !d.is(i, ',') {
			return -1
		}
		i++
	}
}

// skip is where whitespace ends that begins at i. Of -1 it is -1.
func (d *document) skip(i int) int {
	for i >= 0 && i < len(d.text) && d.text[i] <= ' ' && (d.text[i] == ' ' || d.text[i] == '\n' || d.text[i] == '\t' || d.text[i] == '\r') {
		i++
	}
	return i
}

// is tells whether there is an i-th byte and it is c.
func (d *document) is(i int, c byte) bool { return uint(i) < uint(len(d.text)) && d.text[i] == c }

func (d *document) endOfWord(i int, word string) int {
	if end := i + len(word); end <= len(d.text) && d.text[i:end] == word {
		return end
	}
	return -1
}

// endOfText is the end of a text whose quote stands before i.
func (d *document) endOfText(i int) (end int, escaped bool) {
	for i < len(d.text) {
		switch c := d.text[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = d.endOfEscape(i + 1); i < 0 {
				return -1, escaped
			}
		case c < ' ':
			return -1, escaped
		default:
			i++
		}
	}
	return -1, escaped
}

// endOfEscape is the end of an escape whose backslash stands before i.
func (d *document) endOfEscape(i int) int {
	if i == len(d.text) {
		return -1
	}
	switch d.text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for digit := 1; digit <= 4; digit++ {
			if i+digit >= len(d.text) || !isHex(d.text[i+digit]) {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func (d *document) endOfNumber(i int) int {
	if d.is(i, '-') {
		i++
	}
	if d.is(i, '0') {
		i++
	} else if i = d.endOfDigits(i); i < 0 {
		return -1
	}
	if d.is(i, '.') {
		if i = d.endOfDigits(i + 1); i < 0 {
			return -1
		}
	}
	if d.is(i, 'e') || d.is(i, 'E') {
		if i++; d.is(i, '+') || d.is(i, '-') {
			i++
		}
		i = d.endOfDigits(i)
	}
	return i
}

// endOfDigits needs one at least.
func (d *document) endOfDigits(i int) int {
	begin := i
	for i < len(d.text) && '0' <= d.text[i] && d.text[i] <= '9' {
		i++
	}
	if i == begin {
		return -1
	}
	return i
}

func (v value) piece() *piece { return &v.in.pieces[v.at] }

func (v value) exists() bool { return v.in != nil }

func (v value) is(k valueKind) bool { return v.exists() && v.piece().kind == k }

// raw is the value as written.
func (v value) raw() string {
	if !v.exists() {
		return ""
	}
	n := v.piece()
	return v.in.text[n.start:n.end]
}

// text is what a text says; empty for every other value.
func (v value) text() string {
	if !v.is(text) {
		return ""
	}
	if raw := v.raw(); !v.piece().escaped {
		return raw[1 : len(raw)-1]
	}
	return gjson.Parse(v.raw()).Str
}

// fields yields the names and values of an object, none of anything else. A
// name may come twice.
func (v value) fields() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		if !v.is(object) {
			return
		}
		for at, end := v.at+1, v.piece().next; at < end; at = v.in.pieces[at+1].next {
			if !yield(value{v.in, at}.text(), value{v.in, at + 1}) {
				return
			}
		}
	}
}

// elements yields those of a list, none of anything else.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		if !v.is(list) {
			return
		}
		for at, end := v.at+1, v.piece().next; at < end; at = v.in.pieces[at].next {
			if !yield(value{v.in, at}) {
				return
			}
		}
	}
}

// get is the field of an object with a name, the first if there are more.
func (v value) get(name string) value {
	for key, field := range v.fields() {
		if key == name {
			return field
		}
	}
	return value{}
}

// count is how many elements a list has.
func (v value) count() int {
	n := 0
	for range v.elements() {
		n++
	}
	return n
}

// hasText tells whether a field of an object with a name is a text.
func (v value) hasText(name string) bool {
	for key, field := range v.fields() {
		if key == name && field.is(text) {
			return true
		}
	}
	return false
}
