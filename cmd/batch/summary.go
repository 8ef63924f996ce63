package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"convbatch/sinks"
)

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

	err error
}

func summarize(run sinks.Run, resumed bool) summary {
	return summary{
		Job: run.Job, RunID: run.ID, Kind: run.Kind, State: string(run.State), Resumed: resumed,
		Rows: run.Rows, Done: run.Done, Failed: run.Failed, Invalid: run.Invalid,
		Suppressed: run.Suppressed, Skipped: run.Skipped, InDoubt: run.InDoubt,
		Records: run.Records, Requests: run.Requests, Retries: run.Retries, Throttled: run.Throttled,
		StartedAt: run.StartedAt, FinishedAt: run.FinishedAt, ElapsedS: run.ElapsedS, Message: run.Message,
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
		fmt.Fprintf(&b, "\n  %s of %s rows settled: %s", count(s.settled()), count(s.Rows), s.states())
		if s.Records > 0 {
			fmt.Fprintf(&b, "\n  %s records stored", count(s.Records))
		}
		fmt.Fprintf(&b, "\n  %s requests in %s", count(s.Requests), time.Duration(s.ElapsedS*float64(time.Second)).Round(100*time.Millisecond))
		if s.Retries > 0 || s.Throttled > 0 {
			fmt.Fprintf(&b, ", %s tried again, %s times throttled", count(s.Retries), count(s.Throttled))
		}
	}
	if s.Message != "" {
		fmt.Fprintf(&b, "\n  %s", s.Message)
	}
	switch {
	case s.RunID == "":
	case s.incomplete():
		fmt.Fprintf(&b, "\n  `batch results --state failed|invalid|in_doubt %s` lists what was not done", s.Job)
	case s.State == string(sinks.Completed) && s.Rows > 0 && s.Skipped == s.Rows:
		b.WriteString("\n  nothing was sent: every key was done in an earlier run")
	}
	return b.String()
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
