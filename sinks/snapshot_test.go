package sinks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type contact struct {
	ProjectID  string    `parquet:"project_id"`
	ID         string    `parquet:"id"`
	Body       string    `parquet:"body"`
	ExportedAt time.Time `parquet:"exported_at,timestamp(microsecond)"`
}

var contacts = Dataset{Name: "contacts", Row: contact{}, PartitionBy: "run_id", Snapshot: true, Kinds: []string{"contact_export"}}

// exported is a run that writes a snapshot: of each id the body.
type exported struct {
	job, run, request string
	dataset, kind     string // contacts and contact_export when empty
	at                time.Time
	state             RunState // Completed when empty
	bodies            map[string]string
	row               func(id, body string) any // contact when nil
}

// mustExport makes a run with one record an item, each in a commit of its own.
func mustExport(t testing.TB, s *Store, e exported, sets ...Dataset) {
	t.Helper()
	l, err := s.Ledger(t.Context(), e.job)
	require.NoError(t, err)
	mustRun(t, l, e, sets...)
	require.NoError(t, l.Close())
}

func mustRun(t testing.TB, l *Ledger, e exported, sets ...Dataset) {
	t.Helper()
	if e.dataset == "" {
		e.dataset, sets = "contacts", []Dataset{contacts}
	}
	if e.kind == "" {
		e.kind = "contact_export"
	}
	if e.at.IsZero() {
		e.at = noon
	}
	if e.state == "" {
		e.state = Completed
	}
	if e.row == nil {
		e.row = func(id, body string) any { return contact{ProjectID: "P", ID: id, Body: body, ExportedAt: e.at} }
	}
	require.NoError(t, l.Begin(t.Context(), Run{ID: e.run, Kind: e.kind, Request: e.request, StartedAt: e.at}, nil))
	sink := l.Sink(e.run, sets)
	for id, body := range e.bodies {
		o := outcomesOf(l.Counts().Settled(), l.Counts().Settled()+1)
		o[0].Records = []pipeline.Record{{Dataset: e.dataset, Partition: "run_id=" + e.run, Row: e.row(id, body)}}
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: o[0].Seq + 1}))
	}
	if e.state != Running {
		_, err := l.Finish(t.Context(), Run{ID: e.run, State: e.state, StartedAt: e.at})
		require.NoError(t, err)
	}
}

func TestASnapshotShowsTheLatestCompletedRunOfEachScope(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustExport(t, s, exported{job: "nightly", run: "R1", request: "P", bodies: map[string]string{"a": "1", "b": "1"}})
	mustExport(t, s, exported{job: "nightly", run: "R2", request: "P", bodies: map[string]string{"a": "2"}})
	mustExport(t, s, exported{job: "other", run: "R3", request: "Q", bodies: map[string]string{"a": "3", "q": "3"}})
	assert.Equal(t, "id,body,run_id\na,2,R2\na,3,R3\nq,3,R3\n", mustQuery(t, s, "SELECT id, body, run_id FROM contacts ORDER BY ALL", contacts))
	assert.Equal(t, "run_id,n\nR1,2\nR2,1\nR3,2\n", mustQuery(t, s, "SELECT run_id, count(*) AS n FROM contacts_history GROUP BY ALL ORDER BY ALL", contacts))

	// Of two jobs that list the same the later run counts, whichever job's it is.
	mustExport(t, s, exported{job: "weekly", run: "R4", request: "P", at: noon.Add(time.Hour), bodies: map[string]string{"c": "4"}})
	mustExport(t, s, exported{job: "nightly", run: "R5", request: "P", at: noon.Add(time.Minute), bodies: map[string]string{"d": "5"}})
	assert.Equal(t, "id\nc\n", mustQuery(t, s, "SELECT id FROM contacts WHERE run_id != 'R3'", contacts))

	// A kind that does not write the dataset says nothing about it.
	mustExport(t, s, exported{job: "sending", run: "R6", request: "P", kind: "bulk_send", at: noon.Add(2 * time.Hour)})
	assert.Equal(t, "id\nc\n", mustQuery(t, s, "SELECT id FROM contacts WHERE run_id != 'R3'", contacts))
}

