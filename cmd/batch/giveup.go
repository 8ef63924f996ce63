package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
	"convbatch/sources"
)

// note is what a run of a pushing kind keeps, as its Data, of where it comes
// from and where it went.
type note struct {
	RetryOf string `json:"retry_of,omitempty"` // the run whose rows it does again
	InDoubt string `json:"in_doubt,omitempty"` // what that was told of rows in doubt: resend or done
	GivenUp bool   `json:"given_up,omitempty"`
}

// noteOf returns the note of a run, which has nothing to say of a pulling kind.
func noteOf(run sinks.Run) (n note) {
	_ = json.Unmarshal(run.Data, &n)
	return n
}

func (n note) data() json.RawMessage {
	data, _ := json.Marshal(n) // strings and a bool
	return data
}

// goesOn says that a run is resumed by the next.
func goesOn(run sinks.Run) bool { return run.Unfinished() && !noteOf(run).GivenUp }

// giveUp ends the unfinished run that the new one takes the place of. Rows that
// may have been sent get their outcome in it, so that the new run knows their
// keys: invariant 5. When a process dies before the new run begins, the old one
// is whole and resumable, or given up.
func (j *jobRun) giveUp() error {
	if j.gives == nil {
		return nil
	}
	run := *j.gives
	run.Requests, run.Retries, run.Throttled, run.ElapsedS = j.saidLast(run)
	position, err := j.ledger.Resume(j.stops.hard, run.ID)
	if err != nil {
		return fmt.Errorf("give up run %s: %w", run.ID, err)
	}
	run.FinishedAt = j.p.now().UTC()
	run.Message = "given up by `batch run --restart`"
	var doubtful []pipeline.Outcome
	if spec, pushes := j.job.Spec.(jobs.Pusher); pushes {
		if !spec.Idempotent() { // else they may just as well be done again
			doubtful, err = j.mayBeSent(run, position)
		}
		if err != nil {
			return fmt.Errorf("give up run %s: look for the rows that may have been sent: %w", run.ID, err)
		}
		about := noteOf(run)
		about.GivenUp = true
		run.Data = about.data()
		n, unsent := int64(len(doubtful)), run.Rows-run.Settled()-int64(len(doubtful))
		run.Message += fmt.Sprintf("; rows that may have been sent and are in doubt: %s, not sent: %s", count(n), count(unsent))
	}
	if run.State == sinks.Failed {
		run.Message += "; it had failed: " + j.gives.Message
	}
	return j.ledger.GiveUp(j.stops.hard, run, doubtful)
}

// mayBeSent returns an outcome for each row of a run that a process which died
// may have sent.
func (j *jobRun) mayBeSent(run sinks.Run, position *sinks.Position) ([]pipeline.Outcome, error) {
	if len(position.Claims) == 0 {
		return nil, nil
	}
	folder := j.store.JobDir(run.Job)
	in, err := sources.OpenInput(filepath.Join(folder, run.Input), filepath.Join(folder, run.Fates), position.Mark)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	end := position.Claims[len(position.Claims)-1].To
	source := jobs.RowSource(in, position.Settled, position.Claims)
	var doubtful []pipeline.Outcome
	for {
		item, err := source.Next(j.stops.hard)
		if errors.Is(err, io.EOF) || err == nil && item.Seq >= end {
			return doubtful, nil
		}
		if err != nil {
			return nil, err
		}
		if item.Doubt != nil {
			doubtful = append(doubtful, pipeline.Outcome{
				Seq: item.Seq, Key: item.Key, State: pipeline.InDoubt, FinishedAt: run.FinishedAt,
				Error: "an earlier process ended without an answer for this row, and its run was given up: it may have arrived; it was not repeated",
			})
		}
	}
}
