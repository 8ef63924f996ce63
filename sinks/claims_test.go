package sinks

import (
	"os"
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
func TestALedgerOfAnOlderBatchGoesOn(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	text, err := embedded.ReadFile("migrations/0001_ledger.sql")
	require.NoError(t, err)
	older := fstest.MapFS{"migrations/0001_ledger.sql": {Data: text}}
	require.NoError(t, os.MkdirAll(s.JobDir("offer"), 0o700))
	l := &Ledger{job: "offer", path: s.ledgerPath("offer"), dir: s.JobDir("offer")}
	l.duck, err = l.start(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.duck.attach(t.Context(), l.path))
	require.NoError(t, makeSchema(t.Context(), l.duck, older))
	for _, statement := range []string{
		`INSERT INTO runs VALUES (1, 'R1', 'bulk_send', 'running', 0, '2026-03-01 12:00:00Z', NULL, 20, 0, 0, 0, 0, '', 'input', '', '', '', NULL)`,
		"INSERT INTO positions VALUES ('R1', 2, 20, 7, 2, 1, 0, 0, 0, 0, 0)",
		"INSERT INTO claims VALUES ('R1', 0, 10)",
		`INSERT INTO outcomes VALUES ('R1', 0, 'k0', 'done', 200, 1, '', '', 'M0', '2026-03-01 12:00:00.000001Z', '{"a": "b"}'),
			('R1', 1, 'k1', 'done', 200, 1, '', '', 'M1', '2026-03-01 12:00:00Z', ''),
			('R1', 5, 'k"5', 'failed', 400, 2, 'INVALID', 'the API said "no"', '', '2026-03-01 12:00:00Z', '')`,
	} {
		require.NoError(t, l.duck.exec(t.Context(), statement))
	}
	require.NoError(t, l.duck.close())

	l = mustLedger(t, s, "offer")
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, []pipeline.Claim{claim(2, 10, time.Time{})}, p.Claims)
	assert.Equal(t, []pipeline.Range{{From: 5, To: 6}}, p.Settled)
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(2, 5), Mark: 6}))
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Interrupted, StartedAt: noon})
	require.NoError(t, err)
	assert.Equal(t, `seq,key,state,http_status,attempts,error_code,error,ref,finished_at,response
0,k0,done,200,1,,,M0,2026-03-01T12:00:00.000001Z,"{""a"": ""b""}"
5,"k""5",failed,400,2,INVALID,"the API said ""no""",,2026-03-01T12:00:00Z,
`, mustQuery(t, s, "SELECT * EXCLUDE (run_id, job) FROM results WHERE seq IN (0, 5) ORDER BY seq"))
}
