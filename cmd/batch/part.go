package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/sinks"
)

// part is the part of its input that a job is asked to run.
type part struct {
	limit int64    // the input ends after so many rows that are sent; 0 for all
	only  []string // the keys of the rows; nil for all
}

// keys is a flag that may be given several times. Its values are taken as they
// are: a key may hold a comma.
type keys []string

func (k *keys) Set(key string) error {
	*k = append(*k, key)
	return nil
}

func (k *keys) String() string { return strings.Join(*k, ", ") }

func partFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Int64Flag{Name: "limit", Usage: "send `N` rows at most; the next run without it goes on with the rest", EnvVars: []string{"BATCH_LIMIT"}},
		&cli.GenericFlag{Name: "only", Value: &keys{}, Usage: "only rows with this `KEY`; may be given several times", EnvVars: []string{"BATCH_ONLY"}},
	}
}

// partOf reads the flags, which must suit the jobs.
func partOf(c *cli.Context, chosen []jobs.Job) (part, error) {
	p := part{limit: c.Int64("limit"), only: *c.Generic("only").(*keys)}
	if c.IsSet("limit") && p.limit < 1 {
		return p, usageError("--limit %d: want a number of rows, 1 or more", p.limit)
	}
	for _, job := range chosen {
		if _, pulls := job.Spec.(jobs.Puller); pulls && p.given() {
			return p, usageError("%s: job %s is of kind %s, which reads a listing and has no rows to choose from", p, job.Name, job.Kind)
		}
	}
	return p, nil
}

func (p part) given() bool { return p.limit > 0 || len(p.only) > 0 }

// String is the part as flags without what they hold.
func (p part) String() string {
	var flags []string
	if p.limit > 0 {
		flags = append(flags, "--limit")
	}
	if len(p.only) > 0 {
		flags = append(flags, "--only")
	}
	return strings.Join(flags, " and ")
}

// refuse says that a part can only be taken of a new run.
func (p part) refuse(unfinished sinks.Run) error {
	return usageError("job %s: run %s is not finished, %d of its %d rows are left, and %s is for a new run: `batch run %[1]s` finishes it, `batch run --restart` with %[5]s gives it up",
		unfinished.Job, unfinished.ID, unfinished.Rows-unfinished.Settled(), unfinished.Rows, fmt.Sprint(p))
}
