package sinks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"convbatch/pipeline"
)

const selectRuns = `SELECT r.run_id, kind, state, resumed, started_at, finished_at, "rows", requests, retries, throttled,
	elapsed_s, message, input, fates, fingerprint, request, data,
	done, failed, invalid, suppressed, skipped, in_doubt, records
	FROM runs r JOIN positions p ON p.run_id = r.run_id ORDER BY n`

// Runs returns every run of the job, the oldest first.
func (l *Ledger) Runs(ctx context.Context) ([]Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs(ctx)
}

// Last returns the newest run of the job, nil when there is none. One whose
// process died is interrupted.
func (l *Ledger) Last(ctx context.Context) (*Run, error) {
	runs, err := l.Runs(ctx)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	return &runs[len(runs)-1], nil
}

func (l *Ledger) runs(ctx context.Context) ([]Run, error) {
	rows, err := l.duck.conn.QueryContext(ctx, selectRuns)
	if err != nil {
		return nil, fmt.Errorf("read the runs of job %s: %w", l.job, err)
	}
	defer rows.Close()
	all := []Run{} // the history of a job before its first run is an empty list, not null
	for rows.Next() {
		r := Run{Job: l.job}
		var finished sql.NullTime
		var data sql.NullString
		err := rows.Scan(&r.ID, &r.Kind, &r.State, &r.Resumed, &r.StartedAt, &finished, &r.Rows, &r.Requests, &r.Retries, &r.Throttled,
			&r.ElapsedS, &r.Message, &r.Input, &r.Fates, &r.Fingerprint, &r.Request, &data,
			&r.Done, &r.Counts.Failed, &r.Invalid, &r.Suppressed, &r.Skipped, &r.InDoubt, &r.Records)
		if err != nil {
			return nil, fmt.Errorf("read the runs of job %s: %w", l.job, err)
		}
		r.StartedAt = r.StartedAt.UTC()
		if finished.Valid {
			r.FinishedAt = finished.Time.UTC()
		}
		if data.Valid {
			r.Data = json.RawMessage(data.String)
		}
		if l.current != nil && l.current.run == r.ID { // whose last commits stand in the log
			r.Counts = l.current.Counts
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the runs of job %s: %w", l.job, err)
	}
	return all, nil
}

// writeRuns replaces runs.json, which is what readers have of the history.
func (l *Ledger) writeRuns(ctx context.Context) error {
	runs, err := l.runs(ctx)
	if err != nil {
		return err
	}
	if runs == nil {
		runs = []Run{} // null is no history that SQL can read
	}
	data, err := json.Marshal(runs)
	if err == nil {
		err = writeFileSynced(filepath.Join(l.dir, runsFile), data)
	}
	if err != nil {
		return fmt.Errorf("write the history of job %s: %w", l.job, withAdvice(err))
	}
	return nil
}

// WriteStatus replaces status.json, which says what the run is doing. It waits
// for no commit, and what it wrote last may be lost with the machine.
func (l *Ledger) WriteStatus(v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		err = replaceFile(filepath.Join(l.dir, statusFile), append(data, '\n'), false)
	}
	if err != nil {
		return fmt.Errorf("write the status of job %s: %w", l.job, withAdvice(err))
	}
	return nil
}

// Begin starts a run. Pulling kinds hand over its first items, numbered from
// 0, whose Data is stored as JSON. What an unfinished run before it left goes
// to its results, and can no longer be resumed.
func (l *Ledger) Begin(ctx context.Context, run Run, items []pipeline.Item) error {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := checkName("the run's id", run.ID); err != nil {
		return err
	}
	if run.StartedAt.IsZero() {
		return fmt.Errorf("begin run %s: it does not say when", run.ID)
	}
	if err := l.abandon(ctx); err != nil {
		return fmt.Errorf("put away the run before: %w", withAdvice(err))
	}
	var next int64
	for i := range items {
		next = max(next, items[i].Seq+1)
	}
	if _, err := l.position(ctx, run.ID); err == nil {
		return fmt.Errorf("begin run %s: job %s has a run of this id", run.ID, l.job)
	}
	err := l.duck.tx(ctx, func() error {
		err := l.duck.exec(ctx, `INSERT INTO runs SELECT coalesce(max(n), 0) + 1,
			?, ?, 'running', 0, ?, NULL, ?, 0, 0, 0, 0, '', ?, ?, ?, ?, ? FROM runs`,
			run.ID, run.Kind, run.StartedAt.UTC(), run.Rows, run.Input, run.Fates, run.Fingerprint, run.Request, orNull(run.Data))
		if err != nil {
			return err
		}
		if err := l.duck.exec(ctx, "INSERT INTO positions VALUES (?, 0, ?, 0, 0, 0, 0, 0, 0, 0, 0)", run.ID, next); err != nil {
			return err
		}
		return l.appendItems(run.ID, items)
	})
	if err != nil {
		return fmt.Errorf("begin run %s: %w", run.ID, withAdvice(err))
	}
	j, _, err := l.openJournal(run.ID, 0, nil)
	if err != nil {
		return err
	}
	if err := l.journal.close(); err != nil {
		return errors.Join(fmt.Errorf("close what was being sent: %w", err), j.close())
	}
	l.current, l.journal, l.inherited = &position{run: run.ID, next: next}, j, nil
	l.held, l.bytes = 0, 0
	return errors.Join(l.syncLog(), l.writeRuns(ctx))
}

