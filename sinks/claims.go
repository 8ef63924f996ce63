package sinks

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"convbatch/pipeline"
)

// putClaims enters claims, within the caller's transaction.
func (l *Ledger) putClaims(ctx context.Context, run string, claims ...pipeline.Claim) error {
	for _, c := range claims {
		at := sql.NullTime{Time: c.At.UTC(), Valid: !c.At.IsZero()}
		if err := l.duck.exec(ctx, "INSERT INTO claims VALUES (?, ?, ?, ?)", run, c.From, c.To, at); err != nil {
			return fmt.Errorf("claim items %d to %d: %w", c.From, c.To, err)
		}
	}
	return nil
}

// release ends the claims of a run within the caller's transaction, but for
// those of items in doubt. This process knows what it did not send, not what
// another did.
func (l *Ledger) release(ctx context.Context, run string, inDoubt []pipeline.Claim) error {
	for _, query := range []string{"DELETE FROM claims WHERE run_id = ?", "UPDATE log SET claim = NULL WHERE run_id = ?"} {
		if err := l.duck.exec(ctx, query, run); err != nil {
			return fmt.Errorf("release the claims: %w", err)
		}
	}
	return l.putClaims(ctx, run, l.kept(inDoubt)...)
}

// kept are the claims that outlive an orderly stop.
func (l *Ledger) kept(inDoubt []pipeline.Claim) []pipeline.Claim {
	return disjoint(slices.Concat(l.inherited, inDoubt))
}

// claims returns the claims of a run beyond its mark, in order; none overlaps.
func (l *Ledger) claims(ctx context.Context, at *position) ([]pipeline.Claim, error) {
	rows, err := l.duck.conn.QueryContext(ctx,
		`SELECT greatest(from_seq, ?), to_seq, claimed_at
		FROM (SELECT run_id, from_seq, to_seq, claimed_at FROM claims UNION ALL SELECT * FROM log_claims)
		WHERE run_id = ? AND to_seq > ?`, at.mark, at.run, at.mark)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []pipeline.Claim
	for rows.Next() {
		var c pipeline.Claim
		var when sql.NullTime
		if err := rows.Scan(&c.From, &c.To, &when); err != nil {
			return nil, err
		}
		if when.Valid {
			c.At = when.Time.UTC()
		}
		all = append(all, c)
	}
	return disjoint(all), rows.Err()
}

// Change lets an unfinished run go on with another request, before it is
// resumed. What was sent with the one before can not be looked for with this
// one, so of its claims it is no longer known when they were made.
func (l *Ledger) Change(ctx context.Context, run, request string) error {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.duck.tx(ctx, func() error {
		for _, query := range []string{
			"UPDATE claims SET claimed_at = NULL WHERE run_id = ?",
			`UPDATE log SET claim = json_merge_patch(claim, '{"claimed_at": null}') WHERE run_id = ?`,
		} {
			if err := l.duck.exec(ctx, query, run); err != nil {
				return err
			}
		}
		return l.duck.exec(ctx, "UPDATE runs SET request = ? WHERE run_id = ?", request, run)
	})
	if err != nil {
		return fmt.Errorf("change the request of run %s: %w", run, withAdvice(err))
	}
	return l.syncLog()
}

// disjoint cuts claims that overlap, since a resumed run claims again what it
// inherited: each item is in one claim of the result, which has the earliest
// time that the item was claimed at.
func disjoint(claims []pipeline.Claim) []pipeline.Claim {
	var cuts []int64
	for _, c := range claims {
		cuts = append(cuts, c.From, c.To)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var pieces []pipeline.Claim
	for i := 1; i < len(cuts); i++ {
		at, claimed := covering(claims, cuts[i-1])
		n := len(pieces)
		switch {
		case !claimed:
		case n > 0 && pieces[n-1].To == cuts[i-1] && pieces[n-1].At.Equal(at):
			pieces[n-1].To = cuts[i]
		default:
			pieces = append(pieces, pipeline.Claim{Range: pipeline.Range{From: cuts[i-1], To: cuts[i]}, At: at})
		}
	}
	return pieces
}

// covering returns the earliest time at which an item was claimed, and whether
// it was. A time that is not known may be earlier than any.
func covering(claims []pipeline.Claim, seq int64) (at time.Time, claimed bool) {
	for _, c := range claims {
		if !c.Contains(seq) {
			continue
		}
		if !claimed || c.At.Before(at) { // the zero time is before any
			at = c.At
		}
		claimed = true
	}
	return at, claimed
}

// withTimes are the items of ranges, each with the time of its claim; of what no
// claim covers that is not known. All are in order and none overlaps.
func withTimes(ranges []pipeline.Range, claims []pipeline.Claim) []pipeline.Claim {
	var all []pipeline.Claim
	for _, r := range ranges {
		for from := r.From; from < r.To; {
			for len(claims) > 0 && claims[0].To <= from {
				claims = claims[1:]
			}
			piece := pipeline.Claim{Range: pipeline.Range{From: from, To: r.To}}
			if len(claims) > 0 && claims[0].Contains(from) {
				piece.To, piece.At = min(r.To, claims[0].To), claims[0].At
			} else if len(claims) > 0 {
				piece.To = min(r.To, claims[0].From)
			}
			all = append(all, piece)
			from = piece.To
		}
	}
	return all
}
