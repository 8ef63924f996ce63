package main

import (
	"context"
	"slices"
	"time"

	"convbatch/internal/report"
	"convbatch/pipeline"
)

// rates is how many rows that were sent were settled when: by equal parts of the
// time from the begin of the run to its end.
type rates struct {
	from      time.Time
	each      time.Duration // how long a part is
	done, not []int64       // rows in each part
	sent      int64         // rows in all
}

// begin is when a part begins.
func (s rates) begin(part int) time.Time { return s.from.Add(time.Duration(part) * s.each) }

// perSecond is how many rows a second a number of rows in one part is.
func (s rates) perSecond(rows int64) float64 { return float64(rows) / s.each.Seconds() }

// rates asks the results. What was decided beforehand took no call and is left out.
func (r *reporter) rates(ctx context.Context) (rates, error) {
	span := r.end().Sub(r.run.StartedAt)
	n := int(max(1, min(mostSteps, span/time.Second)))
	s := rates{
		from: r.run.StartedAt, done: make([]int64, n), not: make([]int64, n),
		each: (span/time.Duration(n) + time.Microsecond - 1).Truncate(time.Microsecond), // as exactly as DuckDB has it
	}
	of := r.results
	of.States = []string{string(pipeline.Done), string(pipeline.Failed), string(pipeline.InDoubt)}
	err := r.each(ctx, of.OverTime(s.from, s.each, n), func(values []any) error {
		part, rows := values[0].(int64), values[2].(int64)
		s.sent += rows
		if values[1] == string(pipeline.Done) {
			s.done[part] += rows
		} else {
			s.not[part] += rows
		}
		return nil
	})
	return s, err
}

// overTime is when the rows that were sent were settled, by the results.
func (r *reporter) overTime(ctx context.Context) (report.Section, error) {
	if r.run.Input == "" {
		return report.Section{}, nil // windows are few, and of many sizes
	}
	s, err := r.rates(ctx)
	if err != nil || s.sent == 0 {
		return report.Section{}, err
	}
	table := report.Table{Caption: "Rows over time, as numbers", Folded: true, Heads: []string{"From", "Done", "Failed or in doubt", "A second"}}
	for i := range s.done {
		table.Rows = append(table.Rows, []report.Cell{
			report.Time(s.begin(i)), report.Number(s.done[i]), report.Number(s.not[i]), report.Decimal(s.perSecond(s.done[i]+s.not[i]), 1),
		})
	}
	chart := report.Chart{
		Title: "Rows", Unit: "that were sent, a second", From: s.from, To: s.begin(len(s.done)),
		Series: []report.Series{s.series("done", report.Good, s.done)},
	}
	if slices.Max(s.not) > 0 {
		chart.Series = append(chart.Series, s.series("failed or in doubt", report.Bad, s.not))
	}
	if r.run.Requests >= s.sent { // a row takes a request, or more: the limit is one of rows as well
		chart.Limit = highestLimit(r.samples)
	}
	return report.Section{Title: "Rows over time", Charts: []report.Chart{chart}, Tables: []report.Table{table}}, nil
}

func (s rates) series(name string, tone report.Tone, rows []int64) report.Series {
	series := report.Series{Name: name, Tone: tone}
	for i, n := range rows {
		series.Steps = append(series.Steps, report.Step{From: s.begin(i), To: s.begin(i + 1), Value: s.perSecond(n)})
	}
	return series
}