// talk is a row of a list that can be read by app; its id begins with the app.
type talk struct {
	AppID      string    `parquet:"app_id"`
	ID         string    `parquet:"id"`
	Body       string    `parquet:"body"`
	ExportedAt time.Time `parquet:"exported_at,timestamp(microsecond)"`
}

// Whether a part was read alone or with the rest, the latest run that read it
// says what there is of it, and each id is there once.
func TestOfEachPartOfASnapshotTheLatestIsShown(t *testing.T) {
	t.Parallel()
	set := Dataset{Name: "talks", Row: talk{}, PartitionBy: "run_id", Snapshot: true, Kinds: []string{"talk_export"}, Part: "app_id"}
	s := mustOpenStore(t)
	export := func(run, request string, ids ...string) {
		bodies := map[string]string{}
		for _, id := range ids {
			bodies[id] = "-"
		}
		mustExport(t, s, exported{job: "job-" + strings.ReplaceAll(request, "/", "-"), run: run, request: request, dataset: "talks", kind: "talk_export", bodies: bodies,
			at:  noon.Add(time.Duration(run[1]-'0') * time.Hour),
			row: func(id, body string) any { return talk{AppID: id[:1], ID: id, Body: body} }}, set)
	}
	shows := func(want, why string) {
		t.Helper()
		assert.Equal(t, "ids\n"+want+"\n", mustQuery(t, s, "SELECT string_agg(id || ':' || run_id, ' ' ORDER BY id, run_id) AS ids FROM talks", set), why)
	}
	export("R1", "P/x", "x1", "x2")
	shows("x1:R1 x2:R1", "nobody read all")
	export("R2", "P", "x1", "y1", "y2")
	shows("x1:R2 y1:R2 y2:R2", "x2 is gone, which the later run saw")
	export("R3", "P/y", "y2", "y3")
	shows("x1:R2 y2:R3 y3:R3", "y1 is gone, which the run of its part saw")
	export("R4", "P/x")
	shows("y2:R3 y3:R3", "of a part nothing is left")
	export("R5", "P/y", "y3", "y4")
	shows("y3:R5 y4:R5", "")
	assert.Equal(t, "change,id,from_run,to_run\nadded,y4,R3,R5\nremoved,x1,R1,R4\nremoved,x2,R1,R4\nremoved,y2,R3,R5\n",
		mustQuery(t, s, "SELECT change, id, from_run, to_run FROM talks_changes ORDER BY ALL", set))
	export("R6", "Px/y", "y9") // of another project
	shows("y3:R5 y4:R5 y9:R6", "")
	export("R7", "P", "y4", "x5")
	shows("x5:R7 y4:R7 y9:R6", "")
	assert.Equal(t, "change,id,from_run,to_run\nadded,x5,R2,R7\nadded,y4,R2,R7\nremoved,x1,R2,R7\nremoved,y1,R2,R7\nremoved,y2,R2,R7\n",
		mustQuery(t, s, "SELECT change, id, from_run, to_run FROM talks_changes ORDER BY ALL", set), "of what is shown alone")
	assert.Equal(t, "n\n12\n", mustQuery(t, s, "SELECT count(*) AS n FROM talks_history", set))

	set.Part = ""
	shows("x5:R7 y3:R5 y4:R5 y4:R7 y9:R6", "lists that are no parts of each other")
	set.Part = "nothing"
	_, err := s.Views([]Dataset{set})()
	assert.ErrorContains(t, err, "its part nothing is not a column")
}

