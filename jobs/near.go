package jobs

import (
	"fmt"
	"strings"
)

// didYouMean returns a hint with the candidate that is spelt most like word,
// or nothing when none is near.
func didYouMean(word string, candidates []string) string {
	if s, ok := Nearest(word, candidates); ok {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return ""
}

// Nearest returns the candidate that is spelt most like word. One in three
// letters may differ; the case of letters and "-" for "_" do not count.
func Nearest(word string, candidates []string) (best string, ok bool) {
	const longest = 64 // the distance is quadratic, and nobody mistypes more
	if len(word) > longest {
		return "", false
	}
	least := longest
	for _, c := range candidates {
		if len(c) > longest {
			continue
		}
		a, b := []rune(plainSpelling(word)), []rune(plainSpelling(c))
		if d := distance(a, b); d < least && d <= max(1, max(len(a), len(b))/3) && d < len(b) {
			best, least, ok = c, d, true
		}
	}
	return best, ok
}

func plainSpelling(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b []rune) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range b {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// orList is didYouMean, or the candidates when none is near.
func orList(word string, candidates []string) string {
	if hint := didYouMean(word, candidates); hint != "" {
		return hint
	}
	const shown = 30
	if len(candidates) > shown {
		candidates = append(candidates[:shown:shown], "…")
	}
	return "there are " + strings.Join(candidates, ", ")
}
