// Package prompt reads statements from a person at a terminal, with a history
// and completion, or from a file.
package prompt

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// Statements is a bufio.SplitFunc: each token is a statement of SQL without the
// semicolon that ends it, or a command (see IsCommand), which ends with its
// line. What is left at the end of the input is a statement too. A token may be
// empty.
func Statements(data []byte, atEOF bool) (advance int, token []byte, err error) {
	begin := len(data) - len(bytes.TrimLeft(data, blanks))
	if begin == len(data) {
		if atEOF {
			return len(data), nil, nil
		}
		return 0, nil, nil
	}
	text := string(data[begin:])
	line, _, whole := strings.Cut(text, "\n")
	end := statementEnd(text)
	switch {
	case !whole && !atEOF:
		return 0, nil, nil
	case IsCommand(line):
		return begin + min(len(line)+1, len(text)), []byte(strings.TrimRight(line, blanks)), nil
	case end >= 0:
		return begin + end + 1, []byte(strings.TrimRight(text[:end], blanks)), nil
	case atEOF:
		return len(data), []byte(strings.TrimRight(text, blanks)), nil
	}
	return 0, nil, nil
}

const blanks = " \t\r\n\f\v"

// words that leave a prompt, with a semicolon or without.
var words = []string{"exit", "quit"}

// IsCommand says whether a line is none of SQL: it begins with a backslash, or
// is one of the words exit and quit.
func IsCommand(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, `\`) || slices.Contains(words, strings.TrimRight(line, "; \t"))
}

// Flat puts a statement on one line, without comments. It is not ok where that
// would change what it says: a text in it has a line break.
func Flat(statement string) (line string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(statement); {
		end, kind := piece(statement, i)
		part := statement[i:end]
		i = end
		switch {
		case kind == quoted && strings.ContainsAny(part, "\r\n"):
			return "", false
		case kind == comment || strings.Contains(blanks, part):
			part = " "
			if b.Len() == 0 || strings.HasSuffix(b.String(), " ") {
				part = ""
			}
		}
		b.WriteString(part)
	}
	return strings.TrimRight(b.String(), " "), true
}

// statementEnd is where the first semicolon is that ends a statement, -1 when
// none does.
func statementEnd(text string) int {
	for i := 0; i < len(text); {
		if text[i] == ';' {
			return i
		}
		i, _ = piece(text, i)
	}
	return -1
}

type kind int

const (
	plain   kind = iota // one byte, or a word
	quoted              // a text or a name in quotes
	comment             // with its ends; a line's break is not one of them
)

var (
	word       = regexp.MustCompile(`^[\pL_][\pL\pN_$]*`)
	dollarMark = regexp.MustCompile(`^\$(?:[\pL_][\pL\pN_]*)?\$`)
)

// piece returns where the piece of SQL ends that begins at i: at the end of the
// text when nothing closes it.
func piece(text string, i int) (end int, _ kind) {
	rest := text[i:]
	until := func(opened int, mark string) int {
		if at := strings.Index(rest[opened:], mark); at >= 0 {
			return i + opened + at + len(mark)
		}
		return len(text)
	}
	switch c := rest[0]; {
	case c == '\'' || c == '"':
		return until(1, string(c)), quoted
	case len(rest) > 1 && (c == 'e' || c == 'E') && rest[1] == '\'':
		return i + escaped(rest), quoted
	case strings.HasPrefix(rest, "--"):
		if at := strings.IndexByte(rest, '\n'); at >= 0 {
			return i + at, comment
		}
		return len(text), comment
	case strings.HasPrefix(rest, "/*"):
		return i + blockComment(rest), comment
	case c == '$':
		if mark := dollarMark.FindString(rest); mark != "" {
			return until(len(mark), mark), quoted
		}
	default:
		if found := word.FindString(rest); found != "" {
			return i + len(found), plain
		}
	}
	return i + 1, plain
}

// escaped is the length of the text E'…' that a string begins with, in which a
// backslash takes what follows it.
func escaped(text string) int {
	for i := 2; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return len(text)
}

// blockComment is the length of the comment that a string begins with. Comments
// nest.
func blockComment(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(text[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}
