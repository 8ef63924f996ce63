package sinks

import (
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOutcomesLeaveTheLogAsTheyCame(t *testing.T) {
	t.Parallel()
	odd := "quote \" backslash \\ tab \t nul \x00 line\nend <&> \u2028 é 😀 \x7f"
	outcomes := []pipeline.Outcome{
		{Seq: 0, Key: odd, State: pipeline.Failed, HTTPStatus: 400, Attempts: 3, ErrorCode: odd, Error: odd, Ref: odd, Response: odd,
			FinishedAt: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))},
		{Seq: 1, State: pipeline.Skipped, FinishedAt: time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)},
		{Seq: 2, Key: "half a rune \xe2\x82", State: pipeline.Done, FinishedAt: noon},
	}
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 3}))
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon})
	require.NoError(t, err)

	rows, err := l.duck.conn.QueryContext(t.Context(), `SELECT seq, key, state, http_status, attempts, error_code, error, ref, finished_at, response
		FROM read_parquet(?) ORDER BY seq`, l.dir+"/results/*.parquet")
	require.NoError(t, err)
	defer rows.Close()
	outcomes[2].Key = "half a rune \ufffd\ufffd" // what is no text can not be in a table
	for _, want := range outcomes {
		var got pipeline.Outcome
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&got.Seq, &got.Key, &got.State, &got.HTTPStatus, &got.Attempts, &got.ErrorCode, &got.Error, &got.Ref, &got.FinishedAt, &got.Response))
		assert.Equal(t, want.FinishedAt.Truncate(time.Microsecond).UTC(), got.FinishedAt.UTC())
		got.FinishedAt = want.FinishedAt
		assert.Equal(t, want, got)
	}
	require.False(t, rows.Next())
	require.NoError(t, rows.Err())
}

// Where the mark does not move, outcomes leave the ledger all the same.
func TestARowThatWaitsKeepsNoOutcomesInTheLedger(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	l.rows = 20
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", nil)
	claimed := pipeline.Claim{Range: pipeline.Range{From: 0, To: 100}, At: noon}
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Claim: &claimed}))
	for from := int64(1); from < 101; from += 10 {
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(from, min(from+10, 100))}))
	}
	assert.Less(t, countRows(t, l, "SELECT count(*) FROM outcomes"), 20)
	assert.Equal(t, 99, countRows(t, l, "SELECT count(*) FROM (SELECT seq FROM outcomes UNION ALL SELECT seq FROM read_parquet(?))", l.dir+"/results/*.parquet"))
	require.NoError(t, l.Close())

	l = mustLedger(t, s, "offer")
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, []pipeline.Range{{From: 1, To: 100}}, p.Settled)
	assert.Zero(t, p.Mark)
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 1), Mark: 100}))
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon})
	require.NoError(t, err)
}

func TestAMoveThatTookEffectAlthoughItFailedIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	l := mustLedger(t, mustOpenStore(t), "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 3), Mark: 3}))
	require.NoError(t, l.duck.exec(t.Context(), "UPDATE positions SET commits = 2")) // as the move leaves it
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Interrupted, StartedAt: noon})
	require.ErrorContains(t, err, "run R1 is not before commit 2")
	assert.Equal(t, 3, countRows(t, l, "SELECT count(*) FROM outcomes"))
}
