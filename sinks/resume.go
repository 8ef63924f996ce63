package sinks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"convbatch/pipeline"
)

// Resume makes an unfinished run go on, and returns where. What it reads is
// what lies beyond the mark, however long the run.
func (l *Ledger) Resume(ctx context.Context, run string) (*Position, error) {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	at, err := l.position(ctx, run)
	if err != nil {
		return nil, err
	}
	p := &Position{Mark: at.mark, NextSeq: at.next}
	if p.Settled, err = l.settledBeyond(ctx, at); err != nil {
		return nil, err
	}
	if p.Claims, err = l.claims(ctx, at); err != nil {
		return nil, fmt.Errorf("read the claims of run %s: %w", run, err)
	}
	if p.Items, err = l.itemsLeft(ctx, at, p.Settled); err != nil {
		return nil, err
	}
	for _, c := range p.Claims {
		p.NextSeq = max(p.NextSeq, c.To)
	}
	result, err := l.duck.conn.ExecContext(ctx, `UPDATE runs SET state = 'running', resumed = resumed + 1, finished_at = NULL
		WHERE run_id = ? AND state != 'completed' AND n = (SELECT max(n) FROM runs)`, run)
	if err != nil {
		return nil, fmt.Errorf("resume run %s: %w", run, withAdvice(err))
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return nil, errors.Join(fmt.Errorf("run %s of job %s can not be resumed: it is completed, or another came after it", run, l.job), err)
	}
	if err := errors.Join(l.syncLog(), l.writeRuns(ctx)); err != nil {
		return nil, err
	}
	if l.held, l.bytes, err = l.inLog(ctx, run); err != nil {
		return nil, err
	}
	if err := l.journal.close(); err != nil {
		return nil, fmt.Errorf("close what was being sent: %w", err)
	}
	l.journal = nil
	if l.journal, p.Claims, err = l.openJournal(run, at.mark, p.Claims); err != nil {
		return nil, err
	}
	l.current, l.inherited = at, p.Claims
	return p, nil
}

// settledBeyond returns what has an outcome beyond the mark, in the ledger or
// moved to results.
func (l *Ledger) settledBeyond(ctx context.Context, at *position) ([]pipeline.Range, error) {
	all, err := l.ranges(ctx, `SELECT * FROM (
		SELECT min(seq) AS from_seq, max(seq) + 1 AS to_seq
		FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM outcomes WHERE run_id = ? AND seq >= ?)
		GROUP BY island
		UNION ALL SELECT greatest(from_seq, ?), to_seq FROM settled WHERE run_id = ? AND to_seq > ?
		) ORDER BY from_seq`, at.run, at.mark, at.mark, at.run, at.mark)
	if err != nil {
		return nil, fmt.Errorf("read what is settled in run %s: %w", at.run, err)
	}
	var joined []pipeline.Range
	for _, r := range all {
		if n := len(joined); n > 0 && joined[n-1].To >= r.From {
			joined[n-1].To = max(joined[n-1].To, r.To)
		} else {
			joined = append(joined, r)
		}
	}
	return joined, nil
}

func (l *Ledger) ranges(ctx context.Context, query string, args ...any) ([]pipeline.Range, error) {
	rows, err := l.duck.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []pipeline.Range
	for rows.Next() {
		var r pipeline.Range
		if err := rows.Scan(&r.From, &r.To); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// itemsLeft returns the stored items without an outcome.
func (l *Ledger) itemsLeft(ctx context.Context, at *position, settled []pipeline.Range) ([]pipeline.Item, error) {
	rows, err := l.duck.conn.QueryContext(ctx, "SELECT seq, key, data FROM items WHERE run_id = ? AND seq >= ? ORDER BY seq", at.run, at.mark)
	if err != nil {
		return nil, fmt.Errorf("read the items of run %s: %w", at.run, err)
	}
	defer rows.Close()
	var left []pipeline.Item
	for rows.Next() {
		var item pipeline.Item
		var data sql.NullString
		if err := rows.Scan(&item.Seq, &item.Key, &data); err != nil {
			return nil, fmt.Errorf("read the items of run %s: %w", at.run, err)
		}
		if data.Valid {
			item.Data = json.RawMessage(data.String)
		}
		if !within(settled, item.Seq) {
			left = append(left, item)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the items of run %s: %w", at.run, err)
	}
	return left, nil
}

// within says whether one of the ranges, which are in order, has seq.
func within(ranges []pipeline.Range, seq int64) bool {
	i, _ := slices.BinarySearchFunc(ranges, seq, func(r pipeline.Range, seq int64) int {
		if r.To <= seq {
			return -1
		}
		return 1
	})
	return i < len(ranges) && ranges[i].Contains(seq)
}
