package emulator

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// shape is what the specification says of one value in a request body.
type shape struct {
	kind        valueKind
	fields      map[string]*shape // of an object; nil allows any
	each        *shape            // of a list's elements, or of an object's values where fields is nil
	required    []string
	oldRequired []string // under ProfileOld, besides required
	one         []string // exactly one of these fields must be there
	enum        []string
	oldEnum     []string // under ProfileOld, where it differs
	min, max    int      // characters of a text, elements of a list; max 0 for no limit
	bytes       int      // an object as written is at most this long
	newer       bool     // ProfileOld refuses the field
	reserved    string   // no field of an object may have this name
	check       func(value gjson.Result) string
}

// valueKind is what sort of value JSON has, or a shape asks for.
type valueKind uint8

const (
	object valueKind = iota
	list
	text
	boolean
	number
	null
	anything // of a shape alone
)

var kindNames = [...]string{object: "an object", list: "a list", text: "a string", boolean: "a boolean", number: "a number"}

// dialect is what a server takes.
type dialect struct {
	old   bool // only what ProfileOld knows
	extra bool // extraField too, as it was answered
}

// checkBody takes a request body apart and says everything that is wrong with
// it.
func checkBody(body string, into *document, s *shape, d dialect) violations {
	if !into.read(body) {
		return violations{{"body", "is not JSON"}}
	}
	var wrong violations
	var room [128]byte
	s.walk(into.root(), room[:0], d, &wrong)
	return wrong
}

// walk adds what is wrong with a value. Its place is at, whose room may be
// written to behind its end.
func (s *shape) walk(v value, at []byte, d dialect, wrong *violations) {
	if s.kind != anything && !v.is(s.kind) {
		wrong.add(or(string(at), "body"), "must be "+kindNames[s.kind])
		return
	}
	switch s.kind {
	case object:
		s.walkObject(v, at, d, wrong)
	case list:
		s.walkList(v, at, d, wrong)
	case text:
		s.checkText(v.text(), at, d, wrong)
	}
	if s.check != nil {
		if fault := s.check(gjson.Parse(v.raw())); fault != "" {
			wrong.add(string(at), fault)
		}
	}
}

func (s *shape) walkObject(v value, at []byte, d dialect, wrong *violations) {
	if s.bytes > 0 && len(v.raw()) > s.bytes {
		wrong.add(string(at), fmt.Sprintf("must be at most %d characters as JSON", s.bytes))
	}
	var seen [16]string // no object here has more fields that are asked about
	given := seen[:0]
	for name, value := range v.fields() {
		given = append(given, name)
		field := s.field(name, d)
		switch {
		case s.reserved != "" && name == s.reserved:
			wrong.add(string(at), "has the reserved key "+name)
		case field == nil:
			wrong.add(string(join(at, name)), "unknown field")
		case value.is(null): // which is the same as absent
			given = given[:len(given)-1]
		default:
			field.walk(value, join(at, name), d, wrong)
		}
	}
	s.checkRequired(s.required, given, at, wrong)
	if d.old {
		s.checkRequired(s.oldRequired, given, at, wrong)
	}
	s.checkOne(given, at, wrong)
}

func (s *shape) checkRequired(names, given []string, at []byte, wrong *violations) {
	for _, name := range names {
		if !slices.Contains(given, name) {
			wrong.add(string(join(at, name)), "is required")
		}
	}
}

func (s *shape) field(name string, d dialect) *shape {
	if s.fields == nil {
		if s.each != nil {
			return s.each
		}
		return anyValue
	}
	if f := s.fields[name]; f != nil && !(f.newer && d.old) {
		return f
	}
	if d.extra && name == extraField {
		return extraShape
	}
	return nil
}

func (s *shape) checkOne(given []string, at []byte, wrong *violations) {
	if s.one == nil {
		return
	}
	n := 0
	for _, name := range given {
		if slices.Contains(s.one, name) {
			n++
		}
	}
	if n != 1 {
		wrong.add(or(string(at), "body"), "must have exactly one of "+strings.Join(s.one, ", "))
	}
}

func (s *shape) walkList(v value, at []byte, d dialect, wrong *violations) {
	n := 0
	for value := range v.elements() {
		if s.each != nil {
			s.each.walk(value, at, d, wrong)
		}
		n++
	}
	if n < s.min || s.max > 0 && n > s.max {
		wrong.add(string(at), fmt.Sprintf("has %d elements, allowed are %s", n, bounds(s.min, s.max)))
	}
}

func (s *shape) checkText(value string, at []byte, d dialect, wrong *violations) {
	enum := s.enum
	if d.old && s.oldEnum != nil {
		enum = s.oldEnum
	}
	if enum != nil && !slices.Contains(enum, value) {
		wrong.add(string(at), "must be one of "+strings.Join(enum, ", "))
	}
	if s.min == 0 && s.max == 0 {
		return
	}
	if n := utf8.RuneCountInString(value); n < s.min || s.max > 0 && n > s.max {
		wrong.add(string(at), fmt.Sprintf("has %d characters, allowed are %s", n, bounds(s.min, s.max)))
	}
}

func bounds(low, high int) string {
	if high == 0 {
		return fmt.Sprintf("%d or more", low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

func join(at []byte, name string) []byte {
	if len(at) > 0 {
		at = append(at, '.')
	}
	return append(at, name...)
}

var anyValue = &shape{kind: anything}
