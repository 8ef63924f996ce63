package sinks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// claimedAndDied leaves a run with the claim of items 0 to 9, of which 2, 3 and
// 7 were about to go out when the process died.
func claimedAndDied(t *testing.T, s *Store) {
	t.Helper()
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R0")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Claim: &pipeline.Claim{Range: pipeline.Range{From: 0, To: 10}}}))
	for _, seq := range []int64{7, 2, 3} {
		require.NoError(t, l.Sending(seq))
	}
	require.NoError(t, l.Close())
}

func resumed(t *testing.T, s *Store) []pipeline.Range {
	t.Helper()
	l := mustLedger(t, s, "offer")
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var ranges []pipeline.Range
	for _, c := range p.Claims {
		ranges = append(ranges, c.Range)
	}
	return ranges
}

func TestAfterAKillOnlyWhatWasOnTheWireIsInDoubt(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	claimedAndDied(t, s)
	want := []pipeline.Range{{From: 2, To: 4}, {From: 7, To: 8}}
	assert.Equal(t, want, resumed(t, s))
	assert.Equal(t, want, resumed(t, s), "and so says every further start")
}

func TestTheItemsOfACallAreNotedTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seqs []int64
		want []pipeline.Range
	}{
		"none":              {nil, nil},
		"one":               {[]int64{4}, []pipeline.Range{{From: 4, To: 5}}},
		"a block":           {[]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []pipeline.Range{{From: 0, To: 10}}},
		"a block with gaps": {[]int64{0, 2, 3, 7, 8, 9}, []pipeline.Range{{From: 0, To: 1}, {From: 2, To: 4}, {From: 7, To: 10}}},
		"in another order":  {[]int64{8, 9, 1, 2, 0}, []pipeline.Range{{From: 0, To: 3}, {From: 8, To: 10}}},
		"twice":             {[]int64{5, 5, 6}, []pipeline.Range{{From: 5, To: 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustOpenStore(t)
			l := mustLedger(t, s, "offer")
			mustBegin(t, l, "R1")
			require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Claim: &pipeline.Claim{Range: pipeline.Range{From: 0, To: 10}}}))
			require.NoError(t, l.Sending(c.seqs...))
			require.NoError(t, l.Close())
			assert.Equal(t, c.want, resumed(t, s))
		})
	}
}

func TestWhatCanNotBeNotedIsSaid(t *testing.T) {
	t.Parallel()
	l := mustLedger(t, mustOpenStore(t), "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.journal.file.Close())
	require.ErrorContains(t, l.Sending(1, 2, 7), "note what is being sent")
	l.journal = nil
	require.NoError(t, l.Close())
}

func TestAJournalThatCanNotBeBelievedLeavesEveryClaimInDoubt(t *testing.T) {
	t.Parallel()
	all := []pipeline.Range{{From: 0, To: 10}}
	for name, spoil := range map[string]func(t *testing.T, path string){
		"lost with the machine": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"of another boot": func(t *testing.T, path string) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			text[len("batch sending 1\n")] ^= 1
			require.NoError(t, os.WriteFile(path, text, 0o600))
		},
		"cut short":           func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, journalHead-1)) },
		"cut behind its head": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, journalHead+9)) },
		"empty":               func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) },
		"of an older run": func(t *testing.T, path string) {
			text := append(journalHeader("R0"), make([]byte, 10)...)
			require.NoError(t, os.WriteFile(path, text, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustOpenStore(t)
			claimedAndDied(t, s)
			spoil(t, filepath.Join(s.JobDir("offer"), journalFile))
			assert.Equal(t, all, resumed(t, s))
			assert.Equal(t, all, resumed(t, s), "the start after it, whose journal is believed, must not forget them")
		})
	}
}

func TestALedgerThatLostTheRunOfItsJournalIsDamaged(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	claimedAndDied(t, s)
	text := append(journalHeader("R2"), make([]byte, 10)...)
	require.NoError(t, os.WriteFile(filepath.Join(s.JobDir("offer"), journalFile), text, 0o600))
	for range 2 {
		_, err := s.Ledger(t.Context(), "offer")
		var damaged *DamagedError
		require.ErrorAs(t, err, &damaged)
		require.ErrorContains(t, err, "it has lost run R2")
	}
}

func TestACompletedRunLeavesNoJournal(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Mark: 3, Outcomes: outcomesOf(0, 3)}))
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Completed})
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(s.JobDir("offer"), journalFile))
	mustBegin(t, l, "R2")
	require.NoError(t, l.Sending(0))
	require.NoError(t, l.Close())
	require.FileExists(t, filepath.Join(s.JobDir("offer"), journalFile))
}
