package main

import (
	"fmt"
	"strings"

	"convbatch/jobs"
	"convbatch/sinks"
)

// keptColumns is what a job keeps of the columns of its datasets.
func keptColumns(job jobs.Job) sinks.KeptColumns {
	return sinks.KeptColumns{Without: job.Keep.LeftOut(), Hashed: job.Keep.Hashed(), Secret: job.Keep.SecretCheck()}
}

// keepAsBefore says how what the job keeps differs from what its last run kept,
// and notes what the new run does.
func (j *jobRun) keepAsBefore() error {
	before, err := j.store.KeptColumns(j.job.Name)
	if err != nil {
		return err
	}
	last, err := j.ledger.Last(j.stops.hard)
	if err != nil {
		return err
	}
	if now := keptColumns(j.job); last != nil && !before.Equal(now) {
		j.log.Warn("what is kept of columns changed: rows of earlier runs stay as they were written, and where they are compared every one differs",
			"job", j.job.Name, "changed", strings.Join(keptChanges(before, now), "; "))
	}
	return j.store.SetKeptColumns(j.job.Name, keptColumns(j.job))
}

// keepsOn refuses to go on with a run of which a part would be kept otherwise.
func (j *jobRun) keepsOn(last sinks.Run) error {
	before, err := j.store.KeptColumns(j.job.Name)
	if now := keptColumns(j.job); err == nil && !before.Equal(now) {
		return usageError("job %s: what it keeps of columns changed since run %s was interrupted (%s): undo the change to finish the run, "+
			"or `batch run --restart %[1]s` gives it up and begins anew", j.job.Name, last.ID, strings.Join(keptChanges(before, now), "; "))
	}
	return err
}

// keptChanges says how two differ.
func keptChanges(before, now sinks.KeptColumns) (changes []string) {
	for _, c := range []struct {
		what        string
		before, now []string
	}{{"columns.without", before.Without, now.Without}, {"hash.columns", before.Hashed, now.Hashed}} {
		was, is := strings.Join(c.before, ", "), strings.Join(c.now, ", ")
		if was != is {
			changes = append(changes, fmt.Sprintf("%s was [%s] and is [%s]", c.what, was, is))
		}
	}
	if before.Secret != "" && now.Secret != "" && before.Secret != now.Secret {
		changes = append(changes, "hash.secret is another, so equal values are no longer equal")
	}
	return changes
}

// plannedKeep is what a plan says of the columns that are not kept as they come.
func plannedKeep(b *strings.Builder, leftOut, hashed []string) {
	if len(leftOut) > 0 {
		fmt.Fprintf(b, "  leaves out: %s\n", strings.Join(leftOut, ", "))
	}
	if len(hashed) > 0 {
		fmt.Fprintf(b, "  hashes: %s\n", strings.Join(hashed, ", "))
	}
}
