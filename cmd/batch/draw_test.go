package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"convbatch/sinks"
)

// busy is a job of which there is something to say in every part.
func busy(name string) shown {
	return shown{status: status{
		Run: sinks.Run{
			Job: name, Input: "input", Rows: 10_000, Requests: 5000,
			Counts: sinks.Counts{Done: 4000, Failed: 30, InDoubt: 7, Records: 12},
		},
		PerSecond: 10, RequestsPerSecond: 98, Limit: 100, ThrottledS: 12,
		LastError: "Messages_SendMessage: 400 INVALID_ARGUMENT: no",
	}}
}

// No line is ever wider than the terminal, and there are no more than it has rows.
func TestALiveViewAlwaysFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []shown
		for i := range rapid.IntRange(0, 30).Draw(t, "jobs") {
			s := busy(fmt.Sprint(rapid.StringMatching(`[a-z][a-z0-9-]{0,63}`).Draw(t, "name"), i))
			s.LastError = rapid.String().Draw(t, "error")
			s.Rows = rapid.Int64Range(0, 1<<50).Draw(t, "rows")
			s.Done = rapid.Int64Range(0, 1<<50).Draw(t, "done")
			s.WaitsFor = rapid.SampledFrom([]string{"", "hours"}).Draw(t, "waits")
			s.idle = rapid.SampledFrom([]string{"", "", "completed, 世界"}).Draw(t, "idle")
			all = append(all, s)
		}
		width, height := rapid.IntRange(1, 250).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
		lines := draw(all, width, height)
		assert.LessOrEqual(t, len(lines), height)
		assert.Equal(t, len(all) == 0, len(lines) == 0)
		for _, line := range lines {
			assert.LessOrEqual(t, runewidth.StringWidth(line), width, "%q", line)
			assert.NotContains(t, line, "\n")
			assert.NotContains(t, line, "\x1b")
		}
	})
}

// What docs/OPERATIONS.md says of a terminal that becomes narrower.
func TestPartsAreLeftOutInTheirOrder(t *testing.T) {
	s := busy("spring")
	s.HeldUntil = time.Now().Add(time.Hour)
	parts := []string{"12 records", "throttled for 12s", "98 requests/s of 100", "[====", "4,000 done", " left", "4,037/10,000 40%", "held for ", "7 in doubt", "30 failed", "spring"}
	gone := 0
	for width := 200; width >= 8; width-- {
		line := draw([]shown{s}, width, 1)[0]
		for gone < len(parts) && !strings.Contains(line, parts[gone]) {
			gone++
		}
		for _, part := range parts[gone:] {
			assert.Contains(t, line, part, "at %d columns, when %q went", width, parts[:gone])
		}
		for _, part := range parts[:gone] {
			assert.NotContains(t, line, part, "at %d columns", width)
		}
	}
	assert.Equal(t, len(parts)-1, gone, "the name stays")
	assert.Equal(t, "spri…", draw([]shown{s}, 5, 1)[0])
}

func TestJobsThatRunAreShownFirst(t *testing.T) {
	idle, waits, held := shown{status: status{Run: sinks.Run{Job: "idle"}}, idle: "completed"}, busy("waits"), busy("held")
	waits.WaitsFor, waits.WaitsUntil = "sending hours", time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	held.HeldUntil = time.Now().Add(time.Hour)
	all := []shown{idle, waits, held, busy("first"), busy("second")}

	starts := func(lines []string) (starts []string) {
		for _, line := range lines {
			starts = append(starts, line[:min(len(line), 6)])
		}
		return starts
	}
	lines := draw(all, 40, 20)
	assert.Equal(t, []string{"first ", "  last", "second", "  last", "waits ", "  wait", "  last", "held  ", "  last", "idle  "}, starts(lines))
	assert.Equal(t, []string{"  last error: Messages_SendMessage: 400…", "  waits until 2026-03-01T08:00:00Z: sen…", "idle    completed"},
		[]string{lines[1], lines[5], lines[9]})

	lines = draw(all, 40, 12) // one line is left for what stands below
	assert.Equal(t, []string{"first ", "  last", "second", "waits ", "held  ", "idle  "}, starts(lines))

	assert.Equal(t, []string{"first ", "second", "and 3 "}, starts(draw(all, 40, 3)))
	assert.Equal(t, []string{"and 5 more"}, draw(all, 40, 1))
}

func TestTheLastLineOfAJobSaysHowFarItCame(t *testing.T) {
	s := busy("spring").status
	s.ElapsedS = 63.21
	assert.Equal(t, "spring: 4,037 of 10,000 rows, 12 records, 4,000 done, 30 failed or invalid, 7 in doubt, throttled for 12s, 5,000 requests in 1m3.2s", s.final())
}
