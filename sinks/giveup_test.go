package sinks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// published counts the rows in the results of a job.
func published(t *testing.T, l *Ledger) int {
	t.Helper()
	return countRows(t, l, "SELECT count(*) FROM read_parquet(?)", filepath.Join(l.dir, resultsDir, "*.parquet"))
}

func TestARunThatIsGivenUpKeepsWhatItDidAndSaysSo(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	require.NoError(t, l.Begin(t.Context(), Run{ID: "R1", Kind: "bulk_send", StartedAt: noon, Rows: 40}, nil))
	sink := l.Sink("R1", nil)
	var claim pipeline.Claim
	claim.To = 20
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Claim: &claim}))
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 10), Mark: 10}))
	for seq := range int64(13) {
		require.NoError(t, l.Sending(seq))
	}
	require.NoError(t, l.Close()) // which releases nothing, as a death

	l = mustLedger(t, s, "offer")
	require.Error(t, l.GiveUp(t.Context(), Run{ID: "R1"}, outcomesOf(10, 11)), "it has to be resumed for it")
	at, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	require.Len(t, at.Claims, 1)
	require.EqualValues(t, []int64{10, 13}, []int64{at.Claims[0].From, at.Claims[0].To})
	run, err := l.Last(t.Context())
	require.NoError(t, err)
	run.Message, run.Data, run.FinishedAt = "given up", json.RawMessage(`{"given_up":true}`), noon
	doubtful := outcomesOf(10, 13)
	for i := range doubtful {
		doubtful[i].State = pipeline.InDoubt
	}
	require.NoError(t, l.GiveUp(t.Context(), *run, doubtful))

	runs, err := s.Runs("offer")
	require.NoError(t, err)
	require.Len(t, runs, 1)
	got := runs[0]
	assert.Equal(t, Interrupted, got.State)
	assert.Equal(t, "given up", got.Message)
	assert.JSONEq(t, `{"given_up":true}`, string(got.Data))
	assert.Equal(t, Counts{Done: 10, InDoubt: 3}, got.Counts)
	assert.Equal(t, 13, published(t, l), "what it did")
	require.NoError(t, l.Begin(t.Context(), Run{ID: "R2", Kind: "bulk_send", StartedAt: noon}, nil))
	for _, table := range []string{"claims", "settled", "outcomes"} {
		assert.Zero(t, countRows(t, l, "SELECT count(*) FROM "+table), table)
	}
}

func TestOutcomesThatAFailedEndLeftAreBroughtIntoPlace(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 10), Mark: 10}))
	staging := filepath.Join(l.dir, stagingDir)
	require.NoError(t, os.Rename(staging, staging+".away"))
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Completed, FinishedAt: noon})
	require.Error(t, err)
	require.Error(t, l.PutAway(t.Context()))
	require.NoError(t, os.Rename(staging+".away", staging))
	require.NoError(t, l.Close())

	l = mustLedger(t, s, "offer")
	files, err := s.AllResultFiles("offer")
	require.NoError(t, err)
	require.Empty(t, files, "a start alone does not do it")
	for range 2 { // the second time there is nothing to do
		require.NoError(t, l.PutAway(t.Context()))
		files, err = s.AllResultFiles("offer")
		require.NoError(t, err)
		assert.Len(t, files, 1)
	}
	assert.Equal(t, 10, published(t, l))
}
