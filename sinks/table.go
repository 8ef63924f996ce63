package sinks

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

const (
	tableSample = 1000 // rows that the widths are taken from
	tableWidth  = 60   // of a column, at most
)

// writeTable writes aligned columns. The widths come from the first rows, so
// that a table of any length takes constant memory; what is wider is cut.
func (r *ResultSet) writeTable(w *bufio.Writer) (int64, error) {
	names := r.names()
	widths := make([]int, len(names))
	for i, name := range names {
		names[i] = visible(name)
		widths[i] = runewidth.StringWidth(names[i])
	}
	var sample [][]string
	flush := func() {
		for i, c := range r.Columns {
			for _, cells := range sample {
				widths[i] = max(widths[i], runewidth.StringWidth(cells[i]))
			}
			widths[i] = min(widths[i], tableWidth)
			// A number cut short is another number.
			if numeric(c.Type) {
				widths[i] = max(widths[i], 8)
			}
		}
		r.writeLine(w, names, widths)
		rule := make([]string, len(widths))
		for i, width := range widths {
			rule[i] = strings.Repeat("─", width)
		}
		r.writeLine(w, rule, widths)
		for _, cells := range sample {
			r.writeLine(w, cells, widths)
		}
		sample = nil
	}
	n, err := r.each(func(n int64, values []any) error {
		cells, err := r.texts(values)
		if err != nil {
			return err
		}
		for i := range cells {
			cells[i] = visible(head(cells[i]))
			if values[i] == nil {
				cells[i] = "NULL"
			}
		}
		if n < tableSample {
			sample = append(sample, cells)
			return nil
		}
		if n == tableSample {
			flush()
		}
		r.writeLine(w, cells, widths)
		return nil
	})
	if err != nil {
		return n, err
	}
	if n <= tableSample {
		flush()
	}
	_, err = fmt.Fprintf(w, "(%d %s)\n", n, map[bool]string{true: "row", false: "rows"}[n == 1])
	return n, err
}

// writeLine writes cells of their columns' widths; w keeps its error to the end.
func (r *ResultSet) writeLine(w *bufio.Writer, cells []string, widths []int) {
	var line strings.Builder
	for i, cell := range cells {
		if i > 0 {
			line.WriteString("  ")
		}
		if numeric(r.Columns[i].Type) {
			line.WriteString(runewidth.FillLeft(cell, widths[i]))
			continue
		}
		line.WriteString(runewidth.FillRight(runewidth.Truncate(cell, widths[i], "…"), widths[i]))
	}
	_, _ = w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

var numericTypes = []string{
	"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE",
}

func numeric(typ string) bool {
	return slices.Contains(numericTypes, typ) || strings.HasPrefix(typ, "DECIMAL")
}

// head is the beginning of a text that is longer than any cell, for measuring
// a text takes time in proportion to it.
func head(s string) string {
	n := 8 * tableWidth
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// visible keeps what came from afar from moving the cursor, turning the
// direction of the text or breaking the line.
func visible(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(c), c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
