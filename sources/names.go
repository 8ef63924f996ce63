package sources

import (
	"strconv"
	"strings"
	"unicode"
)

// shown returns a column's name for a message. A file without header makes
// names of its first row's values, so long runs of digits are not shown.
func shown(name string) string {
	digits := 0
	for _, r := range name {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits >= 7 {
		return "(a number of " + strconv.Itoa(digits) + " digits; does the file have no header?)"
	}
	const most = 60
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	return strconv.Quote(name)
}

// position returns which column is called name, or -1.
func position(columns []Column, name string) int {
	for i, c := range columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// near returns the name that was probably meant, or "".
func near(columns []Column, name string) string {
	best, least := "", 3 // as many edits are no slip any more
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return c.Name
		}
		if d := edits(c.Name, name); d < least && d < len(name) {
			best, least = c.Name, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