func TestASnapshotThatFoundNothingShowsNothing(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustExport(t, s, exported{job: "nightly", run: "R1", request: "P", bodies: map[string]string{"a": "1"}})
	mustExport(t, s, exported{job: "nightly", run: "R2", request: "P"})
	assert.Equal(t, "project_id,id,body,run_id,exported_at\n", mustQuery(t, s, "FROM contacts", contacts))
	assert.Equal(t, "change,id,from_run,to_run,before,after\nremoved,a,R1,R2,1,\n", mustQuery(t, s, "FROM contacts_changes", contacts))
	mustExport(t, s, exported{job: "nightly", run: "R3", request: "P", bodies: map[string]string{"a": "1"}})
	assert.Equal(t, "change,id,from_run,to_run,before,after\nadded,a,R2,R3,,1\n", mustQuery(t, s, "FROM contacts_changes", contacts))
	mustExport(t, s, exported{job: "nightly", run: "R4", request: "P"})
	mustExport(t, s, exported{job: "nightly", run: "R5", request: "P"})
	assert.Equal(t, "change,id,from_run,to_run,before,after\n", mustQuery(t, s, "FROM contacts_changes", contacts), "two that found nothing do not differ")
}

func TestASnapshotThatIsNotCompletedIsNotShown(t *testing.T) {
	t.Parallel()
	for _, state := range []RunState{Running, Interrupted, Failed} {
		s := mustOpenStore(t)
		mustExport(t, s, exported{job: "nightly", run: "R1", request: "P", bodies: map[string]string{"a": "1"}})
		l := mustLedger(t, s, "nightly")
		mustRun(t, l, exported{run: "R2", request: "P", state: state, bodies: map[string]string{"b": "2"}})
		assert.Equal(t, "id\na\n", mustQuery(t, s, "SELECT id FROM contacts", contacts), state)
		assert.Equal(t, "id\na\nb\n", mustQuery(t, s, "SELECT id FROM contacts_history ORDER BY id", contacts), state)
		require.NoError(t, l.Close())
		assert.Equal(t, "id\na\n", mustQuery(t, s, "SELECT id FROM contacts", contacts), "nor when nobody runs it any more")

		l = mustLedger(t, s, "nightly")
		p, err := l.Resume(t.Context(), "R2")
		require.NoError(t, err)
		o := outcomesOf(p.Mark, p.Mark+1)
		o[0].Records = []pipeline.Record{{Dataset: "contacts", Partition: "run_id=R2", Row: contact{ID: "c"}}}
		require.NoError(t, l.Sink("R2", []Dataset{contacts}).Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: p.Mark + 1}))
		_, err = l.Finish(t.Context(), Run{ID: "R2", State: Completed, StartedAt: noon})
		require.NoError(t, err)
		assert.Equal(t, "id\nb\nc\n", mustQuery(t, s, "SELECT id FROM contacts ORDER BY id", contacts), "once resumed and completed it is shown whole")
	}
}

func TestACrashNeverShowsAPartOfASnapshot(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustExport(t, s, exported{job: "nightly", run: "R1", request: "P", bodies: map[string]string{"a": "1"}})
	l, err := s.Ledger(t.Context(), "nightly")
	require.NoError(t, err)
	mustRun(t, l, exported{run: "R2", request: "P", state: Running, bodies: map[string]string{"b": "2"}})
	// Committed, and the process died before it was published.
	o := outcomesOf(1, 2)
	o[0].Records = []pipeline.Record{{Dataset: "contacts", Partition: "run_id=R2", Row: contact{ID: "c", Body: "2"}}}
	require.NoError(t, l.commit(t.Context(), newWriter([]Dataset{contacts}), pipeline.Commit{Outcomes: o, Mark: 2}))
	rest := filepath.Join(l.dir, stagingDir, "R2-000003-0.parquet")
	require.NoError(t, os.WriteFile(rest, []byte("PAR1"), 0o600))
	assert.Equal(t, "id\na\n", mustQuery(t, s, "SELECT id FROM contacts", contacts))
	// And it died before the history told that the run was completed.
	require.NoError(t, l.end(t.Context(), Run{ID: "R2", State: Completed, StartedAt: noon}))
	require.NoError(t, errors.Join(l.duck.close(), l.lock.Close(), l.journal.close()))
	release(l.path)
	assert.Equal(t, "id\na\n", mustQuery(t, s, "SELECT id FROM contacts", contacts))

	require.NoError(t, s.Settle(t.Context(), "nightly"))
	assert.Equal(t, "id\nb\nc\n", mustQuery(t, s, "SELECT id FROM contacts ORDER BY id", contacts))
	assert.NoFileExists(t, rest)
}

