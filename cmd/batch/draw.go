package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

const (
	leastBar = 10 // columns
	mostBar  = 30
	mostName = 30
	gap      = "  "
)

// shown is a job in a live view: how it gets on, or words about one that does not run.
type shown struct {
	status
	idle string
}

// runs says that the job is at work, and not only there to wait.
func (s shown) runs() bool {
	return s.idle == "" && s.WaitsFor == "" && !s.HeldUntil.After(time.Now())
}

// draw returns the lines of a live view, height at most. A job has a line, and
// below it what it waits for and its last error. Where there is no room for all,
// those lines go first, then jobs: those that do not run, then those that wait.
func draw(all []shown, width, height int) []string {
	all = slices.Clone(all)
	rank := func(s shown) int {
		switch {
		case s.runs():
			return 0
		case s.idle == "":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b shown) int { return rank(a) - rank(b) })
	more := 0
	if len(all) > height {
		more = len(all) - height + 1
		all = all[:height-1]
	}
	names := 0
	for _, s := range all {
		names = max(names, min(runewidth.StringWidth(s.Job), mostName))
	}
	// Half of the terminal is left to what a narrower one makes of these lines: it
	// folds each in two, and what scrolls off then can not be taken back.
	room := max(height/2-len(all), 0)
	var lines []string
	for _, s := range all {
		lines = append(lines, s.bar(names, width))
		notes := s.notes()
		notes = notes[:min(len(notes), room)]
		room -= len(notes)
		for _, note := range notes {
			lines = append(lines, shorten(gap+oneLine(note), width))
		}
	}
	if more > 0 {
		lines = append(lines, shorten(fmt.Sprintf("and %s more", count(int64(more))), width))
	}
	return lines
}

// bar is the line of a job: its name, a bar, how far it is and the details, as
// many of them as there is room for.
func (s shown) bar(names, width int) string {
	name := runewidth.FillRight(runewidth.Truncate(s.Job, names, "…"), names)
	if s.idle != "" {
		return shorten(name+gap+oneLine(s.idle), width)
	}
	parts := []detail{
		{meterBar(s.Settled(), s.Rows, max(leastBar, min(width/5, mostBar))), worthBar},
		{s.far(), worthRows},
	}
	parts = append(parts, s.details()...)
	for {
		line := name
		for _, p := range parts {
			line += gap + p.text
		}
		if runewidth.StringWidth(line) <= width || len(parts) == 0 {
			return shorten(line, width)
		}
		least := slices.MinFunc(parts, func(a, b detail) int { return a.worth - b.worth })
		parts = slices.DeleteFunc(parts, func(p detail) bool { return p == least })
	}
}

// far is how far the job is.
func (s status) far() string {
	text := count(s.Settled()) + "/" + count(s.Rows)
	if s.Rows > 0 {
		text += fmt.Sprintf(" %d%%", s.Settled()*100/s.Rows)
	}
	return text
}

// notes are what has a line of its own below the bar.
func (s shown) notes() []string {
	var notes []string
	if s.WaitsFor != "" {
		notes = append(notes, s.waits())
	}
	if s.LastError != "" {
		notes = append(notes, "last error: "+s.LastError)
	}
	return notes
}

// final is the last line of a job: what is left of its bar in the terminal.
func (s status) final() string {
	said := []string{fmt.Sprintf("%s of %s %s", count(s.Settled()), count(s.Rows), unit(s.Run))}
	for _, d := range s.details() {
		if d.worth != worthRate && d.worth != worthETA && d.worth != worthHeld {
			said = append(said, d.text)
		}
	}
	took := time.Duration(s.ElapsedS * float64(time.Second))
	return fmt.Sprintf("%s: %s, %s in %s", s.Job, strings.Join(said, ", "), plural(s.Requests, "request"), took.Round(100*time.Millisecond))
}

// meterBar is a bar of so many columns, which n of total fill.
func meterBar(n, total int64, columns int) string {
	inside := columns - 2
	full := 0
	if total > 0 {
		full = int(min(n, total) * int64(inside) / total)
	}
	text := strings.Repeat("=", full)
	if full > 0 && full < inside {
		text = text[:full-1] + ">"
	}
	return "[" + text + strings.Repeat("-", inside-full) + "]"
}

// oneLine is a text in which nothing moves the cursor.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			return ' '
		}
		return c
	}, text)
}

// shorten returns text, cut so that it is no wider than so many columns.
func shorten(text string, width int) string { return runewidth.Truncate(text, width, "…") }
