package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"convbatch/client"
	"convbatch/jobs"
	"convbatch/sinks"
)

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "whether everything that jobs need is as it should be, or how to mend it; changes nothing",
		Description: "Looks at the job file, the credentials, the clock, the region, the apps with their channels,\n" +
			"webhooks and queues, the limits, the store, and the bucket of upload:, in which it puts an object and\n" +
			"removes it. Ends with 1 when something is wrong.",
		UsageText: "batch doctor\nbatch doctor spring-offer",
		ArgsUsage: "[JOB…]",
		Action:    p.examine,
	}
}

// level says how bad a finding is.
type level string

const (
	fine    level = "ok"
	warning level = "warning"
	wrong   level = "wrong"
	unseen  level = "skipped" // since something before it is wrong
)

// finding is what one check found out.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	Says  string `json:"says"`
	Mend  string `json:"mend,omitempty"` // what to do about it
}

// notLookedAt is found where what a check needs is wrong.
var notLookedAt = finding{Level: unseen, Says: "not looked at, for what is wrong above"}

func good(format string, args ...any) finding {
	return finding{Level: fine, Says: fmt.Sprintf(format, args...)}
}

func odd(mend, format string, args ...any) finding {
	return finding{Level: warning, Says: fmt.Sprintf(format, args...), Mend: mend}
}

func bad(mend, format string, args ...any) finding {
	return finding{Level: wrong, Says: fmt.Sprintf(format, args...), Mend: mend}
}

// examination is what checks look at, and what they leave to those after them.
type examination struct {
	p      *program
	path   string
	names  []string   // of the jobs that the line names
	file   *jobs.File // nil when it does not load
	broken error      // why
	chosen []jobs.Job
	store  *sinks.Store   // nil when it does not open
	api    *client.Client // nil without a job file
	token  bool           // there is one
	apps   map[string]client.App
}

// check is one thing that the doctor looks at.
type check struct {
	name  string
	needs func(*examination) bool // nil: nothing
	look  func(context.Context, *examination) []finding
}

// checks are made in this order. What one needs, those before it found.
var checks = []check{
	{"job file", nil, lookAtFile},
	{"secrets", hasFile, lookAtSecrets},
	{"limits", hasFile, lookAtLimits},
	{"system clock", nil, lookAtSystemClock},
	{"store", hasFile, lookAtStore},
	{"disk", hasStore, lookAtDisk},
	{"upload", hasStore, lookAtUpload},
	{"DuckDB", hasStore, lookAtDuckDB},
	{"jobs", hasStore, lookAtJobs},
	{"token", hasAPI, lookAtToken},
	{"region", hasToken, lookAtRegion},
	{"clock", hasApps, lookAtClock},
	{"apps", hasApps, lookAtApps},
	{"channels", hasApps, lookAtChannels},
	{"webhooks", hasApps, lookAtWebhooks},
	{"queue", hasApps, lookAtQueues},
	{"batch API", hasToken, lookAtBatchAPI},
}

func hasFile(x *examination) bool  { return x.file != nil }
func hasStore(x *examination) bool { return x.store != nil }
func hasAPI(x *examination) bool   { return x.api != nil }
func hasToken(x *examination) bool { return x.token }
func hasApps(x *examination) bool  { return x.apps != nil }

// examine makes all checks and prints what they find.
func (p *program) examine(c *cli.Context) error {
	x := &examination{p: p, path: p.text(c, "file"), names: c.Args().Slice()}
	stops, done := p.watchSignals(c.Context)
	defer done()
	closed, err := x.open(c, stops)
	if err != nil {
		return err
	}
	defer closed()
	var findings []finding
	for _, check := range checks {
		found := []finding{notLookedAt}
		if check.needs == nil || check.needs(x) {
			found = check.look(stops.soft, x)
		}
		if stops.stopped() {
			return &exitError{stops.exitCode(), errors.New("stopped")}
		}
		for _, f := range found {
			f.Check = check.name
			findings = append(findings, f)
		}
	}
	return p.printFindings(findings, p.flag(c, "json"))
}

// printFindings prints what was found, and returns an error when something is
// wrong, which has then been said.
func (p *program) printFindings(findings []finding, asJSON bool) error {
	counts := map[level]int64{}
	for _, f := range findings {
		counts[f.Level]++
	}
	var err error
	if asJSON {
		err = writeJSON(p.stdout, map[string]any{
			"ok": counts[wrong] == 0, "wrong": counts[wrong], "warnings": counts[warning], "checks": findings,
		})
	} else {
		_, err = fmt.Fprintf(p.stdout, "%s%s wrong, %s\n", inWords(findings), count(counts[wrong]), plural(counts[warning], "warning"))
	}
	if err == nil && counts[wrong] > 0 {
		return &exitError{exitFailed, nil}
	}
	return err
}

func inWords(findings []finding) string {
	const indent = "          "
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%-*s%s: %s\n", len(indent), f.Level, f.Check, strings.ReplaceAll(f.Says, "\n", "\n"+indent))
		if f.Mend != "" {
			fmt.Fprintf(&b, "%s→ %s\n", indent, f.Mend)
		}
	}
	return b.String()
}
