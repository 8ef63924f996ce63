package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"convbatch/client"
	"convbatch/internal/report"
	"convbatch/pipeline"
)

// Bounds of a report, whatever the size of the run.
const (
	mostSteps   = 300 // of a chart
	mostReasons = 100
)

// about is the run in a sentence.
func (r *reporter) about() string {
	s := summarize(r.run, false)
	return fmt.Sprintf("%s: %s of %s settled: %s.", capital(s.State), count(s.settled()), plural(s.Rows, s.unit), s.states())
}

func capital(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] }

func (r *reporter) facts() []report.Fact {
	ended := "not yet"
	if !r.run.FinishedAt.IsZero() && !r.running {
		ended = report.Instant(r.run.FinishedAt)
	}
	facts := []report.Fact{
		{Name: "Kind", Value: r.run.Kind},
		{Name: "Run", Value: r.run.ID},
		{Name: "State", Value: string(r.run.State)},
		{Name: "Began", Value: report.Instant(r.run.StartedAt)},
		{Name: "Ended", Value: ended},
		{Name: "At work", Value: time.Duration(r.run.ElapsedS * float64(time.Second)).Round(10 * time.Millisecond).String()},
		{Name: "Resumed", Value: times(r.run.Resumed)},
		{Name: "Requests", Value: count(r.run.Requests)},
		{Name: "Tried again", Value: count(r.run.Retries)},
		{Name: "Throttled (429)", Value: count(r.run.Throttled)},
	}
	if r.run.Records > 0 {
		facts = append(facts, report.Fact{Name: "Records stored", Value: count(r.run.Records)})
	}
	if r.run.Message != "" {
		facts = append(facts, report.Fact{Name: "Message", Value: client.Words(r.run.Message)})
	}
	return facts
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return count(int64(n)) + " times"
}

// tones say of a state whether somebody should look.
var tones = map[pipeline.State]report.Tone{
	pipeline.Done: report.Good, pipeline.Failed: report.Bad, pipeline.Invalid: report.Bad,
	pipeline.Suppressed: report.Neutral, pipeline.Skipped: report.Neutral, pipeline.InDoubt: report.Unsure,
}

// states is how many rows are in which state.
func (r *reporter) states(context.Context) (report.Section, error) {
	var settled int64
	for _, n := range r.counts {
		settled += n
	}
	noun, all := capital(unit(r.run)), max(r.run.Rows, settled)
	table := report.Table{Caption: "Of " + plural(all, r.row()), Heads: []string{"State", noun, "Share"}}
	add := func(name string, n int64, tone report.Tone) {
		table.Rows = append(table.Rows, []report.Cell{report.Text(name), report.Number(n), report.Share(n, all, tone)})
	}
	for _, state := range pipeline.States() {
		add(words(state), r.counts[state], tones[state])
	}
	if settled < all {
		add("not settled", all-settled, report.Neutral)
	}
	section := report.Section{Title: noun + " by state", Tables: []report.Table{table}}
	if r.running {
		section.Text = "The job is running: these are the results published so far, which come in large portions."
	}
	return section, nil
}

// row is what one item of the run is.
func (r *reporter) row() string { return strings.TrimSuffix(unit(r.run), "s") }

// words is the state as people say it.
func words(state pipeline.State) string { return strings.ReplaceAll(string(state), "_", " ") }

// reasons is why rows are not done. A row is named by its place: its key may be
// somebody's number, and a report is sent around.
func (r *reporter) reasons(ctx context.Context) (report.Section, error) {
	table := report.Table{
		Caption: "Reasons, by code and message",
		Heads:   []string{"State", capital(unit(r.run)), "Message", "First", "Status", "Code"},
	}
	var others int64
	for state, n := range r.counts {
		if state != pipeline.Done {
			others += n
		}
	}
	err := r.each(ctx, r.results.Reasons(mostReasons), func(values []any) error {
		rows := values[3].(int64)
		others -= rows
		status := report.Text("")
		if code, _ := values[1].(int32); code != 0 {
			status = report.Number(int64(code))
		}
		table.Rows = append(table.Rows, []report.Cell{
			report.Text(words(pipeline.State(said(values[0])))), report.Number(rows), report.Long(client.Words(said(values[6]))),
			report.Number(values[4].(int64)), status, report.Text(client.Words(said(values[2]))),
		})
		return nil
	})
	if len(table.Rows) == 0 {
		return report.Section{}, err
	}
	text := fmt.Sprintf("First is the place of the first of them, counted from 1; `batch results --errors %s` has its key. Messages that differ by numbers alone are one.", r.run.ID)
	if others > 0 {
		text = fmt.Sprintf("The %d most frequent reasons; %s more have others. ", mostReasons, plural(others, r.row())) + text
	}
	return report.Section{Title: "Why not done", Text: text, Tables: []report.Table{table}}, err
}

// said is a text that may be missing.
func said(value any) string {
	text, _ := value.(string)
	return text
}

// next is what can be done now.
func (r *reporter) next(context.Context) (report.Section, error) {
	hints := summarize(r.run, false).hints()
	if r.running || len(hints) == 0 {
		return report.Section{}, nil
	}
	return report.Section{Title: "What can be done", Text: strings.Join(hints, ". ") + "."}, nil
}
