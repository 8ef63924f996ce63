package sinks

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// keepUp does what is due after a commit: it publishes, and when enough
// outcomes are there moves them out of the ledger, which so stays small.
func (l *Ledger) keepUp(ctx context.Context) error {
	if err := l.payUp(); err != nil {
		return err
	}
	if l.held < l.rows && l.bytes < l.weight {
		return nil
	}
	if err := l.move(ctx, l.current); err != nil {
		return err
	}
	return l.duck.giveBack(ctx)
}

// move takes the outcomes of a run out of the ledger, into a results segment.
func (l *Ledger) move(ctx context.Context, p *position) error {
	after := *p
	after.commits++
	s := segment{
		run:     p.run,
		path:    filepath.Join(jobsDir, l.job, resultsDir, fmt.Sprintf("%s-%06d.parquet", p.run, after.commits)),
		staging: fmt.Sprintf("%s-%06d-results.parquet", p.run, after.commits),
	}
	rows, bytes, err := l.inLog(ctx, p.run)
	if err != nil {
		return err
	}
	var segments []segment
	if rows > 0 {
		s.rows = rows
		if s.bytes, err = l.export(ctx, s, bytes/rows); err != nil {
			return fmt.Errorf("write a segment of results: %w", errors.Join(err, l.unstage([]segment{s})))
		}
		segments = append(segments, s)
	}
	if err := l.upload(ctx, segments); err != nil {
		return errors.Join(err, l.unstage(segments))
	}
	l.crash("move")
	err = l.duck.tx(ctx, func() error {
		if err := l.record(ctx, segments); err != nil {
			return err
		}
		if err := l.keepSettled(ctx, &after, segments); err != nil {
			return err
		}
		return l.fold(ctx, &after)
	})
	if err != nil {
		l.unsure = true // the next commit looks whether it took effect all the same
		return fmt.Errorf("move outcomes to results: %w", err)
	}
	*p = after
	l.owed = append(l.owed, segments...)
	l.held, l.bytes = 0, 0
	l.crash("publish results")
	if err := l.payUp(); err != nil {
		return err
	}
	return l.checkpoint(ctx)
}

// inLog returns how many outcomes of a run are in the log, and their size there.
func (l *Ledger) inLog(ctx context.Context, run string) (rows, bytes int64, err error) {
	err = l.duck.conn.QueryRowContext(ctx, `SELECT coalesce(sum(settled), 0)::BIGINT, coalesce(sum(strlen(outcomes)), 0)::BIGINT
		FROM log WHERE run_id = ?`, run).Scan(&rows, &bytes)
	if err != nil {
		return 0, 0, fmt.Errorf("count the outcomes of run %s: %w", run, err)
	}
	return rows, bytes, nil
}

// resultGroup is how many rows a row group of results has at most. DuckDB holds a
// row group in memory, more than once.
const resultGroup = 4096

// export writes the outcomes of a run to a staged segment, in order. Groups of
// large rows have fewer.
func (l *Ledger) export(ctx context.Context, s segment, size int64) (int64, error) {
	group := min(max(4<<20/(size+1), 1), resultGroup)
	err := l.duck.exec(ctx, fmt.Sprintf(`COPY (SELECT * FROM outcomes WHERE run_id = %s ORDER BY seq)
		TO %s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d)`, quote(s.run), quote(l.staged(s)), group))
	if err != nil {
		return 0, err
	}
	bytes, err := syncFile(l.staged(s))
	return bytes, errors.Join(err, syncDir(filepath.Join(l.dir, stagingDir)))
}

// keepSettled keeps the ranges that are settled beyond the mark, and those of
// them alone, within the caller's transaction. The segments have the outcomes
// that are about to leave.
func (l *Ledger) keepSettled(ctx context.Context, p *position, segments []segment) error {
	err := l.duck.exec(ctx, "DELETE FROM settled WHERE run_id = ? AND to_seq <= ?", p.run, p.mark)
	for _, s := range segments {
		if err == nil {
			err = l.duck.exec(ctx, `INSERT INTO settled SELECT ?, min(seq), max(seq) + 1
				FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM read_parquet(`+
				patterns([]string{l.staged(s)})+`) WHERE seq >= ?) GROUP BY island ORDER BY min(seq)`, p.run, p.mark)
		}
	}
	if err != nil {
		return fmt.Errorf("keep what is settled beyond the mark: %w", err)
	}
	return nil
}
