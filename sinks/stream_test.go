package sinks

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAStreamHasEveryRowInOrder(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	for _, rows := range []int64{0, 1, sliceRows - 1, sliceRows, sliceRows + 1, 5*sliceRows + 7} {
		var n int64
		// Of a name that the table's own numbers have, twice, in descending order.
		query := fmt.Sprintf("SELECT range AS rowid, 'x' AS rowid FROM range(%d) ORDER BY 1 DESC; ", rows)
		require.NoError(t, s.Stream(t.Context(), query, nil, QueryOptions{Threads: 2}, func(values []any) error {
			n++
			if values[0] != rows-n || values[1] != "x" {
				return fmt.Errorf("row %d is %v", n, values)
			}
			return nil
		}))
		assert.Equal(t, rows, n)
	}
}

func TestAStreamHasTheValuesOfAQuery(t *testing.T) {
	t.Parallel()
	s := mustFill(t, filepath.Join(t.TempDir(), "store"))
	views := s.Views([]Dataset{people, wideSet})
	for _, query := range []string{allTypes, "FROM wide", "SUMMARIZE people", "WITH p AS (FROM people) SELECT * FROM p -- all"} {
		r, err := s.Query(t.Context(), query, views, QueryOptions{})
		require.NoError(t, err)
		var want, got [][]any
		_, err = r.each(func(_ int64, values []any) error { want = append(want, values); return nil })
		require.NoError(t, errors.Join(err, r.Close()))
		require.NoError(t, s.Stream(t.Context(), query, views, QueryOptions{}, func(values []any) error { got = append(got, values); return nil }))
		assert.Equal(t, fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got), query) // as text: one of the values is not a number
	}
}

func TestAStreamEndsEarly(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	enough := errors.New("enough")
	n := 0
	err := s.Stream(t.Context(), "FROM range(100_000)", nil, QueryOptions{}, func([]any) error {
		if n++; n == sliceRows+1 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	assert.Equal(t, sliceRows+1, n)

	ctx, cancel := context.WithCancel(t.Context())
	err = s.Stream(ctx, "FROM range(100_000)", nil, QueryOptions{}, func([]any) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)

	never := func([]any) error { return errors.New("there is a row") }
	for _, query := range []string{
		"COPY (SELECT 1) TO 'x'", "SELECT 1) AS a; DROP TABLE x; SELECT * FROM (SELECT 1", "SELECT error('no')", "FROM nowhere", "FROM '/etc/passwd'", "",
	} {
		require.ErrorContains(t, s.Stream(t.Context(), query, nil, QueryOptions{}, never), "query", query)
	}
}

func TestAStreamLargerThanItsMemoryGoesToDisk(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	const rows = 100_000 // of 1 KiB
	n := 0
	require.NoError(t, s.Stream(t.Context(), fmt.Sprintf("SELECT repeat(md5(range::VARCHAR), 32) FROM range(%d)", rows), nil,
		QueryOptions{MemoryMiB: 32, Threads: 1}, func([]any) error { n++; return nil }))
	assert.Equal(t, rows, n)
}

func TestAStreamHasColumnsOfAnyNameAndType(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	for _, query := range []string{"SELECT NULL AS rowid, 1 AS rowid, [] AS rowid -- a comment", "EXPLAIN SELECT 1", "SELECT ?"} {
		var rows [][]any
		err := s.Stream(t.Context(), query, nil, QueryOptions{}, func(values []any) error { rows = append(rows, values); return nil })
		if query[0] != 'S' || query == "SELECT ?" {
			require.Error(t, err, query)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, [][]any{{nil, int32(1), []any{}}}, rows)
	}
	r, err := s.Query(t.Context(), "EXPLAIN SELECT 1", nil, QueryOptions{})
	require.NoError(t, err)
	require.True(t, r.Next())
	require.NoError(t, r.Close())
	require.NoError(t, r.Close(), "twice does no harm")
	assert.False(t, r.Next())
	assert.NoError(t, r.Err())
}
