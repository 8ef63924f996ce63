// Package screen imitates a terminal in tests: it understands what batch writes
// to one, and says what a person would see.
package screen

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Screen is a terminal of some columns and rows, with everything that scrolled
// off it. Each rune takes one column.
//
// All methods may be called by many goroutines at once.
type Screen struct {
	mu            sync.Mutex
	width, height int
	folds         bool
	lines         []line // the last height of them can be seen; never empty
	row, column   int    // of the cursor; row counts from the first line of all
	noWrap        bool
	escape        string // begun and not complete
	unknown       []string
}

// line is one row; one that was folded goes on in the next.
type line struct {
	text []rune
	goes bool
}

// New returns an empty screen. When it is resized, folds says whether lines
// that have become too long are folded (as by tmux, VTE, kitty), or cut (as by
// xterm).
func New(width, height int, folds bool) *Screen {
	return &Screen{width: width, height: height, folds: folds, lines: make([]line, 1)}
}

// Write shows what a program writes. The end of a line returns the cursor as
// well, which is what the kernel's terminal driver does.
func (s *Screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range string(text) {
		switch {
		case s.escape != "":
			s.escape += string(c)
			if len(s.escape) > 2 && c >= '@' && c <= '~' {
				s.control(s.escape[2:len(s.escape)-1], c)
				s.escape = ""
			}
		case c == '\x1b':
			s.escape = "\x1b"
		case c == '\r':
			s.column = 0
		case c == '\n':
			s.down()
			s.column = 0
		default:
			s.put(c)
		}
	}
	return len(text), nil
}

func (s *Screen) control(args string, final rune) {
	n, _ := strconv.Atoi(args)
	at := &s.lines[s.row]
	switch {
	case final == 'A':
		s.row = max(s.row-max(n, 1), s.top())
	case final == 'C':
		s.column = min(s.column+max(n, 1), s.width-1)
	case final == 'J' && args == "":
		if s.folds && s.row == s.top() && s.column == 0 { // tmux keeps a whole screen that is cleared
			s.lines = append(s.lines, line{})
			s.row = len(s.lines) - 1
			break
		}
		at.text, at.goes = at.text[:min(s.column, len(at.text))], false
		s.lines = s.lines[:s.row+1]
	case final == 'K' && args == "2":
		at.text, at.goes = nil, false
	case args == "?7" && (final == 'l' || final == 'h'):
		s.noWrap = final == 'l'
	default:
		s.unknown = append(s.unknown, fmt.Sprintf("ESC [ %s %c", args, final))
	}
}

// top is the first line that can be seen.
func (s *Screen) top() int { return max(len(s.lines)-s.height, 0) }

func (s *Screen) down() {
	s.row++
	if s.row == len(s.lines) {
		s.lines = append(s.lines, line{})
	}
}

func (s *Screen) put(c rune) {
	if s.column == s.width && s.noWrap {
		s.column--
	} else if s.column == s.width {
		s.lines[s.row].goes = true
		s.down()
		s.column = 0
	}
	at := &s.lines[s.row]
	for len(at.text) <= s.column {
		at.text = append(at.text, ' ')
	}
	at.text[s.column] = c
	s.column++
}

// Resize changes the size. The cursor stays at the text where it is.
func (s *Screen) Resize(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, row, column := s.lines, s.row, s.column
	s.width, s.height, s.lines = width, height, nil
	if !s.folds {
		for i := range old {
			old[i].text = old[i].text[:min(len(old[i].text), width)]
		}
		s.lines, s.column = old, min(column, width)
	}
	for i := 0; s.folds && i < len(old); {
		var text []rune
		for ; i < len(old); i++ {
			if i == row {
				at := len(text) + column
				s.row, s.column = len(s.lines)+at/width, at%width
			}
			text = append(text, old[i].text...)
			if !old[i].goes {
				i++
				break
			}
		}
		for len(text) > width {
			s.lines = append(s.lines, line{text[:width:width], true})
			text = text[width:]
		}
		s.lines = append(s.lines, line{text: text})
	}
	if rest := s.row + height; rest < len(s.lines) { // what is below the cursor goes first
		s.lines = s.lines[:rest]
	}
}

// Text is everything on the screen and above it, line by line, without the
// blanks at the ends.
func (s *Screen) Text() []string { return s.from(func() int { return 0 }) }

// Visible is what can be seen.
func (s *Screen) Visible() []string { return s.from(s.top) }

func (s *Screen) from(first func() int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, l := range s.lines[first():] {
		texts = append(texts, strings.TrimRight(string(l.text), " "))
	}
	return texts
}

// Unknown are the control sequences that the screen did not understand.
func (s *Screen) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknown
}
