package main

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aPage is what stands in a report, by the words around it.
type aPage struct {
	title  string
	facts  map[string]string
	tables map[string]map[string][][]string // by the heading of the section and the caption: rows of cells
	charts []string                         // what they say of themselves
	text   string                           // all of it
}

// readPage reads a report, which is XML as well as HTML.
func readPage(t *testing.T, html string) aPage {
	t.Helper()
	p := aPage{facts: map[string]string{}, tables: map[string]map[string][][]string{}}
	var text strings.Builder
	var section, caption, fact string
	d := xml.NewDecoder(strings.NewReader(html))
	taken := func() string { defer text.Reset(); return strings.TrimSpace(text.String()) }
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
			p.text += string(token)
		case xml.StartElement:
			switch token.Name.Local {
			case "h1", "h2", "caption", "dt", "dd", "title", "td", "th":
				text.Reset()
			case "tr":
				if p.tables[section] == nil {
					p.tables[section] = map[string][][]string{}
				}
				p.tables[section][caption] = append(p.tables[section][caption], nil)
			}
		case xml.EndElement:
			switch token.Name.Local {
			case "h1":
				p.title = taken()
			case "h2":
				section = taken()
			case "caption":
				caption = taken()
			case "dt":
				fact = taken()
			case "dd":
				p.facts[fact] = taken()
			case "title":
				if said := taken(); strings.Contains(said, " UTC") {
					p.charts = append(p.charts, said)
				}
			case "td", "th":
				rows := p.tables[section][caption]
				rows[len(rows)-1] = append(rows[len(rows)-1], taken())
			}
		}
	}
}

// rows are those of a table without its headings.
func (p aPage) rows(t *testing.T, section, caption string) [][]string {
	t.Helper()
	rows := p.tables[section][caption]
	require.NotEmpty(t, rows, "%s: %s", section, caption)
	return rows[1:]
}

// numbers are those of a column of a table.
func (p aPage) numbers(t *testing.T, section, caption, head string) (all []int64) {
	t.Helper()
	rows := p.rows(t, section, caption)
	column := slices.Index(p.tables[section][caption][0], head)
	require.GreaterOrEqual(t, column, 0, head)
	for _, row := range rows {
		all = append(all, plainNumber(t, row[column]))
	}
	return all
}

func plainNumber(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
	require.NoError(t, err)
	return n
}

func sum(all []int64) (n int64) {
	for _, one := range all {
		n += one
	}
	return n
}

// reportOf is the report of a run or a job.
func (w *workbench) reportOf(name string) aPage {
	w.t.Helper()
	r := w.here("report", "--output", "-", name)
	require.Zero(w.t, r.code, r.stderr)
	assert.Empty(w.t, r.stderr)
	return readPage(w.t, r.stdout)
}
