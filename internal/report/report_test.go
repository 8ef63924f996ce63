package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hostile = `</title></style><script>alert(1)</script><img src=x onerror=alert(1)> "'&` + "`"

func begin() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func at(second int) time.Time { return begin().Add(time.Duration(second) * time.Second) }

func step(from, to int, value float64) Step { return Step{at(from), at(to), value} }

func full(text string) Page {
	return Page{
		Title: text, About: text, End: text, Facts: []Fact{{text, text}},
		Sections: []Section{{
			Title: text, Text: text,
			Charts: []Chart{{Title: text, Unit: text, From: at(0), To: at(10), Limit: 3, Series: []Series{{Name: text, Tone: Good, Steps: []Step{step(0, 10, 2)}}}}},
			Tables: []Table{
				{Caption: text, Heads: []string{text, "n", "share"}, Rows: [][]Cell{{Text(text), Number(1234), Share(1, 3, Bad)}}},
				{Caption: text, Folded: true, Heads: []string{text}, Rows: [][]Cell{{Text(text)}}},
			},
		}},
	}
}

func written(t *testing.T, p Page) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return b.String()
}

// Whatever a text holds, it stays a text: the elements of the page are those of
// one without it, and its attributes have no other names.
func TestTextsChangeNothingOfAPage(t *testing.T) {
	t.Parallel()
	shape := func(page string) (elements []string, texts string) {
		d := xml.NewDecoder(strings.NewReader(page))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				return elements, texts
			}
			require.NoError(t, err, "the page is well-formed")
			switch token := token.(type) {
			case xml.StartElement:
				name := token.Name.Local
				for _, a := range token.Attr {
					name += " " + a.Name.Local
				}
				elements = append(elements, name)
			case xml.CharData:
				texts += string(token)
			}
		}
	}
	want, _ := shape(written(t, full("plain")))
	got, texts := shape(written(t, full(strings.TrimSuffix(hostile, "`"))))
	assert.Equal(t, want, got)
	assert.Contains(t, texts, strings.TrimSuffix(hostile, "`"))
	assert.NotContains(t, written(t, full(hostile)), "<script")
	assert.Contains(t, want, "svg class viewBox preserveAspectRatio aria-hidden")
}

// The page names nothing that a browser would fetch, and forbids it to: what it
// may use is the style within, by its digest.
func TestAPageNeedsNothingBesideIt(t *testing.T) {
	t.Parallel()
	page := written(t, full("plain"))
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	require.Len(t, style, 2)
	sum := sha256.Sum256([]byte(style[1]))
	assert.Contains(t, page, `content="default-src 'none'; style-src 'sha256-`+base64.StdEncoding.EncodeToString(sum[:])+`'; base-uri 'none'; form-action 'none'"`)
	for _, reference := range []string{" src=", " href=", "url(", "@import", " style=", "<script", "<link"} {
		assert.NotContains(t, page, reference)
	}
	page = strings.ReplaceAll(page, `xmlns="http://www.w3.org/1999/xhtml"`, "")
	assert.NotContains(t, page, "://")
}

func TestAPageCanBeHeard(t *testing.T) {
	t.Parallel()
	page := written(t, full("plain"))
	assert.Equal(t, 1, strings.Count(page, "<h1>"))
	assert.Equal(t, strings.Count(page, "<table>"), strings.Count(page, "<caption>plain</caption>"))
	assert.Contains(t, page, `role="img"><title>plain, plain, from 2026-03-01 12:00:00 to 2026-03-01 12:00:10 UTC; plain: at most 2; limit 3</title>`)
	assert.Contains(t, page, `<td class="number">1,234</td>`)
	assert.Contains(t, page, `33.33 %<svg`)
	assert.Contains(t, page, `<rect width="33.33" height="8"/>`)
	assert.Contains(t, page, `<html lang="en"`)
}

func TestWordsBetweenBackquotesAreCommands(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []span{{"say ", false}, {"batch run", true}, {".", false}}, code("say `batch run`."))
	assert.Equal(t, []span{{"plain", false}}, code("plain"))
	assert.Empty(t, code(""))
}

func TestLinesAreBrokenWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	s := Series{Steps: []Step{step(0, 1, 10), step(1, 2, 5), step(5, 10, 0)}}
	c := Chart{From: at(0), To: at(10), Series: []Series{s}}
	assert.Equal(t, "M0 0H100V100H200M500 200H1000", c.Line(s))
	assert.Equal(t, "M0 200V0H100V100H200V200ZM500 200V200H1000V200Z", c.Area(s))
}

func TestAnAxisHasAFewRoundMarks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		most, limit float64
		want        string
	}{
		{3, 0, "3 2 1 0"},
		{942, 0, "1,000 800 600 400 200 0"},
		{240, 250, "300 200 100 0"},
		{0.7, 0, "0.8 0.6 0.4 0.2 0"},
		{24_000, 0, "25k 20k 15k 10k 5,000 0"},
		{100, 800, "100 80 60 40 20 0"}, // the limit is too far above to be drawn
		{1, 0, "1 0.8 0.6 0.4 0.2 0"},
	} {
		chart := Chart{From: at(0), To: at(1), Limit: c.limit, Series: []Series{{Steps: []Step{step(0, 1, c.most)}}}}
		assert.Equal(t, c.want, strings.Join(chart.Marks(), " "))
		assert.Len(t, chart.Lines(), len(chart.Marks()))
		assert.GreaterOrEqual(t, chart.Top(), c.most)
		assert.Equal(t, c.limit == 250, chart.LimitDrawn())
	}
}

func TestWhatIsEmptyIsNotDrawn(t *testing.T) {
	t.Parallel()
	for _, c := range []Chart{{}, {From: at(0), To: at(0), Series: []Series{{Steps: []Step{step(0, 0, 1)}}}}, {From: at(0), To: at(9), Series: []Series{{Steps: []Step{step(0, 9, 0)}}}}} {
		assert.True(t, c.Empty())
		assert.NotContains(t, written(t, Page{Sections: []Section{{Charts: []Chart{c}}}}), "<figure>")
	}
}

func TestTimesAreAsPreciseAsTheChartIsLong(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{
		8 * time.Second:       "12:00:00 12:00:02 12:00:04 12:00:06 12:00:08",
		8 * time.Hour:         "Mar 1 12:00 Mar 1 14:00 Mar 1 16:00 Mar 1 18:00 Mar 1 20:00",
		8 * 24 * time.Hour:    "Mar 1 Mar 3 Mar 5 Mar 7 Mar 9",
		1000 * 24 * time.Hour: "Mar 2026 Nov 2026 Jul 2027 Mar 2028 Nov 2028",
	} {
		assert.Equal(t, want, strings.Join(Chart{From: begin(), To: begin().Add(length)}.Times(), " "))
	}
}
