// Package report lays a report out as one HTML file that needs nothing beside
// it: no script, no network, no font. It is read on a screen of any width, light
// or dark, on paper, and by those who hear it.
package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"
)

// Page is a report.
type Page struct {
	Title    string
	About    string // one sentence under the title
	Facts    []Fact
	Sections []Section
	End      string // who made the page, and when
}

// Fact is a name and its value.
type Fact struct{ Name, Value string }

// Section is a part of a page under a heading of its own. What it does not have
// is left out.
type Section struct {
	Title  string
	Text   string
	Charts []Chart
	Tables []Table
}

// Table is rows of cells under their headings.
type Table struct {
	Caption string
	Folded  bool // shown when it is asked for, as the numbers behind a chart
	Heads   []string
	Rows    [][]Cell
}

// Numeric says of a column that it has numbers.
func (t Table) Numeric(column int) bool { return len(t.Rows) > 0 && t.Rows[0][column].Number }

// Cell is a place in a table.
type Cell struct {
	Text   string
	Number bool // set to the right
	Long   bool // of many words, which are given room
	Bar    *Bar // nil for none
}

// Bar is a share, drawn.
type Bar struct {
	Share float64 // from 0 to 1
	Tone  Tone
}

// Tone is a colour by what it says.
type Tone string

// The tones.
const (
	Good    Tone = "good"
	Bad     Tone = "bad"
	Unsure  Tone = "unsure"
	Neutral Tone = "neutral"
)

// Text is a cell of words.
func Text(s string) Cell { return Cell{Text: s} }

// Long is a cell of many words.
func Long(s string) Cell { return Cell{Text: s, Long: true} }

// Number is a cell of a whole number.
func Number(n int64) Cell { return Cell{Text: Count(n), Number: true} }

// Decimal is a cell of a number with so many places behind the point.
func Decimal(f float64, places int) Cell {
	return Cell{Text: strconv.FormatFloat(f, 'f', places, 64), Number: true}
}

// Share is a cell of a share of a whole, in percent and drawn.
func Share(n, of int64, tone Tone) Cell {
	share := 0.0
	if of > 0 {
		share = float64(n) / float64(of)
	}
	return Cell{Text: fmt.Sprintf("%.2f %%", 100*share), Number: true, Bar: &Bar{share, tone}}
}

// Time is a cell of a moment in UTC.
func Time(t time.Time) Cell { return Cell{Text: Instant(t)} }

// Instant writes a moment in UTC, to the second.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// Count writes a whole number with thousands apart.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percent is the share as a part of a hundred, as SVG has it.
func (b Bar) Percent() string { return strconv.FormatFloat(100*b.Share, 'f', 2, 64) }

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string

	page = template.Must(template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(pageCSS) },
		"policy": func() template.HTML { return template.HTML(policy()) },
		"code":   code,
	}).Parse(pageHTML))
)

// policy lets a browser load nothing but the style that is in the page, whatever
// else may have got into it.
func policy() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-` +
		base64.StdEncoding.EncodeToString(sum[:]) + `'; base-uri 'none'; form-action 'none'"/>`
}

// span is a piece of a text; Code says that it stood between backquotes.
type span struct {
	Text string
	Code bool
}

func code(text string) (spans []span) {
	for i, piece := range strings.Split(text, "`") {
		if piece != "" {
			spans = append(spans, span{piece, i%2 == 1})
		}
	}
	return spans
}

// Write writes the page.
func (p Page) Write(w io.Writer) error {
	if err := page.Execute(w, p); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
