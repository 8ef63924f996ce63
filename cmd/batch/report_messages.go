package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"convbatch/internal/report"
)

// archived is how many messages of a run are of a day, a channel and a direction.
type archived struct {
	day                time.Time
	channel, direction string
	n                  int64
}

// messages is what an archive brought, by the dataset.
func (r *reporter) messages(ctx context.Context) (report.Section, error) {
	if !r.archives() {
		return report.Section{}, nil
	}
	var all []archived
	err := r.each(ctx, `SELECT date_trunc('day', accept_time) AS day, coalesce(channel, ''), coalesce(direction, ''), count(*)
		FROM messages WHERE run_id = '`+strings.ReplaceAll(r.run.ID, "'", "''")+`' GROUP BY ALL ORDER BY ALL`, func(values []any) error {
		day, _ := values[0].(time.Time)
		all = append(all, archived{day.UTC(), values[1].(string), values[2].(string), values[3].(int64)})
		return nil
	})
	if err != nil || len(all) == 0 {
		return report.Section{}, err
	}
	chart, table := messagesByTime(all)
	return report.Section{
		Title:  "Messages of this run",
		Charts: []report.Chart{chart},
		Tables: []report.Table{messagesByChannel(all), table},
	}, nil
}

// archives says that the kind of the run keeps messages.
func (r *reporter) archives() bool {
	for _, set := range datasets() {
		if set.Name == messages().Name {
			return slices.Contains(set.Kinds, r.run.Kind)
		}
	}
	return false
}

// directions are those that the messages have, with the word for each.
func directions(all []archived) []string {
	seen := map[string]bool{}
	for _, m := range all {
		seen[m.direction] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// direction is what the API's word means.
func direction(said string) string {
	switch said {
	case "TO_APP":
		return "received"
	case "TO_CONTACT":
		return "sent"
	case "":
		return "unknown"
	}
	return said
}

func messagesByChannel(all []archived) report.Table {
	table := report.Table{Caption: "Messages by channel and direction", Heads: []string{"Channel"}}
	kinds := directions(all)
	for _, d := range kinds {
		table.Heads = append(table.Heads, capital(direction(d)))
	}
	table.Heads = append(table.Heads, "Together", "Share")
	counts, sums, total := map[string]map[string]int64{}, map[string]int64{}, int64(0)
	for _, m := range all {
		if counts[m.channel] == nil {
			counts[m.channel] = map[string]int64{}
		}
		counts[m.channel][m.direction] += m.n
		sums[m.channel] += m.n
		total += m.n
	}
	channels := slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		if sums[a] != sums[b] {
			return int(sums[b] - sums[a])
		}
		return strings.Compare(a, b)
	})
	for _, channel := range channels {
		row := []report.Cell{report.Text(channel)}
		for _, d := range kinds {
			row = append(row, report.Number(counts[channel][d]))
		}
		table.Rows = append(table.Rows, append(row, report.Number(sums[channel]), report.Share(sums[channel], total, report.Neutral)))
	}
	return table
}

// period is what messages are counted by: days, or what is longer where there
// are too many of them.
type period struct {
	name, form          string
	years, months, days int
}

var periods = []period{
	{name: "day", form: "2006-01-02", days: 1},
	{name: "month", form: "2006-01", months: 1},
	{name: "year", form: "2006", years: 1},
}

// begin is when the period began that a day is of.
func (p period) begin(day time.Time) time.Time {
	begin, _ := time.ParseInLocation(p.form, day.Format(p.form), time.UTC) // its own form
	return begin
}

func (p period) next(begin time.Time) time.Time { return begin.AddDate(p.years, p.months, p.days) }

// periodOf is the shortest of which no more than mostSteps lie between two days.
func periodOf(first, last time.Time) period {
	for _, p := range periods[:len(periods)-1] {
		if first.AddDate(mostSteps*p.years, mostSteps*p.months, mostSteps*p.days).After(last) {
			return p
		}
	}
	return periods[len(periods)-1]
}

// messagesByTime counts by period and direction those whose time is known.
func messagesByTime(all []archived) (report.Chart, report.Table) {
	all = slices.DeleteFunc(slices.Clone(all), func(m archived) bool { return m.day.IsZero() })
	if len(all) == 0 {
		return report.Chart{}, report.Table{}
	}
	first, last := all[0].day, all[len(all)-1].day
	p := periodOf(first, last)
	type cell struct {
		begin     time.Time
		direction string
	}
	counts := map[cell]int64{}
	for _, m := range all {
		counts[cell{p.begin(m.day), m.direction}] += m.n
	}
	chart := report.Chart{Title: "Messages", Unit: "a " + p.name + ", by the time at which the API took them"}
	table := report.Table{Caption: "Messages by " + p.name + " and direction, as numbers", Folded: true, Heads: []string{capital(p.name)}}
	kinds := directions(all)
	for i, d := range kinds {
		chart.Series = append(chart.Series, report.Series{Name: direction(d), Tone: []report.Tone{report.Good, report.Neutral, report.Unsure}[min(i, 2)]})
		table.Heads = append(table.Heads, capital(direction(d)))
	}
	chart.From, chart.To = p.begin(first), p.next(p.begin(last))
	for at := chart.From; !at.After(last); at = p.next(at) {
		row := []report.Cell{report.Text(at.Format(p.form))}
		for i, d := range kinds {
			n := counts[cell{at, d}]
			chart.Series[i].Steps = append(chart.Series[i].Steps, report.Step{From: at, To: p.next(at), Value: float64(n)})
			row = append(row, report.Number(n))
		}
		table.Rows = append(table.Rows, row)
	}
	return chart, table
}
