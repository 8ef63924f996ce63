package sinks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Archived returns the ids of the records of a dataset that belong to an app
// and were accepted at from or later and before to. The dataset has the columns
// id, app_id and accept_time, and is partitioned by date.
func (s *Store) Archived(ctx context.Context, set Dataset, app string, from, to time.Time) (_ map[string]struct{}, err error) {
	view, err := s.datasetView(set)
	if err != nil {
		return nil, err
	}
	// The column holds microseconds, so the ends are taken a little wider: one
	// id too many does no harm, it is looked for by name.
	from, to = from.UTC().Truncate(time.Microsecond), to.UTC().Add(time.Microsecond)
	const stamp = "2006-01-02 15:04:05.000000Z07:00"
	query := fmt.Sprintf("SELECT id FROM %s WHERE app_id = %s AND date BETWEEN DATE %s AND DATE %s AND accept_time >= TIMESTAMPTZ %s AND accept_time < TIMESTAMPTZ %s",
		ident(set.Name), quote(app), quote(from.Format(time.DateOnly)), quote(to.Format(time.DateOnly)), quote(from.Format(stamp)), quote(to.Format(stamp)))
	rows, err := s.Query(ctx, query, []string{view}, QueryOptions{MemoryMiB: 128, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	ids := make(map[string]struct{})
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		ids[fmt.Sprint(values[0])] = struct{}{}
	}
	return ids, rows.Err()
}
