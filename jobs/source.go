package jobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// maxFile bounds a job file, in bytes.
const maxFile = 1 << 20

// source is the text of a job file.
type source struct {
	name  string
	text  []byte
	lines []string
	shown []string // lines without what may be a secret
}

// readSource reads a job file. A problem is without a line when the file can
// not be read at all.
func readSource(name string) (*source, *Problem) {
	whole := func(message, hint string) *Problem {
		return &Problem{File: name, Message: message, Hint: hint}
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, whole("there is no such file", "name it with -f, or let `batch init` write one")
	} else if err != nil {
		return nil, whole("can not be opened: "+cause(err), "")
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, whole("is a folder, not a job file", "name the file in it with -f")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, whole("can not be read: "+cause(err), "")
	}
	if len(text) > maxFile {
		return nil, whole(fmt.Sprintf("is larger than a job file can be (%d MiB)", maxFile>>20), "")
	}
	return newSource(name, text)
}

// cause leaves the path out of an error of the file system.
func cause(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// newSource takes the text of a job file, with or without byte order mark.
func newSource(name string, text []byte) (*source, *Problem) {
	text = []byte(strings.TrimPrefix(string(text), "\ufeff"))
	s := &source{name: name, text: text, lines: splitLines(string(text))}
	s.shown = maskSecrets(s.lines)
	for i, line := range s.lines {
		column := 0
		for rest := line; rest != ""; {
			r, size := utf8.DecodeRuneInString(rest)
			rest = rest[size:]
			column++
			if r == utf8.RuneError && size == 1 || r < ' ' && r != '\t' {
				p := s.problem(i+1, column, "", "is not a text file in UTF-8")
				p.Source = "" // whatever it is, a terminal should not see it
				return nil, &p
			}
		}
	}
	return s, nil
}

// splitLines cuts text where YAML sees a line end.
func splitLines(text string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text), "\n")
}

// problem returns a problem at a place of the file; column 0 is where the text
// of the line begins.
func (s *source) problem(line, column int, path, message string) Problem {
	if last := len(s.lines); line > last { // what ends the file without a line end
		line, column = last, len([]rune(s.lines[last-1]))+1
	}
	p := Problem{File: s.name, Line: line, Column: column, Path: path, Message: message}
	if line > 0 {
		p.Source = s.shown[line-1]
		if column == 0 {
			p.Column = indent(p.Source) + 1
		}
	}
	return p
}

// masked says whether a part of a line is not shown, up to a column.
func (s *source) masked(line, column int) bool {
	if line < 1 || line > len(s.lines) || s.lines[line-1] == s.shown[line-1] {
		return false
	}
	written, shown := []rune(s.lines[line-1]), []rune(s.shown[line-1])
	for i := range min(column, len(written)) {
		if i >= len(shown) || written[i] != shown[i] {
			return true
		}
	}
	return false
}

// named returns a key in quotes, after a space, for a message; nothing where
// it may be a secret that was taken for a key.
func (s *source) named(key *yaml.Node) string {
	if s.masked(key.Line, maxFile) && !strings.Contains(s.shown[key.Line-1], key.Value) {
		return ""
	}
	return " " + strconv.Quote(key.Value)
}
