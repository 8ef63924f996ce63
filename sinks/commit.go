package sinks

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"convbatch/pipeline"

	"github.com/duckdb/duckdb-go/v2"
)

type sink struct {
	ledger *Ledger
	run    string
	writer *writer
}

// Sink takes the commits of a run that was begun or resumed; its records may
// be of the datasets named.
//
// When a commit fails nothing of it counts, and the same outcomes may be
// handed over again. What is left to do after a commit, publishing its
// segments and moving outcomes out of the ledger, can not make it fail: that is
// tried again by the next commit, which fails before it has begun when it does
// not succeed either.
func (l *Ledger) Sink(run string, sets []Dataset) pipeline.Sink {
	return &sink{ledger: l, run: run, writer: newWriter(sets)}
}

// Commit implements pipeline.Sink. It is not cut short when ctx ends.
func (s *sink) Commit(ctx context.Context, c pipeline.Commit) error {
	// The goroutine that commits keeps to one thread from here on: DuckDB's memory
	// comes from malloc, where what one thread has freed others do not find.
	runtime.LockOSThread()
	l := s.ledger
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begun(s.run); err != nil {
		return err
	}
	if l.upkeep != nil {
		// The last commit of a run that stops is made all the same: what it
		// holds is known nowhere else.
		if l.upkeep = l.keepUp(ctx); l.upkeep != nil && !c.Release {
			return fmt.Errorf("finish the commit before: %w", withAdvice(l.upkeep))
		}
	}
	if err := l.commit(ctx, s.writer, c); err != nil {
		return fmt.Errorf("commit to the ledger of job %s: %w", l.job, withAdvice(err))
	}
	if c.Durable != nil { // whoever waits for its claim need not wait for what is left
		c.Durable()
	}
	l.crash("publish")
	l.upkeep = l.keepUp(ctx)
	return nil
}

func (l *Ledger) begun(run string) error {
	switch {
	case l.duck == nil:
		return fmt.Errorf("the ledger of job %s is closed", l.job)
	case l.current == nil || l.current.run != run:
		return fmt.Errorf("run %s of job %s was neither begun nor resumed", run, l.job)
	}
	return nil
}

// commit makes one transaction of c: invariant 4.
func (l *Ledger) commit(ctx context.Context, w *writer, c pipeline.Commit) error {
	if err := l.makeSure(ctx); err != nil {
		return err
	}
	after, err := l.current.after(c)
	if err != nil {
		return err
	}
	if c.Claim != nil {
		if err := l.journal.reserve(c.Claim.Range); err != nil {
			return err
		}
	}
	bring := c.Outcomes
	if len(c.Records) > 0 {
		bring = append(slices.Clip(bring), pipeline.Outcome{Records: c.Records})
	}
	segments, err := l.stage(w, after.run, after.commits, bring)
	if err != nil {
		return err
	}
	if err := l.upload(ctx, segments); err != nil {
		return errors.Join(err, l.unstage(segments))
	}
	l.crash("commit")
	committing := false
	var bytes int64
	err = l.duck.tx(ctx, func() error {
		if bytes, err = l.put(ctx, after, c); err != nil {
			return err
		}
		// Before the new segments are entered, for it means all that are there.
		if err := l.flag(ctx); err != nil {
			return err
		}
		if err := l.record(ctx, segments); err != nil {
			return err
		}
		committing = true
		return nil
	})
	if err != nil {
		// A COMMIT that failed may have reached the disk, and then its
		// segments are needed.
		if l.unsure = committing; !l.unsure {
			// In a bucket they stay until the same commit is made again, or
			// the next start: see SettleUploads.
			err = errors.Join(err, l.unstage(segments))
		}
		return err
	}
	if len(l.owed) == 0 {
		l.unflagged = false
	}
	l.owed = append(l.owed, segments...)
	l.current = after
	if c.Release {
		l.releaseJournal(after.run, l.kept(c.InDoubt))
	}
	l.held += int64(len(c.Outcomes))
	l.bytes += bytes
	return l.syncLog()
}

// makeSure sees, after a COMMIT that failed, that it has had no effect: its
// outcomes are about to be handed over again.
func (l *Ledger) makeSure(ctx context.Context) error {
	if !l.unsure {
		return nil
	}
	commits, err := l.commits(ctx, l.current.run)
	if err != nil {
		return err
	}
	if commits != l.current.commits {
		return errors.New("the commit before took effect although it failed; the next start goes on from there")
	}
	l.unsure = false
	return nil
}

// after is where the run stands once c is committed. It turns down what would
// break invariants 3 and 8, which no caller ought to hand over.
func (p *position) after(c pipeline.Commit) (*position, error) {
	next := *p
	next.commits++
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		counter := next.of(o.State)
		if counter == nil {
			return nil, fmt.Errorf("item %d has the state %q, which there is not", o.Seq, o.State)
		}
		if o.Seq < p.mark {
			return nil, fmt.Errorf("item %d was settled before: the mark is %d", o.Seq, p.mark)
		}
		*counter++
		next.Records += int64(len(o.Records))
		next.next = max(next.next, o.Seq+1)
	}
	next.Records += int64(len(c.Records))
	for i := range c.Items {
		next.next = max(next.next, c.Items[i].Seq+1)
	}
	if c.Mark < p.mark || c.Mark > next.Settled() {
		return nil, fmt.Errorf("the mark can not go from %d to %d with %d items settled", p.mark, c.Mark, next.Settled())
	}
	next.mark = c.Mark
	return &next, nil
}

// put enters items, released claims and the commit itself, within the caller's
// transaction. It returns how many bytes its outcomes take.
func (l *Ledger) put(ctx context.Context, after *position, c pipeline.Commit) (int64, error) {
	if err := l.appendItems(after.run, c.Items); err != nil {
		return 0, err
	}
	if c.Release { // claims before this commit's own
		if err := l.release(ctx, after.run, c.InDoubt); err != nil {
			return 0, err
		}
	}
	return l.enter(after, c)
}

func (l *Ledger) appendItems(run string, items []pipeline.Item) error {
	if len(items) == 0 {
		return nil
	}
	return l.appendRows("items", len(items), func(i int) ([]driver.Value, error) {
		item := &items[i]
		if item.Data == nil {
			return []driver.Value{run, item.Seq, item.Key, nil}, nil
		}
		data, err := json.Marshal(item.Data)
		if err != nil {
			return nil, fmt.Errorf("store item %d: %w", item.Seq, err)
		}
		return []driver.Value{run, item.Seq, item.Key, string(data)}, nil
	})
}

// appendRows appends to a table within the caller's transaction, which the
// appender shares because it is on the same connection.
func (l *Ledger) appendRows(table string, n int, row func(i int) ([]driver.Value, error)) error {
	err := l.duck.conn.Raw(func(conn any) error {
		appender, err := duckdb.NewAppender(conn.(driver.Conn), "ledger", "main", table)
		if err != nil {
			return err
		}
		for i := range n {
			values, err := row(i)
			if err == nil {
				err = appender.AppendRow(values...)
			}
			if err != nil {
				return errors.Join(err, appender.Close())
			}
		}
		return appender.Close()
	})
	if err != nil {
		return fmt.Errorf("append %s: %w", table, err)
	}
	return nil
}
