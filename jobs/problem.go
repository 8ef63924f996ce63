package jobs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong in a job file, and where. Line and Column
// count from 1, Column in characters; Line is 0 when the file as a whole is
// meant. Source is the line itself, without what may be a secret.
type Problem struct {
	File         string
	Line, Column int
	Path         string // of keys, for example jobs.spring-offer.request.message
	Message      string
	Hint         string // what to do, for example: did you mean "request"?
	Source       string
}

// shownWidth is how much of a long line is shown, in characters.
const shownWidth = 120

// Error is what compilers print: place, words, the line and a caret. Nothing
// in it can move the cursor of a terminal.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	for _, s := range []string{p.Path, p.Message} {
		if s != "" {
			b.WriteString(": " + printable(s))
		}
	}
	if p.Hint != "" {
		b.WriteString("; " + printable(p.Hint))
	}
	if p.Line > 0 {
		line, caret := excerpt(p.Source, p.Column)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s", p.Line, line, caret)
	}
	return b.String()
}

// excerpt returns the part of a line around a column, and a caret to stand
// under it.
func excerpt(line string, column int) (shown, caret string) {
	runes := []rune(printable(line))
	from := 0
	column = min(max(column, 1), len(runes)+1)
	if len(runes) > shownWidth {
		from = max(0, min(column-1-shownWidth/2, len(runes)-shownWidth))
	}
	to := min(len(runes), from+shownWidth)
	pad := []rune(strings.Repeat(" ", column-1-from))
	for i := range pad {
		if runes[from+i] == '\t' {
			pad[i] = '\t'
		}
	}
	shown, caret = string(runes[from:to]), string(pad)+"^"
	if from > 0 {
		shown, caret = "…"+shown, " "+caret
	}
	if to < len(runes) {
		shown += "…"
	}
	return strings.TrimRight(shown, " \t"), caret
}

// printable replaces what a terminal would act upon.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsGraphic(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Problems are all that is wrong in a job file. It is the error of Load.
type Problems []Problem

// Error prints every problem, in the order of the file.
func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps.sorted() {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems in the order of the file, each once.
func (ps Problems) sorted() Problems {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(sorted)
}
