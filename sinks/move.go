package sinks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
)

// keepUp does what is due after a commit: it publishes, and when enough lies
// below the mark moves it out of the ledger, which so stays small.
func (l *Ledger) keepUp(ctx context.Context) error {
	if err := l.payUp(); err != nil {
		return err
	}
	if n := l.current.mark - l.moved; n < l.rows && (l.bytes < l.weight || n == 0) {
		return nil
	}
	return l.move(ctx, l.current, l.current.mark)
}

// move takes the outcomes of a run below an item out of the ledger, into a
// results segment. Beyond the mark it leaves the ranges that they settled.
func (l *Ledger) move(ctx context.Context, p *position, below int64) error {
	after := *p
	after.commits++
	s := segment{
		run:     p.run,
		path:    filepath.Join(jobsDir, l.job, resultsDir, fmt.Sprintf("%s-%06d.parquet", p.run, after.commits)),
		staging: fmt.Sprintf("%s-%06d-results.parquet", p.run, after.commits),
	}
	err := l.duck.conn.QueryRowContext(ctx, "SELECT count(*) FROM outcomes WHERE run_id = ? AND seq < ?", p.run, below).Scan(&s.rows)
	if err != nil {
		return fmt.Errorf("count outcomes: %w", err)
	}
	var segments []segment
	if s.rows > 0 {
		if s.bytes, err = l.export(ctx, s, below); err != nil {
			return fmt.Errorf("write a segment of results: %w", errors.Join(err, l.unstage([]segment{s})))
		}
		segments = append(segments, s)
	}
	l.crash("move")
	err = l.duck.tx(ctx, func() error {
		if err := l.record(ctx, segments); err != nil {
			return err
		}
		if err := l.sweep(ctx, p, below); err != nil {
			return err
		}
		return l.advance(ctx, &after)
	})
	if err != nil {
		l.unsure = true // the next commit looks whether it took effect all the same
		return fmt.Errorf("move outcomes to results: %w", err)
	}
	*p = after
	l.owed = append(l.owed, segments...)
	l.moved, l.bytes = p.mark, 0
	l.crash("publish results")
	if err := l.payUp(); err != nil {
		return err
	}
	return l.checkpoint(ctx)
}

// export writes outcomes to a staged segment, in order. DuckDB holds a row
// group in memory, more than once: with long answers it gets fewer rows.
func (l *Ledger) export(ctx context.Context, s segment, below int64) (int64, error) {
	var answers int64
	err := l.duck.conn.QueryRowContext(ctx, "SELECT coalesce(sum(strlen(response)), 0)::BIGINT FROM outcomes WHERE run_id = ? AND seq < ?",
		s.run, below).Scan(&answers)
	if err != nil {
		return 0, err
	}
	group := min(max(4<<20/(answers/s.rows+1), 1), groupRows)
	err = l.duck.exec(ctx, fmt.Sprintf(`COPY (SELECT * FROM outcomes WHERE run_id = %s AND seq < %d ORDER BY seq)
		TO %s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d)`, quote(s.run), below, quote(l.staged(s)), group))
	if err != nil {
		return 0, err
	}
	size, err := syncFile(l.staged(s))
	return size, errors.Join(err, syncDir(filepath.Join(l.dir, stagingDir)))
}

// sweep removes what was moved, and the claims that the mark has passed. Items
// stay as long as the run is unfinished: its kind may ask for them all.
func (l *Ledger) sweep(ctx context.Context, p *position, below int64) error {
	if below > p.mark {
		err := l.duck.exec(ctx, `INSERT INTO settled
			SELECT run_id, min(seq), max(seq) + 1
			FROM (SELECT run_id, seq, seq - row_number() OVER (ORDER BY seq) AS island
			      FROM outcomes WHERE run_id = ? AND seq >= ? AND seq < ?)
			GROUP BY run_id, island ORDER BY min(seq)`, p.run, p.mark, below)
		if err != nil {
			return fmt.Errorf("keep what is settled beyond the mark: %w", err)
		}
	}
	for _, statement := range []struct {
		query string
		below int64
	}{
		{"DELETE FROM outcomes WHERE run_id = ? AND seq < ?", below},
		{"DELETE FROM claims WHERE run_id = ? AND to_seq <= ?", p.mark},
		{"DELETE FROM settled WHERE run_id = ? AND to_seq <= ?", p.mark},
	} {
		if err := l.duck.exec(ctx, statement.query, p.run, statement.below); err != nil {
			return fmt.Errorf("%s: %w", statement.query, err)
		}
	}
	return nil
}

// moveAll takes every outcome of a run out of the ledger.
func (l *Ledger) moveAll(ctx context.Context, p *position) error {
	return l.move(ctx, p, math.MaxInt64)
}
