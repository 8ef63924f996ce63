package sinks

import (
	"fmt"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type consent struct {
	AppID     string    `parquet:"app_id"`
	Identity  string    `parquet:"identity"`
	State     string    `parquet:"state"`
	ChangedAt time.Time `parquet:"changed_at,optional,timestamp(microsecond)"`
}

var consents = Dataset{Name: "consents", Row: consent{}, Latest: []string{"app_id", "identity"}, OrderBy: "changed_at"}

// mustSay commits rows of one log, each slice in a commit of its own.
func mustSay(t testing.TB, l *Ledger, run string, commits ...[]consent) {
	t.Helper()
	sink := l.Sink(run, []Dataset{consents})
	for _, rows := range commits {
		at := l.Counts().Settled()
		o := outcomesOf(at, at+int64(len(rows)))
		for i, row := range rows {
			o[i].Records = []pipeline.Record{{Dataset: "consents", Row: row}}
		}
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: at + int64(len(rows))}))
	}
}

func TestALogShowsTheLatestOfEachKey(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	const states = "SELECT app_id, identity, state FROM consents ORDER BY ALL"
	assert.Equal(t, "app_id,identity,state\n", mustQuery(t, s, states, consents))
	later := noon.Add(time.Minute)
	l := mustLedger(t, s, "optouts")
	mustBegin(t, l, "R1")
	mustSay(t, l, "R1",
		[]consent{{"A", "+1", "out", later}, {"A", "+2", "out", noon}, {"B", "+1", "out", noon}},
		[]consent{{"A", "+1", "in", noon}, {"A", "+2", "in", later}})
	assert.Equal(t, "app_id,identity,state\nA,+1,out\nA,+2,in\nB,+1,out\n", mustQuery(t, s, states, consents), "whatever the order of the commits")
	assert.Equal(t, "n\n5\n", mustQuery(t, s, "SELECT count(*) AS n FROM consents_history", consents))
	assert.Equal(t, "app_id,identity,state,changed_at\n", mustQuery(t, s, "FROM consents WHERE false", consents))

	// A run that stopped, and one that came after it, count as they are.
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Interrupted, StartedAt: noon})
	require.NoError(t, err)
	mustBegin(t, l, "R2")
	mustSay(t, l, "R2", []consent{{"A", "+1", "in", later.Add(time.Second)}})
	assert.Equal(t, "app_id,identity,state\nA,+1,in\nA,+2,in\nB,+1,out\n", mustQuery(t, s, states, consents))
}

func TestOfRowsOfALogThatAreEquallyLateTheOneCommittedLastIsShown(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "optouts")
	mustBegin(t, l, "R1")
	state := func() string {
		return mustQuery(t, s, "SELECT state, changed_at IS NULL AS undated FROM consents", consents)
	}
	mustSay(t, l, "R1", []consent{{State: "undated"}})
	assert.Equal(t, "state,undated\nundated,true\n", state(), "without a time it is the first")
	mustSay(t, l, "R1", []consent{{State: "in", ChangedAt: noon}, {State: "out", ChangedAt: noon}})
	assert.Equal(t, "state,undated\nout,false\n", state(), "within a commit")
	// Names of files are not in the order of their numbers.
	l.current.commits = 999_998
	require.NoError(t, l.duck.exec(t.Context(), "UPDATE positions SET commits = 999998"))
	for i := range 3 {
		mustSay(t, l, "R1", []consent{{State: fmt.Sprint("commit ", i), ChangedAt: noon}})
	}
	assert.Equal(t, "state,undated\ncommit 2,false\n", state(), "of commits")
	mustSay(t, l, "R1", []consent{{State: "undated"}})
	assert.Equal(t, "state,undated\ncommit 2,false\n", state(), "what has no time is older than what has")
	mustBegin(t, l, "R2")
	mustSay(t, l, "R2", []consent{{State: "next run", ChangedAt: noon}})
	assert.Equal(t, "state,undated\nnext run,false\n", state(), "of runs")
}

func TestALogIsAskedForOneKeyWithoutSortingAll(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "optouts")
	mustBegin(t, l, "R1")
	mustSay(t, l, "R1", []consent{{"A", "+1", "in", noon}, {"B", "+1", "out", noon}})
	plan := mustQuery(t, s, "EXPLAIN SELECT state FROM consents WHERE identity = '+1' AND app_id = 'B'", consents)
	assert.Contains(t, plan, "Filters:")
	assert.Contains(t, plan, "identity='+1'")
	assert.Equal(t, "state\nout\n", mustQuery(t, s, "SELECT state FROM consents WHERE identity = '+1' AND app_id = 'B'", consents))
}

func TestALogOfOlderFilesHasTheColumnsOfToday(t *testing.T) {
	t.Parallel()
	type older struct {
		Identity string `parquet:"identity"`
		State    string `parquet:"state"`
	}
	s := mustOpenStore(t)
	l := mustLedger(t, s, "optouts")
	mustBegin(t, l, "R1")
	o := outcomesOf(0, 2)
	for i := range o {
		o[i].Records = []pipeline.Record{{Dataset: "consents", Row: older{Identity: "+1", State: fmt.Sprint(i)}}}
	}
	require.NoError(t, l.Sink("R1", []Dataset{{Name: "consents", Row: older{}}}).Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: 2}))
	assert.Equal(t, "app_id,identity,state,changed_at\n,+1,1,\n", mustQuery(t, s, "FROM consents", consents))
}
