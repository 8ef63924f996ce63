package main

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
)

func TestAKindMayAskTheStore(t *testing.T) {
	t.Parallel()
	store, err := sinks.OpenStore(t.TempDir())
	require.NoError(t, err)
	ledger, err := store.Ledger(t.Context(), "archive")
	require.NoError(t, err)
	defer func() { require.NoError(t, ledger.Close()) }()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	require.NoError(t, ledger.Begin(t.Context(), sinks.Run{ID: "R1", Kind: "message_archive", StartedAt: now}, nil))
	r := &runner{p: &program{now: time.Now}, file: &jobs.File{}, store: store, log: slog.New(slog.DiscardHandler)}
	env := r.env(jobs.Job{}, nil)
	ask := func(query string) (rows [][]any) {
		t.Helper()
		require.NoError(t, env.Query(t.Context(), query, func(values []any) error {
			rows = append(rows, values)
			return nil
		}))
		return rows
	}
	assert.Empty(t, ask("SELECT id FROM messages"))
	require.NoError(t, ledger.Sink("R1", datasets()).Commit(t.Context(), pipeline.Commit{Mark: 1, Outcomes: []pipeline.Outcome{
		{State: pipeline.Done, Records: []pipeline.Record{{Dataset: "messages", Partition: "date=2026-03-01", Row: jobs.Message{ID: "m", AcceptTime: now}}}},
	}}))
	assert.Equal(t, [][]any{{"m", now}}, ask("SELECT id, accept_time FROM messages"), "as the store is at that moment")

	enough := errors.New("enough")
	require.ErrorIs(t, env.Query(t.Context(), "FROM runs", func([]any) error { return enough }), enough)
	require.ErrorContains(t, env.Query(t.Context(), "CREATE TABLE x (a INTEGER)", nil), "read-only")
}
