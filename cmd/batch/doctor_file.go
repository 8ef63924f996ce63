package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/ratelimit"
)

const (
	// doctorAttempts is how often the doctor tries a call: who waits for it
	// wants to know what is wrong now.
	doctorAttempts = 2
	// projectRate is what the API allows a project, in calls a second.
	projectRate = jobs.Rate(800)
)

// open loads the job file and gets a client ready, as far as that is possible:
// what is wrong is for the checks to say. An error is one of the command line.
func (x *examination) open(c *cli.Context, stops *stops) (closed func(), err error) {
	file, err := jobs.Load(x.path, x.p.env)
	if err != nil {
		x.broken = err
		return func() {}, nil
	}
	if x.chosen, err = choose(file, x.names); err != nil {
		return nil, err
	}
	if len(x.names) == 0 {
		x.chosen = file.Jobs
	}
	log, err := x.p.logger(c)
	if err != nil {
		return nil, err
	}
	file.Retry.Attempts = min(file.Retry.Attempts, doctorAttempts)
	limiter := ratelimit.New(file.Limits.Requests.PerSecond())
	if x.api, err = newClient(file, limiter, log); err != nil {
		return nil, usageError("%s: api: %w", file.Path, err)
	}
	x.file = file
	// What waits for permission to call must not outlive a first signal.
	release := context.AfterFunc(stops.soft, limiter.Close)
	return func() { release() }, nil
}

func lookAtFile(_ context.Context, x *examination) []finding {
	if x.file == nil {
		return x.problems()
	}
	all := []finding{good("%s has %s", x.file.Path, plural(int64(len(x.file.Jobs)), "job"))}
	for _, w := range x.file.Warnings {
		all = append(all, odd("", "%v", w))
	}
	return all
}

// problems are what is wrong with the job file.
func (x *examination) problems() []finding {
	var problems jobs.Problems
	if !errors.As(x.broken, &problems) {
		return []finding{bad("", "%v", x.broken)}
	}
	var all []finding
	for _, p := range problems {
		all = append(all, bad("", "%v", p))
	}
	return all
}

// lookAtSecrets: a job file without them does not load.
func lookAtSecrets(_ context.Context, x *examination) []finding {
	if x.file.API.Auth == "basic" {
		return []finding{odd("set api.auth to oauth2", "the key is there, but basic authorization is for testing: the API allows it few calls, the Batch API none")}
	}
	return []finding{good("the key's id and secret are there")}
}

func lookAtLimits(_ context.Context, x *examination) []finding {
	const mend = "set limits.requests to 800/s, or to your share of it"
	rate := x.file.Limits.Requests
	if rate > projectRate {
		return []finding{odd(mend, "%s is more than the 800/s that the API allows a project: it would answer 429 and calls would wait", rate)}
	}
	return []finding{good("%s, %d in flight", rate, x.file.Limits.InFlight)}
}

// lookAtSystemClock looks for a clock that was never set.
func lookAtSystemClock(_ context.Context, x *examination) []finding {
	now := x.p.now().UTC()
	earliest := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // this program is younger
	if now.Before(earliest) || now.After(earliest.AddDate(50, 0, 0)) {
		return []finding{bad("set the clock, best by NTP", "this machine takes the time for %s", now.Format(time.RFC3339))}
	}
	return []finding{good("%s", now.Format(time.RFC3339))}
}
