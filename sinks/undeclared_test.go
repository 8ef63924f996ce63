package sinks

import (
	"os"
	"path/filepath"
	"testing"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFoldersThatNobodyDeclaredHaveViews(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	list := func(name string) Dataset {
		return Dataset{Name: name, Row: contact{}, PartitionBy: "run_id", Snapshot: true, Kinds: []string{"api_list"}}
	}
	export := func(run, dataset, request string, bodies map[string]string) {
		mustExport(t, s, exported{job: "list", run: run, dataset: dataset, kind: "api_list", request: request, bodies: bodies}, list(dataset))
	}
	export("R1", "templates", "t", map[string]string{"a": "1", "b": "1"})
	export("R2", "templates", "t", map[string]string{"a": "2"})
	export("R3", "Senders", "s", map[string]string{"x": "3"})
	export("R4", "Senders", "s", nil)
	export("R5", "contacts_history", "h", map[string]string{"not": "shown"})
	export("R6", "with space", "w", map[string]string{"not": "shown"})
	mustExport(t, s, exported{job: "nightly", run: "R7", bodies: map[string]string{"c": "7"}})
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R8")
	o := withPeople(outcomesOf(0, 2))
	o[1].Records = []pipeline.Record{{Dataset: "messages", Partition: "date=2026-03-01", Row: person{ID: "m"}}}
	require.NoError(t, l.Sink("R8", []Dataset{people, dated}).Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: 2}))
	require.NoError(t, os.MkdirAll(filepath.Join(s.Dir(), "datasets/empty"), 0o700))

	assert.Equal(t, "id,body,run_id\na,2,R2\n", mustQuery(t, s, "SELECT id, body, run_id FROM templates", contacts))
	assert.Equal(t, "change,id,from_run,to_run,before,after\nchanged,a,R1,R2,1,2\nremoved,b,R1,R2,1,\n",
		mustQuery(t, s, "FROM templates_changes ORDER BY ALL", contacts))
	assert.Equal(t, "project_id,id,body,run_id,exported_at\n", mustQuery(t, s, "FROM senders", contacts))
	assert.Equal(t, "n\n1\n", mustQuery(t, s, "SELECT count(*) AS n FROM senders_history", contacts))
	assert.Equal(t, "id\nc\n", mustQuery(t, s, "SELECT id FROM contacts_history", contacts), "what is declared comes first")
	assert.Equal(t, "id,name,tags\np000000,Ada,\"[\"\"a\"\",\"\"b\"\"]\"\n", mustQuery(t, s, "FROM people", contacts))
	assert.Equal(t, "id,date\nm,2026-03-01\n", mustQuery(t, s, "SELECT id, date FROM messages", contacts))
	assert.Equal(t, "name\npeople\n", mustQuery(t, s, "SELECT name FROM (SHOW TABLES) WHERE name IN ('empty', 'with space', 'people')", contacts))
	// The types are those that would have been declared.
	describe := "SELECT * FROM (DESCRIBE templates)"
	assert.Equal(t, mustQuery(t, s, describe, list("templates")), mustQuery(t, s, describe))
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir(), "datasets/people/R9-000001.parquet"), []byte("no Parquet"), 0o600))
	_, err := s.Views(nil)()
	require.ErrorContains(t, err, "dataset people: read "+s.Dir())
}

func TestFilesSayTheSameTypesAsTheDatasetDeclares(t *testing.T) {
	t.Parallel()
	s := mustFill(t, filepath.Join(t.TempDir(), "store"))
	describe := "SELECT column_name, column_type FROM (DESCRIBE wide)"
	assert.Equal(t, mustQuery(t, s, describe, wideSet), mustQuery(t, s, describe))
}
