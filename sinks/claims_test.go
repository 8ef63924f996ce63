package sinks

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

func claim(from, to int64, at time.Time) pipeline.Claim {
	return pipeline.Claim{Range: pipeline.Range{From: from, To: to}, At: at}
}

func TestOfClaimsThatOverlapTheEarliestTimeCounts(t *testing.T) {
	t.Parallel()
	first, second, unknown := noon, noon.Add(time.Hour), time.Time{}
	assert.Empty(t, disjoint(nil))
	assert.Equal(t,
		[]pipeline.Claim{claim(0, 15, first), claim(15, 20, second), claim(30, 40, unknown), claim(40, 50, first)},
		disjoint([]pipeline.Claim{claim(5, 20, second), claim(0, 10, first), claim(10, 15, first), claim(30, 50, first), claim(30, 40, unknown)}))
}

func TestWhatWasNotedWithoutAClaimHasNoTime(t *testing.T) {
	t.Parallel()
	noted := []pipeline.Range{{From: 0, To: 4}, {From: 8, To: 25}, {From: 40, To: 41}}
	claims := []pipeline.Claim{claim(2, 10, noon), claim(12, 20, noon.Add(time.Hour))}
	assert.Equal(t, []pipeline.Claim{
		claim(0, 2, time.Time{}), claim(2, 4, noon),
		claim(8, 10, noon), claim(10, 12, time.Time{}), claim(12, 20, noon.Add(time.Hour)), claim(20, 25, time.Time{}),
		claim(40, 41, time.Time{}),
	}, withTimes(noted, claims))
}

// What was sent before claims had a time does not carry its key, so that it
// would be looked for in vain.
func TestAClaimOfAnOlderLedgerHasNoTime(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	text, err := embedded.ReadFile("migrations/0001_ledger.sql")
	require.NoError(t, err)
	l, err := s.ledger(t.Context(), "offer", fstest.MapFS{"migrations/0001_ledger.sql": {Data: text}})
	require.NoError(t, err)
	mustBegin(t, l, "R1")
	require.NoError(t, l.duck.exec(t.Context(), "INSERT INTO claims VALUES ('R1', 0, 10)"))
	require.NoError(t, l.journal.reserve(10))
	require.NoError(t, l.Sending(3))
	require.NoError(t, l.Close())

	l = mustLedger(t, s, "offer")
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, []pipeline.Claim{claim(3, 4, time.Time{})}, p.Claims)
}
