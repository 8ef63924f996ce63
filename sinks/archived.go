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
func (s *Store) Archived(ctx context.Context, set Dataset, app string, from, to time.Time) (map[string]struct{}, error) {
	// The column holds microseconds, so the ends are taken a little wider: one
	// id too many does no harm, it is looked for by name.
	from, to = from.UTC().Truncate(time.Microsecond), to.UTC().Add(time.Microsecond)
	const stamp = "2006-01-02 15:04:05.000000Z07:00"
	query := fmt.Sprintf("SELECT id FROM %s WHERE app_id = %s AND date BETWEEN DATE %s AND DATE %s AND accept_time >= TIMESTAMPTZ %s AND accept_time < TIMESTAMPTZ %s",
		ident(set.Name), quote(app), quote(from.Format(time.DateOnly)), quote(to.Format(time.DateOnly)), quote(from.Format(stamp)), quote(to.Format(stamp)))
	ids := make(map[string]struct{})
	err := s.each(ctx, query, s.datasetView(set), func(id any) { ids[fmt.Sprint(id)] = struct{}{} })
	return ids, err
}

// Newest returns a time after that of every record of a dataset that belongs
// to an app, the zero time when there is none; see Archived.
func (s *Store) Newest(ctx context.Context, set Dataset, app string) (newest time.Time, err error) {
	query := fmt.Sprintf("SELECT max(accept_time) FROM %s WHERE app_id = %s", ident(set.Name), quote(app))
	err = s.each(ctx, query, s.datasetView(set), func(at any) {
		if t, ok := at.(time.Time); ok {
			newest = t.UTC().Add(time.Microsecond) // the column has no more than those
		}
	})
	return newest, err
}

// each calls f with the first value of each row.
func (s *Store) each(ctx context.Context, query string, view Views, f func(any)) (err error) {
	rows, err := s.Query(ctx, query, view, QueryOptions{MemoryMiB: 128, Threads: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		f(rows.Values()[0])
	}
	return rows.Err()
}
