package prompt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// ErrInterrupted is returned by Line when the line was dropped with Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// Completer returns what may stand in place of the word before the cursor, and
// how many bytes that word has.
type Completer func(before string) (words []string, length int)

// Editor reads lines at a terminal: with the keys of Emacs, the arrows for the
// history, Ctrl-R to search it, Tab to complete and Ctrl-C to drop the line.
type Editor struct {
	in       *os.File
	keys     *term.Terminal
	history  *History
	complete Completer

	mu     sync.Mutex
	cooked *term.State // as the terminal was; nil while it is that way

	interrupted bool
	wanted      string // is searched for in the history
	shown       string // the line that the search found
	at          int    // its place
}

// NewEditor reads from in, a terminal, and shows the line on out, which is one too.
func NewEditor(in, out *os.File, history *History, complete Completer) *Editor {
	e := &Editor{in: in, history: history, complete: complete}
	e.keys = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&keys{in: in}, out}, "")
	e.keys.History = history
	e.keys.AutoCompleteCallback = e.press
	return e
}

// Line reads a line behind a prompt. The error is ErrInterrupted after Ctrl-C,
// and io.EOF after Ctrl-D. The terminal stays as lines need it until Restore.
func (e *Editor) Line(prompt string) (string, error) {
	if err := e.takeOver(); err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	if width, height, err := term.GetSize(int(e.in.Fd())); err == nil && width > 0 {
		// An error is one of writing, which the next write has as well.
		_ = e.keys.SetSize(width, height)
	}
	e.keys.SetPrompt(prompt)
	e.interrupted, e.shown = false, ""
	line, err := e.keys.ReadLine()
	switch {
	case e.interrupted:
		return "", ErrInterrupted
	case errors.Is(err, term.ErrPasteIndicator):
		return line, nil
	}
	return line, err
}

// takeOver makes the terminal give every key as it is pressed.
func (e *Editor) takeOver() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cooked != nil {
		return nil
	}
	cooked, err := term.MakeRaw(int(e.in.Fd()))
	if err == nil {
		e.cooked = cooked
		e.keys.SetBracketedPasteMode(true)
	}
	return err
}

// Restore makes the terminal what it was before Line. It may be called while
// Line waits, by what ends the process.
func (e *Editor) Restore() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cooked == nil {
		return nil
	}
	e.keys.SetBracketedPasteMode(false)
	err := term.Restore(int(e.in.Fd()), e.cooked)
	e.cooked = nil
	return err
}

// press is asked about every key that the line editor has no use for itself.
func (e *Editor) press(line string, pos int, key rune) (newLine string, newPos int, ok bool) {
	switch key {
	case interruptKey:
		e.interrupted = true
		line += "^C"
		return line, len(line), true
	case 'R' - '@':
		return e.search(line, pos)
	case '\t':
		return e.completed(line, pos)
	}
	return "", 0, false
}

// search shows the latest statement that has the line in it, and the one before
// when it is asked again.
func (e *Editor) search(line string, pos int) (newLine string, newPos int, ok bool) {
	if line != e.shown || line == "" {
		e.wanted, e.at = line, e.history.Len()
	}
	at, found := e.history.find(e.wanted, e.at)
	if !found {
		return line, pos, true
	}
	e.at, e.shown = at, e.history.entries[at]
	return e.shown, len(e.shown), true
}

// completed is the line with the word at the cursor completed as far as that is
// certain. Where it can not get longer, what it may become is shown.
func (e *Editor) completed(line string, pos int) (newLine string, newPos int, ok bool) {
	words, length := e.complete(line[:pos])
	if len(words) == 0 {
		return line, pos, true
	}
	word := commonPrefix(words)
	if len(words) == 1 && !strings.HasSuffix(word, "(") {
		word += " "
	}
	if len(words) > 1 && len(word) <= length {
		e.offer(words)
		return line, pos, true
	}
	before := line[:pos-length] + word
	return before + line[pos:], len(before), true
}

// offered is how many words are shown at a time.
const offered = 60

func (e *Editor) offer(words []string) {
	more := ""
	if len(words) > offered {
		more = fmt.Sprintf("  … and %d more", len(words)-offered)
		words = words[:offered]
	}
	// What can not be written now is not seen; the next write says it.
	_, _ = fmt.Fprintf(e.keys, "%s%s\n", strings.Join(words, "  "), more)
}

// commonPrefix is what all words begin with, whatever its case.
func commonPrefix(words []string) string {
	common := words[0]
	for _, word := range words[1:] {
		for !strings.HasPrefix(strings.ToLower(word), strings.ToLower(common)) {
			runes := []rune(common)
			common = string(runes[:len(runes)-1])
		}
	}
	return common
}
