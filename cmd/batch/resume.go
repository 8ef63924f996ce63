package main

import (
	"encoding/json"

	"convbatch/jobs"
	"convbatch/sinks"
)

// start resumes the last run or begins a new one, by what the last one came to
// and what the command line asks. A run of another kind is never given up: its
// rows and windows mean nothing to this one.
func (j *jobRun) start(last *sinks.Run) error {
	if last != nil {
		j.env.LastWork = last.FinishedAt
		if last.FinishedAt.IsZero() { // its process died, we do not know when
			j.env.LastWork = j.p.now()
		}
	}
	unfinished := last != nil && goesOn(*last)
	switch {
	case unfinished && last.Kind != j.job.Kind:
		return usageError("job %s: run %s, which is not finished, is of kind %s, and the job is of kind %s now: give the new job another name",
			j.job.Name, last.ID, last.Kind, j.job.Kind)
	case j.asks.retry:
		return j.startRetry(last)
	case !unfinished:
		return j.begin()
	case j.asks.restart:
		j.gives = last
		return j.begin()
	case j.asks.part.given():
		return j.asks.part.refuse(*last)
	}
	return j.goOn(*last)
}

// goOn resumes a run that was not finished.
func (j *jobRun) goOn(last sinks.Run) error {
	j.run, j.resumed = last, true
	j.env.RunID = last.ID
	j.run.Requests, j.run.Retries, j.run.Throttled, j.run.ElapsedS = j.saidLast(last)
	if err := j.unchanged(last); err != nil {
		return err
	}
	if spec, pushes := j.job.Spec.(jobs.Pusher); pushes && last.Request != spec.Digest() {
		if err := j.ledger.Change(j.stops.hard, last.ID, spec.Digest()); err != nil {
			return err
		}
		j.run.Request = spec.Digest()
	}
	position, err := j.ledger.Resume(j.stops.hard, last.ID)
	if err != nil {
		return err
	}
	j.position = *position
	if _, ok := j.job.Spec.(jobs.Puller); ok {
		if j.stored, err = j.ledger.StoredItems(j.stops.hard, last.ID); err != nil {
			return err
		}
	}
	return j.ready()
}

// saidLast returns the counters of calls of an unfinished run. Of a process that
// was killed they are those of its last status, half a second old at most: the
// ledger has them from orderly ends alone.
func (j *jobRun) saidLast(last sinks.Run) (requests, retries, throttled int64, elapsed float64) {
	requests, retries, throttled, elapsed = last.Requests, last.Retries, last.Throttled, last.ElapsedS
	var said status
	all, err := j.store.Statuses()
	for _, s := range all {
		if err == nil && s.Job == j.job.Name && s.Said != nil && json.Unmarshal(s.Said, &said) == nil && said.ID == last.ID {
			requests, retries = max(requests, said.Requests), max(retries, said.Retries)
			throttled, elapsed = max(throttled, said.Throttled), max(elapsed, said.ElapsedS)
		}
	}
	return requests, retries, throttled, elapsed
}

// unchanged says how the job differs from the one that an unfinished run was
// begun for.
func (j *jobRun) unchanged(last sinks.Run) error {
	if err := j.keepsOn(last); err != nil {
		return err
	}
	switch spec := j.job.Spec.(type) {
	case jobs.Puller:
		if last.Request != spec.Digest(j.env) {
			return usageError("job %s: run %s, which is not finished, is about another app: undo the change to finish it, or give the job of the new app another name; "+
				"`batch run --restart %[1]s` gives it up", j.job.Name, last.ID)
		}
	case jobs.Pusher:
		if last.Request != spec.Digest() && !j.asks.resume {
			return usageError("job %s: %s changed since run %s was interrupted, and %d of its %d rows are not settled; "+
				"`batch run --resume %[1]s` sends these as the job is now; `batch run --restart %[1]s` gives the run up and begins anew with the input as it is now, "+
				"where rows that are done are skipped; undoing the change sends them as it was",
				j.job.Name, jobs.Changes(last.Request, spec.Digest()), last.ID, last.Rows-last.Settled(), last.Rows)
		}
	}
	return nil
}
