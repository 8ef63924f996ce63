package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Chart shows amounts over time. Only lines are drawn: what stands at the axes
// is text of the page, which keeps its size when the chart is made narrow.
type Chart struct {
	Title    string
	Unit     string
	From, To time.Time // what is shown
	Series   []Series
	Limit    float64 // a line that is not to be crossed; 0 for none
}

// Series is an amount over time.
type Series struct {
	Name  string
	Tone  Tone
	Steps []Step // in order of time
}

// Step is an amount that holds from one moment to another.
type Step struct {
	From, To time.Time
	Value    float64
}

// Units of the drawing, which is stretched to its place.
const (
	chartWidth  = 1000
	chartHeight = 200
)

// mostMarks is how many marks an axis has above 0, at most.
const mostMarks = 5

// limitShown is how many times the greatest amount a limit may be to be drawn:
// beyond that there would be little to see of what is below it.
const limitShown = 4

// Most is the greatest amount.
func (c Chart) Most() float64 {
	most := 0.0
	for _, s := range c.Series {
		for _, step := range s.Steps {
			most = max(most, step.Value)
		}
	}
	return most
}

// Empty says that there is nothing to draw: no time, or nothing ever.
func (c Chart) Empty() bool {
	return !c.To.After(c.From) || c.Most() <= 0
}

// LimitDrawn says whether the limit is within the chart.
func (c Chart) LimitDrawn() bool { return c.Limit > 0 && c.Limit <= limitShown*c.Most() }

// LimitText is the limit in words.
func (c Chart) LimitText() string {
	text := "limit " + amount(c.Limit)
	if !c.LimitDrawn() {
		text += ", far above"
	}
	return text
}

// axis returns the distance of the marks of the vertical axis, and how many
// there are above 0.
func (c Chart) axis() (step float64, n int) {
	most := c.Most()
	if c.LimitDrawn() {
		most = max(most, 1.05*c.Limit)
	}
	for step = math.Pow(10, math.Floor(math.Log10(most))-1); ; step *= 10 {
		for _, times := range []float64{1, 2, 5} {
			if n := math.Ceil(most/(times*step) - 1e-9); n <= mostMarks {
				return times * step, int(n)
			}
		}
	}
}

// Top is the amount at the upper edge.
func (c Chart) Top() float64 {
	step, n := c.axis()
	return step * float64(n)
}

// Marks are what stands beside the vertical axis, from the top.
func (c Chart) Marks() (marks []string) {
	step, n := c.axis()
	for i := n; i >= 0; i-- {
		marks = append(marks, amount(step*float64(i)))
	}
	return marks
}

// Lines are the heights of the marks, and of the limit when it is drawn.
func (c Chart) Lines() (heights []string) {
	step, n := c.axis()
	for i := range n + 1 {
		heights = append(heights, c.y(step*float64(i)))
	}
	return heights
}

// LimitLine is the height of the limit.
func (c Chart) LimitLine() string { return c.y(c.Limit) }

// Times are what stands below the chart: five moments, equally far apart.
func (c Chart) Times() (times []string) {
	form := "15:04:05"
	switch length := c.To.Sub(c.From); {
	case length > 60*24*time.Hour:
		form = "Jan 2006"
	case length > 4*24*time.Hour:
		form = "Jan 2"
	case length > 4*time.Hour:
		form = "Jan 2 15:04"
	}
	for i := range 5 {
		times = append(times, c.From.Add(c.To.Sub(c.From)/4*time.Duration(i)).UTC().Format(form))
	}
	return times
}

// Summary is the chart for those who do not see it.
func (c Chart) Summary() string {
	said := fmt.Sprintf("%s, %s, from %s to %s UTC", c.Title, c.Unit, Instant(c.From), Instant(c.To))
	for _, s := range c.Series {
		said += fmt.Sprintf("; %s: at most %s", s.Name, amount(Chart{Series: []Series{s}}.Most()))
	}
	if c.Limit > 0 {
		said += "; " + c.LimitText()
	}
	return said
}

// Line is the line of a series, broken where nothing is known.
func (c Chart) Line(s Series) string { return c.path(s, false) }

// Area is what is below the line.
func (c Chart) Area(s Series) string { return c.path(s, true) }

func (c Chart) path(s Series, closed bool) string {
	var b strings.Builder
	for i, step := range s.Steps {
		begins := i == 0 || step.From.Sub(s.Steps[i-1].To) > slack(step)
		y := c.y(step.Value)
		switch {
		case begins && closed:
			fmt.Fprintf(&b, "M%s %dV%s", c.x(step.From), chartHeight, y)
		case begins:
			fmt.Fprintf(&b, "M%s %s", c.x(step.From), y)
		default:
			fmt.Fprintf(&b, "V%s", y)
		}
		fmt.Fprintf(&b, "H%s", c.x(step.To))
		if ends := i == len(s.Steps)-1 || s.Steps[i+1].From.Sub(step.To) > slack(s.Steps[i+1]); ends && closed {
			fmt.Fprintf(&b, "V%dZ", chartHeight)
		}
	}
	return b.String()
}

// slack is how far a step may begin behind the one before it and still follow it.
func slack(step Step) time.Duration { return step.To.Sub(step.From) / 10 }

func (c Chart) x(t time.Time) string {
	return short(chartWidth * float64(t.Sub(c.From)) / float64(c.To.Sub(c.From)))
}

func (c Chart) y(value float64) string { return short(chartHeight * (1 - value/c.Top())) }

// short writes a coordinate.
func short(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// amount writes a number at an axis.
func amount(f float64) string {
	switch {
	case f >= 10_000:
		return strconv.FormatFloat(math.Round(f)/1000, 'f', -1, 64) + "k"
	case f >= 10:
		return Count(int64(math.Round(f)))
	}
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
}
