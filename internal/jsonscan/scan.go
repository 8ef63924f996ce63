// Package jsonscan goes through JSON once, from front to back, and builds
// nothing: what is wanted of it is taken on the way, all of it is checked.
package jsonscan

import (
	"iter"
	"unsafe"
)

// Scanner stands before a value of a JSON text, at first before the only one
// that a text has. A value is taken by Value, Text, Members or Elements, which
// go past it. What is not JSON (RFC 8259) ends all that is read of it; Done says
// so. Names and values lie in the text, which nobody may change from then on.
type Scanner struct {
	text  []byte
	at    int  // behind white space, where a value begins
	depth int  // objects and arrays that are open
	bad   bool // it is not JSON, and at is its end
}

// New returns a scanner of text.
func New(text []byte) Scanner {
	at := space(text, 0)
	return Scanner{text: text, at: at, bad: at == len(text)}
}

// Members goes through the members of an object, in order, and stands before
// the value of each. What the loop does not take, it passes over, also when the
// loop ends early. It does nothing with what is no object.
func (s *Scanner) Members() iter.Seq[string] {
	return func(f func(name string) bool) {
		more := true
		for within := s.enter('{', '}'); within; within = s.next('}') {
			name := s.name()
			from := s.at
			more = more && !s.bad && f(name)
			s.pass(from)
		}
	}
}

// Elements is to arrays what Members is to objects.
func (s *Scanner) Elements() func(func() bool) {
	return func(f func() bool) {
		more := true
		for within := s.enter('[', ']'); within; within = s.next(']') {
			from := s.at
			more = more && f()
			s.pass(from)
		}
	}
}

// Value takes a value as it stands there; nil when it is not JSON.
func (s *Scanner) Value() []byte {
	from := s.at
	if !s.move(value(s.text, from, s.depth)) {
		return nil
	}
	return s.text[from:s.at:s.at]
}

// Within takes a value as Value does. read is called before it, and may take the
// value or go into it.
func (s *Scanner) Within(read func()) []byte {
	from := s.at
	read()
	s.pass(from)
	if s.bad {
		return nil
	}
	return s.text[from:s.at:s.at]
}

// Text takes a value as text: a string without its quotes and escapes, nothing
// for null, and anything else as it stands there. Where it can, it shares the
// bytes of the text.
func (s *Scanner) Text() string {
	if !s.IsText() {
		if v := s.Value(); len(v) > 0 && v[0] != 'n' {
			return shared(v)
		}
		return ""
	}
	from := s.at
	end, plain := quoted(s.text, from)
	switch {
	case !s.move(end):
		return ""
	case plain:
		return shared(s.text[from+1 : end-1])
	}
	return unescape(s.text[from+1 : end-1])
}

// IsText says whether the value is a string.
func (s *Scanner) IsText() bool { return s.is('"') }

// IsObject says whether the value is an object.
func (s *Scanner) IsObject() bool { return s.is('{') }

// IsArray says whether the value is an array.
func (s *Scanner) IsArray() bool { return s.is('[') }

// Done says whether the text was one value of JSON, which was taken, and
// nothing besides.
func (s *Scanner) Done() bool { return !s.bad && space(s.text, s.at) == len(s.text) }

// Valid says whether text is JSON.
func Valid(text []byte) bool {
	s := New(text)
	s.Value()
	return s.Done()
}

func (s *Scanner) is(c byte) bool { return s.at < len(s.text) && s.text[s.at] == c }

// move goes to where something ends, if it was JSON.
func (s *Scanner) move(to int) bool {
	if to == bad {
		s.at, s.bad = len(s.text), true
		return false
	}
	s.at = to
	return true
}

// enter goes into an object or array. It says whether there is something in it,
// which may be anything.
func (s *Scanner) enter(begins, ends byte) bool {
	if !s.is(begins) {
		return false
	}
	if s.depth == maxDepth {
		return s.move(bad)
	}
	s.depth++
	s.at = space(s.text, s.at+1)
	return !s.leave(ends)
}

// next goes to the next member or element, and says whether there is one.
func (s *Scanner) next(ends byte) bool {
	s.at = space(s.text, s.at)
	switch {
	case s.is(','):
		s.at = space(s.text, s.at+1)
		return true
	case s.leave(ends):
		return false
	}
	return s.move(bad)
}

// leave goes out of an object or array, where it ends.
func (s *Scanner) leave(ends byte) bool {
	if !s.is(ends) {
		return false
	}
	s.at++
	s.depth--
	return true
}

// name takes the name of a member and the colon.
func (s *Scanner) name() string {
	if !s.IsText() {
		s.move(bad)
		return ""
	}
	name := s.Text()
	s.move(colon(s.text, s.at))
	return name
}

// pass goes past the value at from, if it was not taken.
func (s *Scanner) pass(from int) {
	if s.at == from {
		s.move(value(s.text, from, s.depth))
	}
}

func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
