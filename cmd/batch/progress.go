package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"convbatch/pipeline"
	"convbatch/sinks"
)

// status is what status.json holds: what a job's run is doing.
type status struct {
	sinks.Run
	PID               int       `json:"pid"`
	UpdatedAt         time.Time `json:"updated_at"`
	PerSecond         float64   `json:"per_second"` // rows settled a second, over the last seconds
	RequestsPerSecond float64   `json:"requests_per_second"`
	Limit             float64   `json:"limit"` // requests a second that are allowed; 0 is unlimited
	Pace              float64   `json:"pace"`  // requests a second now: below the limit after a 429
	HeldUntil         time.Time `json:"held_until,omitzero"`
	WaitsFor          string    `json:"waits_for,omitempty"` // other than that, for example hours
	WaitsUntil        time.Time `json:"waits_until,omitzero"`
	ThrottledS        float64   `json:"throttled_s"`          // seconds that this process held the job because of 429s
	LastError         string    `json:"last_error,omitempty"` // of a row that is failed, invalid or in doubt
}

// eta is how long the rest takes at this speed; 0 when it can not be told.
func (s status) eta() time.Duration {
	left := s.Rows - s.Settled()
	if s.PerSecond <= 0 || left <= 0 {
		return 0
	}
	return time.Duration(float64(left) / s.PerSecond * float64(time.Second)).Round(time.Second)
}

// line is the status for a log: complete without the lines before it.
func (s status) line() string {
	var said []string
	for _, d := range s.details() {
		said = append(said, d.text)
	}
	if s.WaitsFor != "" {
		said = append(said, s.waits())
	}
	return fmt.Sprintf("%s: %s of %s %s, %s", s.Job, count(s.Settled()), count(s.Rows), unit(s.Run), strings.Join(said, ", "))
}

// detail is one thing to say beside how far it is. Where there is no room for
// all, the least worth goes first.
type detail struct {
	text  string
	worth int
}

// What a detail, and the bar, are worth.
const (
	worthRecords = iota
	worthThrottled
	worthRate
	worthBar
	worthDone
	worthETA
	worthRows
	worthHeld
	worthInDoubt
	worthFailed
)

// details is what there is to say beside how far it is.
func (s status) details() []detail {
	var said []detail
	add := func(worth int, format string, args ...any) {
		said = append(said, detail{fmt.Sprintf(format, args...), worth})
	}
	if s.Limit > 0 {
		add(worthRate, "%.0f requests/s of %.0f", s.RequestsPerSecond, s.Limit)
	} else {
		add(worthRate, "%.0f requests/s", s.RequestsPerSecond)
	}
	if s.Records > 0 {
		add(worthRecords, "%s records", count(s.Records))
	}
	if s.Done != s.Settled() {
		add(worthDone, "%s done", count(s.Done))
	}
	if n := s.Counts.Failed + s.Invalid; n > 0 {
		add(worthFailed, "%s failed or invalid", count(n))
	}
	if s.InDoubt > 0 {
		add(worthInDoubt, "%s in doubt", count(s.InDoubt))
	}
	if throttled := time.Duration(s.ThrottledS * float64(time.Second)).Round(time.Second); throttled > 0 {
		add(worthThrottled, "throttled for %s", throttled)
	}
	if wait := time.Until(s.HeldUntil).Round(time.Second); wait > 0 {
		add(worthHeld, "held for %s", wait)
	}
	if eta := s.eta(); eta > 0 {
		add(worthETA, "%s left", eta)
	}
	return said
}

// waits is what a run waits for that is no matter of its pace.
func (s status) waits() string {
	if s.WaitsUntil.IsZero() {
		return "waits for " + s.WaitsFor
	}
	return "waits until " + s.WaitsUntil.Format(time.RFC3339) + ": " + s.WaitsFor
}

// unit is what the items of a run are: rows of an input, or windows of a listing.
func unit(run sinks.Run) string {
	if run.Input == "" {
		return "windows"
	}
	return "rows"
}

// watch keeps status.json, the display and the samples of the pace up to date
// until the returned function is called.
func (j *jobRun) watch(engine *pipeline.Engine, before sinks.Run, began time.Time) (stop func()) {
	const every = 500 * time.Millisecond
	quit, done := make(chan struct{}), make(chan struct{})
	bar := j.shows.job(j.job.Name)
	var rows, requests meter
	report := func() status {
		s := status{Run: j.now(before, engine, began), PID: os.Getpid(), UpdatedAt: j.p.now().UTC()}
		stats := j.limiter.Stats()
		s.Limit, s.Pace, s.HeldUntil, s.ThrottledS = stats.Limit, stats.Pace, stats.HeldUntil, stats.Throttled.Seconds()
		counts := engine.Counts()
		s.LastError = counts.LastError
		if counts.Waiting > 0 {
			s.WaitsFor = plural(int64(counts.Waiting), "row") + " in doubt, to be looked for"
		}
		if pause, ok := j.api.Paused(); ok {
			s.WaitsFor, s.WaitsUntil = pause.Why, pause.Until
		}
		s.PerSecond = rows.add(s.UpdatedAt, s.Settled())
		s.RequestsPerSecond = requests.add(s.UpdatedAt, s.Requests)
		bar.update(s)
		if err := j.ledger.WriteStatus(s); err != nil {
			j.log.Warn("status.json can not be written", "job", j.job.Name, "error", err)
		}
		return s
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		pace := j.newSampler(report())
		for {
			select {
			case <-tick.C:
				pace.sampleIfDue(report())
			case <-quit:
				pace.end(report())
				bar.done()
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// meter is the speed over the last few seconds.
type meter struct {
	at []time.Time
	n  []int64
}

func (m *meter) add(at time.Time, n int64) float64 {
	m.at, m.n = append(m.at, at), append(m.n, n)
	if len(m.at) > 10 {
		m.at, m.n = m.at[1:], m.n[1:]
	}
	if span := at.Sub(m.at[0]).Seconds(); span > 0 {
		return float64(n-m.n[0]) / span
	}
	return 0
}