func TestChangesBetweenSnapshots(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	mustExport(t, s, exported{job: "nightly", run: "R1", request: "P", bodies: map[string]string{"a": "1", "b": "1", "c": "1", "": "1"}})
	mustExport(t, s, exported{job: "other", run: "Q1", request: "Q", bodies: map[string]string{"a": "x", "z": "x"}})
	assert.Equal(t, "change,id,from_run,to_run,before,after\n", mustQuery(t, s, "FROM contacts_changes", contacts), "nothing to compare with")
	mustExport(t, s, exported{job: "nightly", run: "R2", request: "P", bodies: map[string]string{"a": "1", "b": "2", "c": "1", "d": "2", "": "2"}})
	mustExport(t, s, exported{job: "nightly", run: "R3", request: "P", bodies: map[string]string{"a": "1", "b": "3", "d": "2", "e": "3"}})
	mustExport(t, s, exported{job: "other", run: "Q2", request: "Q", bodies: map[string]string{"a": "y", "z": "x"}})
	assert.Equal(t, "change,id,from_run,to_run,before,after\nadded,e,R2,R3,,3\nchanged,a,Q1,Q2,x,y\nchanged,b,R2,R3,2,3\nremoved,c,R2,R3,1,\n",
		mustQuery(t, s, "FROM contacts_changes ORDER BY ALL", contacts), "each scope by itself")
	assert.Equal(t, "change,id,from_run,to_run,before,after\nadded,d,R1,R3,,2\nadded,e,R1,R3,,3\nchanged,b,R1,R3,1,3\nremoved,c,R1,R3,1,\n",
		mustQuery(t, s, "FROM contacts_diff('R1', 'R3') ORDER BY ALL", contacts))
	assert.Equal(t, "n\n0\n", mustQuery(t, s, "SELECT count(*) AS n FROM contacts_diff('R2', 'R2')", contacts))
}

func TestASnapshotIsReadFromItsOwnFilesAlone(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	for i := range 5 {
		mustExport(t, s, exported{job: "nightly", run: fmt.Sprint("R", i), request: "P", bodies: map[string]string{"a": fmt.Sprint(i)}})
	}
	files := func(query string) string { return mustQuery(t, s, "EXPLAIN ANALYZE "+query, contacts) }
	latest := files("SELECT body FROM contacts")
	assert.Contains(t, latest, "Total Files Read: 1")
	assert.NotContains(t, latest, "Total Files Read: 5")
	assert.Contains(t, files("SELECT body FROM contacts_history WHERE run_id = 'R3'"), "Scanning Files: 1/5")
	diff := files("FROM contacts_diff('R1', 'R3')")
	assert.Contains(t, diff, "Scanning Files: 1/5")
	assert.NotContains(t, diff, "Total Files Read: 5")
}

func TestSnapshotsMayLieAnywhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"run_id=x", "a[b]c", "star*", "it's"} {
		s, err := OpenStore(filepath.Join(t.TempDir(), name))
		require.NoError(t, err)
		mustExport(t, s, exported{job: "nightly", run: "R1", request: "P", bodies: map[string]string{"a": "1"}})
		mustExport(t, s, exported{job: "nightly", run: "R2", request: "P", bodies: map[string]string{"a": "2"}})
		assert.Equal(t, "id,run_id\na,R2\n", mustQuery(t, s, "SELECT id, run_id FROM contacts", contacts), name)
		for _, query := range []string{"FROM contacts_changes", "FROM contacts_diff('R1', 'R2')"} {
			assert.Equal(t, "change,id,from_run,to_run,before,after\nchanged,a,R1,R2,1,2\n", mustQuery(t, s, query, contacts), name)
		}
	}
}
