// Package live draws lines that change at the bottom of a terminal, while
// others are written above them.
package live

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// What a terminal is told; all of them know these (ECMA-48, and DECAWM).
const (
	clearLine = "\x1b[2K"
	// clearDown leaves out the first column, since tmux takes a screen that is
	// cleared from its first place on for one worth keeping in the scrollback.
	clearDown = "\x1b[C\x1b[J"
	clear     = "\r" + clearLine + clearDown + "\r"
	up        = "\x1b[%dA"
	wrapOff   = "\x1b[?7l"
	wrapOn    = "\x1b[?7h"
)

// Region is what is drawn at the bottom of a terminal. Between two drawings the
// cursor rests at the beginning of its first line, which a terminal keeps in its
// place when it is resized: so however the lines below were cut or folded then,
// the next drawing clears them all, and nothing but them. Only what was folded so
// that it scrolled off can not be cleared any more.
//
// All methods may be called by many goroutines at once.
type Region struct {
	out  io.Writer
	size func() (width, height int)
	view func(width, height int) []string

	mu     sync.Mutex
	rest   []byte // of what is written above: a line that has no end yet
	closed bool
}

// New returns a region of the terminal out, which has so many columns and rows.
// view returns the lines to draw: height at most, each of width at most, since
// one that is wider is cut by the terminal. It must not write to the region.
func New(out io.Writer, size func() (width, height int), view func(width, height int) []string) *Region {
	return &Region{out: out, size: size, view: view}
}

// Draw draws the lines as they are now.
func (r *Region) Draw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		_ = r.paint("") // a terminal that is gone shows nothing, which is no reason to end
	}
}

// Write writes above the lines, whole lines at a time: what has no line end yet
// waits for it. Once the region is closed it writes to the terminal.
func (r *Region) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.out.Write(text)
	}
	r.rest = append(r.rest, text...)
	end := bytes.LastIndexByte(r.rest, '\n') + 1
	if end == 0 {
		return len(text), nil
	}
	above := string(r.rest[:end])
	r.rest = append([]byte(nil), r.rest[end:]...)
	return len(text), r.paint(clear + above)
}

// Close takes the lines away and leaves the cursor where they began.
func (r *Region) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		_, _ = r.out.Write(append([]byte(clear), r.rest...))
	}
}

// room is how wide lines may be. The last column stays free, since terminals
// differ in what comes after it, and so does a tenth: a window that is drawn
// smaller by hand becomes so in steps, none of which then folds a line.
func room(width int) int { return max(width-1-width/10, 1) }

// paint writes above and then the lines, with one call, so that nobody sees half
// of them. They are not folded even where the terminal became narrower just now.
func (r *Region) paint(above string) error {
	width, height := r.size()
	// A row stays free, or nothing that is written above would be seen.
	lines := r.view(room(width), max(height-1, 1))
	var b bytes.Buffer
	b.WriteString("\r" + above + wrapOff)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(clearLine + line)
	}
	if len(lines) == 0 {
		b.WriteString(clearLine)
	}
	b.WriteString(clearDown)
	if n := len(lines) - 1; n > 0 {
		fmt.Fprintf(&b, up, n)
	}
	b.WriteString("\r" + wrapOn)
	_, err := r.out.Write(b.Bytes())
	return err
}
