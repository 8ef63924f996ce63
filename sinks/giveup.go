package sinks

import (
	"context"
	"errors"
	"fmt"

	"convbatch/pipeline"
)

// GiveUp ends an unfinished run, which was resumed for it, for good: outcomes
// is what there is to say of items that may have been sent, and run.Message and
// run.Data say that nothing goes on from here. When it returns nil, both are on
// disk and every outcome of the run is published. A process that dies before
// leaves a run that can be resumed, or given up again.
func (l *Ledger) GiveUp(ctx context.Context, run Run, outcomes []pipeline.Outcome) error {
	if len(outcomes) > 0 {
		mark, err := l.markOf(run.ID)
		if err == nil {
			err = l.Sink(run.ID, nil).Commit(ctx, pipeline.Commit{Outcomes: outcomes, Mark: mark})
		}
		if err != nil {
			return fmt.Errorf("give up run %s: %w", run.ID, err)
		}
	}
	run.State = Interrupted
	if _, err := l.Finish(ctx, run); err != nil {
		return fmt.Errorf("give up run %s: %w", run.ID, err)
	}
	return nil
}

func (l *Ledger) markOf(run string) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begun(run); err != nil {
		return 0, err
	}
	return l.current.mark, nil
}

// PutAway publishes the outcomes that earlier runs have left in the ledger, as
// one does that ended while the disk was full. Whoever asks results what was
// done has to do this first.
func (l *Ledger) PutAway(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	left, err := l.withOutcomes(ctx)
	for _, run := range left {
		if err != nil {
			break
		}
		var at *position
		if at, err = l.position(ctx, run); err == nil {
			err = l.move(ctx, at)
		}
	}
	if err != nil {
		return fmt.Errorf("bring the results of job %s into place: %w", l.job, withAdvice(err))
	}
	return nil
}

// withOutcomes returns the runs that have outcomes in the ledger.
func (l *Ledger) withOutcomes(ctx context.Context) ([]string, error) {
	rows, err := l.duck.conn.QueryContext(ctx, "SELECT DISTINCT run_id FROM log WHERE settled > 0 ORDER BY run_id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var runs []string
	for rows.Next() {
		var run string
		if err := rows.Scan(&run); err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, errors.Join(rows.Err(), rows.Close())
}
