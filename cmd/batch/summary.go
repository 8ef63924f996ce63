package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"convbatch/pipeline"
	"convbatch/sinks"
)

// stateLocked is the state of a job that another process runs.
const stateLocked = "locked"

// summary is what `batch run` says of one job when it is over.
type summary struct {
	Job        string    `json:"job"`
	RunID      string    `json:"run_id"`
	Kind       string    `json:"kind"`
	State      string    `json:"state"` // completed, failed, interrupted or locked
	Resumed    bool      `json:"resumed"`
	Rows       int64     `json:"rows"`
	Done       int64     `json:"done"`
	Failed     int64     `json:"failed"`
	Invalid    int64     `json:"invalid"`
	Suppressed int64     `json:"suppressed"`
	Skipped    int64     `json:"skipped"`
	InDoubt    int64     `json:"in_doubt"`
	Records    int64     `json:"records"`
	Requests   int64     `json:"requests"`
	Retries    int64     `json:"retries"`
	Throttled  int64     `json:"throttled"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	ElapsedS   float64   `json:"elapsed_s"`
	Message    string    `json:"message"`

	err  error
	unit string // row or window
}

func summarize(run sinks.Run, resumed bool) summary {
	return summary{
		Job: run.Job, RunID: run.ID, Kind: run.Kind, State: string(run.State), Resumed: resumed,
		Rows: run.Rows, Done: run.Done, Failed: run.Failed, Invalid: run.Invalid,
		Suppressed: run.Suppressed, Skipped: run.Skipped, InDoubt: run.InDoubt,
		Records: run.Records, Requests: run.Requests, Retries: run.Retries, Throttled: run.Throttled,
		unit: strings.TrimSuffix(unit(run), "s"), StartedAt: run.StartedAt, FinishedAt: run.FinishedAt, ElapsedS: run.ElapsedS, Message: run.Message,
	}
}

// incomplete says that rows were not done for reasons of their own.
func (s summary) incomplete() bool { return s.Failed+s.Invalid+s.InDoubt > 0 }

// settled is the number of rows in any state.
func (s summary) settled() int64 {
	return s.Done + s.Failed + s.Invalid + s.Suppressed + s.Skipped + s.InDoubt
}

// words is the summary for a person.
func (s summary) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", s.Job, s.State)
	if s.Resumed {
		b.WriteString(" (resumed)")
	}
	if s.RunID != "" {
		fmt.Fprintf(&b, ", run %s", s.RunID)
	}
	if s.RunID != "" {
		fmt.Fprintf(&b, "\n  %s of %s settled: %s", count(s.settled()), plural(s.Rows, s.unit), s.states())
		if s.Records > 0 {
			fmt.Fprintf(&b, "\n  %s stored", plural(s.Records, "record"))
		}
		fmt.Fprintf(&b, "\n  %s in %s", plural(s.Requests, "request"), time.Duration(s.ElapsedS*float64(time.Second)).Round(10*time.Millisecond))
		if s.Retries > 0 || s.Throttled > 0 {
			fmt.Fprintf(&b, ", %s tried again, %s times throttled", count(s.Retries), count(s.Throttled))
		}
	}
	if s.Message != "" {
		fmt.Fprintf(&b, "\n  %s", s.Message)
	}
	for _, hint := range s.hints() {
		b.WriteString("\n  " + hint)
	}
	return b.String()
}

// hints say what can be done next.
func (s summary) hints() []string {
	var hints []string
	add := func(format string, args ...any) { hints = append(hints, fmt.Sprintf(format, args...)) }
	switch {
	case s.RunID == "":
		return nil
	case s.State == string(sinks.Failed) && s.settled() < s.Rows:
		add("`batch run %s` goes on with what is left", s.Job)
	case s.State == string(sinks.Completed) && s.Rows > 0 && s.Skipped == s.Rows:
		add("nothing was sent: every key was done in an earlier run")
	}
	if s.incomplete() {
		add("`batch results --state %s %s` lists what was not done", s.undone(), s.Job)
	}
	if s.State != string(sinks.Completed) || s.unit != "row" { // what is left of a run comes first, and a listing has no rows to retry
		return hints
	}
	if s.Failed > 0 {
		add("`batch retry %s` sends what failed again", s.Job)
	}
	if s.InDoubt > 0 {
		add("%s", decideDoubt(s.Job, s.InDoubt))
	}
	return hints
}

// undone lists the states of rows that were not done, as --state takes them.
func (s summary) undone() string {
	var states []string
	for state, n := range map[pipeline.State]int64{pipeline.Failed: s.Failed, pipeline.Invalid: s.Invalid, pipeline.InDoubt: s.InDoubt} {
		if n > 0 {
			states = append(states, string(state))
		}
	}
	slices.Sort(states)
	return strings.Join(states, ",")
}

func (s summary) states() string {
	var parts []string
	for _, n := range []struct {
		name  string
		count int64
	}{
		{"done", s.Done}, {"failed", s.Failed}, {"invalid", s.Invalid},
		{"suppressed", s.Suppressed}, {"skipped", s.Skipped}, {"in doubt", s.InDoubt},
	} {
		if n.count > 0 {
			parts = append(parts, count(n.count)+" "+n.name)
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// count writes a number with thousands apart.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number with its noun, for example "1 row".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// severity orders exit codes: of several jobs, what needs a person most wins.
var severity = []int{exitDone, exitIncomplete, exitLocked, exitFailed, exitUsage, exitSIGINT, exitSIGTERM}

// runExit is the exit code of several jobs.
func runExit(summaries []summary) error {
	code := exitDone
	for _, s := range summaries {
		c := exitCode(s.err)
		if s.err == nil && s.incomplete() {
			c = exitIncomplete
		}
		if slices.Index(severity, c) > slices.Index(severity, code) {
			code = c
		}
	}
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}
