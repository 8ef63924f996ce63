package prompt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// kept is how many statements a history goes back.
const kept = 1000

// History is the statements that were typed, in a file for its owner alone, one
// a line, the latest at the end. Several processes may add to one file.
type History struct {
	path    string
	entries []string // the oldest first
}

// OpenHistory reads the history in a file, which is made by the first Keep. The
// history that comes with an error goes back to where it was opened.
func OpenHistory(path string) (*History, error) {
	h := &History{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("read the history of statements: %w", err)
	}
	h.entries = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(h.entries) <= 2*kept {
		return h, nil
	}
	h.entries = slices.Clone(h.entries[len(h.entries)-kept:])
	return h, h.rewrite()
}

// rewrite replaces the file by the entries.
func (h *History) rewrite() error {
	next := fmt.Sprintf("%s.%d", h.path, os.Getpid())
	err := os.WriteFile(next, []byte(strings.Join(h.entries, "\n")+"\n"), 0o600)
	if err == nil {
		err = os.Rename(next, h.path)
	}
	if err != nil {
		return fmt.Errorf("cut the history of statements: %w", errors.Join(err, os.Remove(next)))
	}
	return nil
}

// Keep adds what was typed, on one line and without comments. A statement that
// begins with a blank is not kept, nor one that a line can not hold, nor the
// latest again. Where the file can not be written, which is said once, the
// history lasts as long as the process.
func (h *History) Keep(typed string) error {
	line, ok := Flat(typed)
	if !ok || line == "" || strings.ContainsAny(typed[:1], blanks) || len(h.entries) > 0 && h.entries[len(h.entries)-1] == line {
		return nil
	}
	h.entries = append(h.entries, line)
	if h.path == "" {
		return nil
	}
	if err := h.append(line); err != nil {
		h.path = "" // said once
		return fmt.Errorf("keep statements for the next time: %w", err)
	}
	return nil
}

func (h *History) append(line string) error {
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// Add implements term.History: a line is not yet a statement, see Keep.
func (h *History) Add(string) {}

// Len implements term.History.
func (h *History) Len() int { return len(h.entries) }

// At implements term.History: 0 is the latest.
func (h *History) At(i int) string { return h.entries[len(h.entries)-1-i] }

// find returns the latest entry that has a text, of those before the place of
// another, and its own place; ok is false when there is none.
func (h *History) find(text string, before int) (at int, ok bool) {
	for i := min(before, len(h.entries)) - 1; i >= 0; i-- {
		if strings.Contains(strings.ToLower(h.entries[i]), strings.ToLower(text)) {
			return i, true
		}
	}
	return 0, false
}