func orNull(data json.RawMessage) any {
	if len(data) == 0 {
		return nil
	}
	return string(data)
}

// abandon puts away what runs before have left in the ledger.
func (l *Ledger) abandon(ctx context.Context) error {
	rows, err := l.duck.conn.QueryContext(ctx, `SELECT DISTINCT run_id FROM
		(SELECT run_id FROM log UNION ALL SELECT run_id FROM items UNION ALL SELECT run_id FROM claims UNION ALL SELECT run_id FROM settled)`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var left []string
	for rows.Next() {
		var run string
		if err := rows.Scan(&run); err != nil {
			return err
		}
		left = append(left, run)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, run := range left {
		p, err := l.position(ctx, run)
		if err != nil {
			return err
		}
		if err := l.move(ctx, p); err != nil {
			return err
		}
		for _, table := range []string{"items", "claims", "settled"} {
			if err := l.duck.exec(ctx, "DELETE FROM "+table+" WHERE run_id = ?", run); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Ledger) position(ctx context.Context, run string) (*position, error) {
	if l.current != nil && l.current.run == run { // whose last commits stand in the log
		return l.current, nil
	}
	p := &position{run: run}
	err := l.duck.conn.QueryRowContext(ctx, `SELECT mark, next_seq, commits, done, failed, invalid, suppressed, skipped, in_doubt, records
		FROM positions WHERE run_id = ?`, run).Scan(&p.mark, &p.next, &p.commits,
		&p.Done, &p.Failed, &p.Invalid, &p.Suppressed, &p.Skipped, &p.InDoubt, &p.Records)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("job %s has no run %s", l.job, run)
	}
	if err != nil {
		return nil, fmt.Errorf("read where run %s stands: %w", run, err)
	}
	return p, nil
}

// Counts returns what the run that was begun or resumed has committed, over
// all its processes.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return Counts{}
	}
	return l.current.Counts
}

// Finish ends the run that was begun or resumed, in run.State: what it says of
// rows, requests, time and words is stored, and its counts are those of the
// outcomes. All outcomes go to results; of a run that is not completed, items,
// claims and the place to resume from stay. It returns the run as stored.
//
// A run is only completed with an outcome for every row; when run.Rows is 0
// there are as many rows as outcomes.
func (l *Ledger) Finish(ctx context.Context, run Run) (*Run, error) {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begun(run.ID); err != nil {
		return nil, err
	}
	settled := l.current.Settled()
	if run.State == Completed {
		if run.Rows == 0 {
			run.Rows = settled
		}
		// Invariant 8.
		if run.Rows != settled || l.current.mark != settled {
			return nil, fmt.Errorf("run %s can not be completed: %d of %d rows have an outcome and the mark is %d", run.ID, settled, run.Rows, l.current.mark)
		}
	}
	// The state is stored even if the outcomes can not be moved: they are safe where they are.
	err := l.move(ctx, l.current)
	if errEnd := l.end(ctx, run); err == nil {
		err = errEnd
	}
	if err == nil { // Close makes the checkpoint
		err = l.writeRuns(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("finish run %s: %w", run.ID, withAdvice(err))
	}
	runs, err := l.runs(ctx)
	if err != nil {
		return nil, err
	}
	l.current, l.upkeep = nil, nil
	if run.State == Completed {
		l.endJournal()
	}
	return &runs[len(runs)-1], nil
}

func (l *Ledger) end(ctx context.Context, run Run) error {
	err := l.duck.tx(ctx, func() error {
		err := l.duck.exec(ctx, `UPDATE runs SET state = ?, finished_at = ?, "rows" = ?, requests = ?, retries = ?, throttled = ?,
			elapsed_s = ?, message = ?, data = ? WHERE run_id = ?`, string(run.State), finishedAt(run), run.Rows, run.Requests,
			run.Retries, run.Throttled, run.ElapsedS, run.Message, orNull(run.Data), run.ID)
		if err != nil {
			return err
		}
		if run.State == Completed {
			for _, table := range []string{"items", "claims", "settled"} {
				if err := l.duck.exec(ctx, "DELETE FROM "+table+" WHERE run_id = ?", run.ID); err != nil {
					return err
				}
			}
		}
		return l.flag(ctx)
	})
	if err != nil {
		return fmt.Errorf("store how it ended: %w", err)
	}
	if len(l.owed) == 0 {
		l.unflagged = false
	}
	return l.syncLog()
}

func finishedAt(run Run) time.Time {
	if run.FinishedAt.IsZero() {
		return run.StartedAt.Add(time.Duration(math.Max(run.ElapsedS, 0) * float64(time.Second))).UTC()
	}
	return run.FinishedAt.UTC()
}
