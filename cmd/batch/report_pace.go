package main

import (
	"context"
	"time"

	"convbatch/internal/report"
	"convbatch/sinks"
)

// pace is how fast the run went, by its samples.
func (r *reporter) pace(context.Context) (report.Section, error) {
	if len(r.samples) == 0 {
		return report.Section{}, nil
	}
	requests := r.paceChart("Requests", "a second", paced{"requests", report.Neutral, aSecond(func(s sinks.Pace) int64 { return s.Requests })})
	requests.Limit = highestLimit(r.samples)
	return report.Section{
		Title: "Pace",
		Charts: []report.Chart{
			requests,
			r.paceChart("Records", "stored a second", paced{"records", report.Good, aSecond(func(s sinks.Pace) int64 { return s.Records })}),
			r.paceChart("Latency", "of the calls that ended, mean, ms", paced{"latency", report.Neutral, func(s sinks.Pace) (float64, bool) { return s.LatencyMS, s.Calls > 0 }}),
			r.paceChart("Setbacks", "a second",
				paced{"throttled (429)", report.Unsure, aSecond(func(s sinks.Pace) int64 { return s.Throttled })},
				paced{"tried again", report.Bad, aSecond(func(s sinks.Pace) int64 { return s.Retries })}),
			r.paceChart("In flight", "calls at once", paced{"calls", report.Neutral, func(s sinks.Pace) (float64, bool) { return float64(s.InFlight), true }}),
		},
		Tables: []report.Table{paceTable(r.samples)},
	}, nil
}

// paced is an amount that samples have; known says whether one has it.
type paced struct {
	name  string
	tone  report.Tone
	value func(s sinks.Pace) (amount float64, known bool)
}

func aSecond(counted func(s sinks.Pace) int64) func(s sinks.Pace) (float64, bool) {
	return func(s sinks.Pace) (float64, bool) { return float64(counted(s)) / s.Seconds, true }
}

func (r *reporter) paceChart(title, unit string, amounts ...paced) report.Chart {
	chart := report.Chart{Title: title, Unit: unit, From: r.run.StartedAt, To: r.end()}
	for _, a := range amounts {
		series := report.Series{Name: a.name, Tone: a.tone}
		for _, s := range r.samples {
			if value, known := a.value(s); known {
				series.Steps = append(series.Steps, report.Step{From: began(s), To: s.At, Value: value})
			}
		}
		chart.Series = append(chart.Series, series)
	}
	return chart
}

// highestLimit is the highest that the samples had: who resumes a run may change it.
func highestLimit(samples []sinks.Pace) float64 {
	limit := 0.0
	for _, s := range samples {
		limit = max(limit, s.Limit)
	}
	return limit
}

func paceTable(samples []sinks.Pace) report.Table {
	table := report.Table{
		Caption: "Pace, as numbers", Folded: true,
		Heads: []string{"Until", "Seconds", "Rows", "Records", "Requests", "Tried again", "Throttled", "Latency, ms", "In flight"},
	}
	for _, s := range samples {
		table.Rows = append(table.Rows, []report.Cell{
			report.Time(s.At), report.Decimal(s.Seconds, 1), report.Number(s.Rows), report.Number(s.Records), report.Number(s.Requests),
			report.Number(s.Retries), report.Number(s.Throttled), report.Decimal(s.LatencyMS, 1), report.Number(s.InFlight),
		})
	}
	return table
}

// began is when the time of a sample began.
func began(s sinks.Pace) time.Time { return s.At.Add(-time.Duration(s.Seconds * float64(time.Second))) }

// thinned joins samples that follow each other until there are no more than
// most. Where a process ended and another went on they stay apart, so that the
// charts show it.
func thinned(samples []sinks.Pace, most int) []sinks.Pace {
	var kept []sinks.Pace
	var long float64
	for _, s := range samples {
		if s.Seconds > 0 {
			kept = append(kept, s)
			long += s.Seconds
		}
	}
	for each := long / float64(most); len(kept) > most; each *= 1.5 {
		kept = joinedUpTo(each, kept)
	}
	return kept
}

// joinedUpTo joins neighbours as long as they are no longer than each, in seconds.
func joinedUpTo(each float64, samples []sinks.Pace) []sinks.Pace {
	joined := samples[:1:1]
	for _, s := range samples[1:] {
		last := &joined[len(joined)-1]
		if began(s).Sub(last.At) > time.Second || last.Seconds+s.Seconds > each {
			joined = append(joined, s)
			continue
		}
		*last = join(*last, s)
	}
	return joined
}

// join is two samples as one.
func join(a, b sinks.Pace) sinks.Pace {
	if calls := a.Calls + b.Calls; calls > 0 {
		b.LatencyMS = (a.LatencyMS*float64(a.Calls) + b.LatencyMS*float64(b.Calls)) / float64(calls)
		b.Calls = calls
	}
	b.Seconds += a.Seconds
	b.Rows += a.Rows
	b.Records += a.Records
	b.Requests += a.Requests
	b.Retries += a.Retries
	b.Throttled += a.Throttled
	b.InFlight = max(a.InFlight, b.InFlight)
	b.Limit = max(a.Limit, b.Limit)
	return b
}
