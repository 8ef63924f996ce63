package sinks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustQuery(t testing.TB, s *Store, query string, sets ...Dataset) string {
	t.Helper()
	return mustQueryAs(t, s, FormatCSV, query, sets...)
}

func mustQueryAs(t testing.TB, s *Store, format Format, query string, sets ...Dataset) string {
	t.Helper()
	views := s.Views(sets)
	r, err := s.Query(t.Context(), query, views, QueryOptions{})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	var b bytes.Buffer
	_, err = r.Write(&b, format)
	require.NoError(t, err)
	return b.String()
}

// mustFill makes a store with two runs of a job and records in datasets.
func mustFill(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir)
	require.NoError(t, err)
	l, err := s.Ledger(t.Context(), "offer")
	require.NoError(t, err)
	mustBegin(t, l, "R1")
	outcomes := withPeople(outcomesOf(0, 3))
	outcomes[0].Records = append(outcomes[0].Records, pipeline.Record{Dataset: "messages", Partition: "date=2026-03-01", Row: person{ID: "m1"}})
	outcomes[1].State, outcomes[1].Error = pipeline.Failed, "the API said no"
	at := noon.Add(123456 * time.Microsecond)
	outcomes[2].Records = append(outcomes[2].Records, pipeline.Record{Dataset: "wide", Row: wide{ID: "w", Number: 1 << 60, At: at, Maybe: &at,
		Tags: []string{"a"}, Labels: map[string]string{"k": "v"}, Bytes: []byte{0, 1}, Enumerated: "E"}})
	sets := []Dataset{people, dated, wideSet}
	require.NoError(t, l.Sink("R1", sets).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 3}))
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon, FinishedAt: noon})
	require.NoError(t, err)
	mustBegin(t, l, "R2")
	require.NoError(t, l.Close())
	return s
}

func TestWhatAQueryDoesNotSpeakOfIsNotInItsWay(t *testing.T) {
	t.Parallel()
	s := mustFill(t, t.TempDir())
	broken := map[string]string{"results": "jobs/offer/results", "people": "datasets/people", "strays": "datasets/strays"}
	for _, dir := range broken {
		require.NoError(t, os.MkdirAll(filepath.Join(s.Dir(), dir), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(s.Dir(), dir, "zzz.parquet"), []byte("no parquet"), 0o600))
	}
	ask := func(query string) error {
		return s.Stream(t.Context(), query, s.ViewsFor(query, []Dataset{people, wideSet}), QueryOptions{}, func([]any) error { return nil })
	}
	require.NoError(t, ask(`SELECT * FROM Wide, "runs"`))
	for name := range broken {
		require.Error(t, ask("SELECT * FROM "+name), name)
	}
	require.ErrorContains(t, ask("SELECT * FROM nothing"), "nothing does not exist")
}

func TestViewsOfAnEmptyStoreHaveColumnsAndNoRows(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	sets := []Dataset{people, dated, wideSet}
	for _, name := range []string{"runs", "results", "people", "messages", "wide"} {
		assert.Equal(t, "n\n0\n", mustQuery(t, s, "SELECT count(*) AS n FROM "+name, sets...), name)
	}
	assert.Equal(t, "id,name,tags,date\n", mustQuery(t, s, "FROM messages", sets...))

	mustLedger(t, s, "first") // whose first run is about to begin, perhaps with rows of a query
	assert.Equal(t, "n\n0\n", mustQuery(t, s, "SELECT count(*) AS n FROM runs", sets...))
}

// A job takes its first input down for minutes before it has a run.
func TestAJobWithoutARunIsInNobodysWay(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "first")
	assert.Equal(t, "n\n0\n", mustQuery(t, s, "SELECT count(*) AS n FROM runs"))
	mustBegin(t, l, "R1")
	assert.Equal(t, "n\n1\n", mustQuery(t, s, "SELECT count(*) AS n FROM runs"))
}

func TestViewsHaveTheSameTypesEmptyAndFilled(t *testing.T) {
	t.Parallel()
	sets := []Dataset{people, dated, wideSet}
	filled := mustFill(t, filepath.Join(t.TempDir(), "store"))
	for _, name := range []string{"runs", "results", "people", "messages", "wide"} {
		query := "SELECT column_name, column_type FROM (DESCRIBE " + name + ")"
		assert.Equal(t, mustQuery(t, mustOpenStore(t), query, sets...), mustQuery(t, filled, query, sets...), name)
	}
	// What DuckDB makes of the file itself is what the view says.
	file := filepath.Join(filled.Dir(), "datasets/wide/R1-000001.parquet")
	assert.Equal(t, mustQuery(t, filled, "SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet("+quote(file)+"))"),
		mustQuery(t, filled, "SELECT column_name, column_type FROM (DESCRIBE wide)", sets...))
}

func TestViewsShowWhatIsInTheStore(t *testing.T) {
	t.Parallel()
	s := mustFill(t, filepath.Join(t.TempDir(), "store"))
	assert.Equal(t, "job,run_id,kind,state,started_at,finished_at,rows,done,failed\n"+
		"offer,R1,bulk_send,completed,2026-03-01T12:00:00Z,2026-03-01T12:00:00Z,3,2,1\n"+
		"offer,R2,bulk_send,interrupted,2026-03-01T12:00:00Z,,0,0,0\n", // nobody runs it any more
		mustQuery(t, s, "SELECT job, run_id, kind, state, started_at, finished_at, rows, done, failed FROM runs ORDER BY run_id"))
	assert.Equal(t, "job,run_id,seq,key,state,http_status,attempts,error_code,error,ref,finished_at,response\n"+
		"offer,R1,1,k1,failed,200,1,,the API said no,,2026-03-01T12:00:00Z,\n",
		mustQuery(t, s, "FROM results WHERE state = 'failed'"))
	assert.Equal(t, "id,name,tags,date\nm1,,[],2026-03-01\n", mustQuery(t, s, "FROM messages WHERE date = DATE '2026-03-01'", dated))
	assert.Equal(t, "a_third\n3\n", mustQuery(t, s, "SELECT count(*) AS a_third FROM people WHERE name = 'Ada' AND tags = ['a', 'b']", people))
	l := mustLedger(t, s, "offer")
	_, err := l.Resume(t.Context(), "R2")
	require.NoError(t, err)
	assert.Equal(t, "state\nrunning\n", mustQuery(t, s, "SELECT state FROM runs WHERE run_id = 'R2'"), "and while the job runs")
}

func TestAStoreMayLieAnywhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space", "it's", `"quoted"`, "a[b]c", "star*", "percent%20", "hash#", "semi;colon", "ünïcode", "date=2026-01-01", "{a,b}"} {
		dir := filepath.Join(t.TempDir(), name)
		s := mustFill(t, dir)
		assert.Equal(t, "n,date\n1,2026-03-01\n", mustQuery(t, s, "SELECT count(*) AS n, date FROM messages GROUP BY date", dated), name)
		assert.Equal(t, "n,job\n3,offer\n", mustQuery(t, s, "SELECT count(*) AS n, job FROM results GROUP BY job"), name)
		assert.Equal(t, "n\n2\n", mustQuery(t, s, "SELECT count(*) AS n FROM runs"), name)
		l := mustLedger(t, s, "offer")
		_, err := l.Resume(t.Context(), "R2")
		require.NoError(t, err, name)
	}
}

func TestAQueryOfADayReadsTheFilesOfThatDay(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "archive")
	mustBegin(t, l, "R1")
	outcomes := outcomesOf(0, 3)
	for i := range outcomes {
		outcomes[i].Records = []pipeline.Record{{Dataset: "messages", Partition: fmt.Sprint("date=2026-03-0", i+1), Row: person{ID: "m"}}}
	}
	require.NoError(t, l.Sink("R1", []Dataset{dated}).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 3}))
	assert.Contains(t, mustQuery(t, s, "EXPLAIN ANALYZE SELECT id FROM messages WHERE date = DATE '2026-03-02'", dated), "Scanning Files: 1/3")
}

func TestAFileWithoutAColumnOfTodayIsRead(t *testing.T) {
	t.Parallel()
	type older struct {
		ID string `parquet:"id"`
	}
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	outcomes := outcomesOf(0, 1)
	outcomes[0].Records = []pipeline.Record{{Dataset: "people", Row: older{ID: "p"}}}
	require.NoError(t, l.Sink("R1", []Dataset{{Name: "people", Row: older{}}}).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 1}))
	assert.Equal(t, "id,name,tags\np,,\n", mustQuery(t, s, "FROM people", people))
}

func TestAQueryReadsTheStoreAndNothingElseAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := mustFill(t, filepath.Join(t.TempDir(), "store"))
	outside := filepath.Join(t.TempDir(), "outside.csv")
	require.NoError(t, os.WriteFile(outside, []byte("a\n1\n"), 0o600))
	views := s.Views([]Dataset{people})
	inside := filepath.Join(s.Dir(), datasetsDir, "people", "x.parquet")
	ledger := s.ledgerPath("offer")
	for _, query := range []string{
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM read_csv('" + outside + "')",
		"SELECT * FROM '" + outside + "'",
		"SELECT * FROM glob('/etc/*')",
		"SELECT * FROM read_blob('" + ledger + "')",
		"SELECT * FROM read_text('" + filepath.Join(s.Dir(), datasetsDir, "..", "store") + "')",
		"SELECT * FROM read_csv('https://example.com/x.csv')",
		"COPY people TO '" + inside + "' (FORMAT parquet)",
		"COPY people TO '" + outside + "'",
		"EXPLAIN ANALYZE COPY people TO '" + inside + "' (FORMAT parquet)",
		"/* a */ EXPLAIN ANALYZE COPY people TO '" + inside + "' (FORMAT parquet)",
		"EXPLAIN (FORMAT json) COPY people TO '" + inside + "'",
		"SELECT 1; COPY people TO '" + inside + "' (FORMAT parquet)",
		"COPY people TO '" + inside + "' (FORMAT parquet); SELECT 1",
		"EXPLAIN SELECT 1; COPY people TO '" + inside + "' (FORMAT parquet)",
		"EXPORT DATABASE '" + filepath.Dir(inside) + "'",
		"ATTACH '" + ledger + "' AS l (READ_ONLY)",
		"ATTACH '" + inside + "' AS l",
		"CREATE TABLE t (a INTEGER)",
		"DROP VIEW people",
		"SET enable_external_access = true",
		"SET lock_configuration = false",
		"RESET enable_external_access",
		"INSTALL httpfs",
		"LOAD httpfs",
		"PRAGMA enable_profiling",
		"CALL pragma_version()",
		"PREPARE p AS SELECT 1",
		"CHECKPOINT",
		"SELECT nothing FROM people",
		"SELEC 1",
		"",
	} {
		r, err := s.Query(t.Context(), query, views, QueryOptions{})
		if err == nil {
			_, err = r.Write(&bytes.Buffer{}, FormatCSV)
			require.NoError(t, r.Close())
		}
		assert.ErrorContains(t, err, "query", "%s", query)
	}
	assert.NoFileExists(t, inside)
	content, err := os.ReadFile(outside)
	require.NoError(t, err)
	assert.Equal(t, "a\n1\n", string(content))
	for _, query := range []string{
		"SELECT count(*) FROM people", "FROM people", "WITH p AS (FROM people) SELECT * FROM p;", "DESCRIBE people", "SUMMARIZE people",
		"SHOW TABLES", "SHOW ALL TABLES", "EXPLAIN SELECT * FROM people", "EXPLAIN ANALYZE SELECT * FROM people", "-- a comment\nSELECT 1 -- another",
		"VALUES (1)", "PIVOT people ON name IN ('Ada') USING count(*)", "SELECT current_setting('TimeZone')", "TABLE people",
	} {
		assert.NotEmpty(t, mustQuery(t, s, query, people), query)
	}
}

func TestAQueryIsStoppedByItsContext(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := s.Query(ctx, "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7", nil, QueryOptions{})
	if err == nil {
		_, err = r.Write(&bytes.Buffer{}, FormatCSV)
		require.NoError(t, r.Close())
	}
	require.Error(t, err)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	r, err = s.Query(ctx, "FROM range(300000)", nil, QueryOptions{})
	require.NoError(t, err)
	require.True(t, r.Next())
	cancel()
	n, err := r.Write(io.Discard, FormatCSV)
	require.ErrorIs(t, err, context.Canceled, "also while its rows are read")
	assert.Zero(t, n)
	require.NoError(t, r.Close())
}

func TestAnExportIsWholeAndKeepsTypes(t *testing.T) {
	t.Parallel()
	s := mustFill(t, filepath.Join(t.TempDir(), "store"))
	views := s.Views([]Dataset{wideSet})
	path := filepath.Join(s.Dir(), datasetsDir, "it's out.parquet") // where a query may read it
	for range 2 {
		require.NoError(t, s.Export(t.Context(), "SELECT * FROM wide; ", views, path, QueryOptions{}))
	}
	columns := "SELECT column_name, column_type FROM "
	assert.Equal(t, mustQuery(t, s, columns+"(DESCRIBE wide)", wideSet), mustQuery(t, s, columns+"(DESCRIBE FROM read_parquet("+quote(path)+"))"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	other := filepath.Join(t.TempDir(), "other.parquet")
	for _, query := range []string{
		"SELECT 1) TO '" + path + "' (FORMAT parquet); COPY (SELECT 1",
		"SELECT error('no')",
		"SELECT * FROM '/etc/passwd'",
		"DROP VIEW wide",
	} {
		require.Error(t, s.Export(t.Context(), query, views, other, QueryOptions{}))
		assert.NoFileExists(t, other)
		assert.NoFileExists(t, other+".unfinished")
	}
}

const allTypes = `SELECT * FROM (VALUES
	(1, 1.50::DECIMAL(9,2), 0.1::DOUBLE, 170141183460469231731687303715884105727::HUGEINT, true, 'a|b', '\x00\xff'::BLOB,
	 DATE '2026-03-01', TIMESTAMP '2026-03-01 12:00:00.5', TIMESTAMPTZ '2026-03-01 12:00:00+01', TIME '01:02:03', INTERVAL '1 month 2 days 3 seconds',
	 ['x', NULL], {'k': 1, 'at': TIMESTAMPTZ '2026-03-01 12:00:00Z'}, MAP {'m': 1}, '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'::UUID, 'nan'::DOUBLE, [DATE '2026-03-01']),
	(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) v(i, dec, f, huge, b, s, blob, d, ts, tz, tm, iv, l, st, m, u, nan, ds)`

func TestEveryTypeIsWrittenSanely(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	assert.Equal(t, "i,dec,f,huge,b,s,blob,d,ts,tz,tm,iv,l,st,m,u,nan,ds\n"+
		`1,1.50,0.1,170141183460469231731687303715884105727,true,a|b,AP8=,2026-03-01,2026-03-01T12:00:00.5,2026-03-01T11:00:00Z,01:02:03,1 months 2 days 3s,`+
		`"[""x"",null]","{""at"":""2026-03-01T12:00:00Z"",""k"":1}","{""m"":1}",6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b,NaN,"[""2026-03-01""]"`+"\n"+
		strings.Repeat(",", 17)+"\n", mustQuery(t, s, allTypes))
	assert.Equal(t, `{"i":1,"dec":1.50,"f":0.1,"huge":170141183460469231731687303715884105727,"b":true,"s":"a|b","blob":"AP8=","d":"2026-03-01",`+
		`"ts":"2026-03-01T12:00:00.5","tz":"2026-03-01T11:00:00Z","tm":"01:02:03","iv":"1 months 2 days 3s","l":["x",null],`+
		`"st":{"at":"2026-03-01T12:00:00Z","k":1},"m":{"m":1},"u":"6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b","nan":null,"ds":["2026-03-01"]}`+"\n"+
		`{"i":null,"dec":null,"f":null,"huge":null,"b":null,"s":null,"blob":null,"d":null,"ts":null,"tz":null,"tm":null,"iv":null,"l":null,"st":null,"m":null,"u":null,"nan":null,"ds":null}`+"\n",
		mustQueryAs(t, s, FormatJSONL, allTypes))
}

func TestFormats(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	const query = `SELECT * FROM (VALUES (1, 'Ünal 李', 'a"b,c'), (22, E'x\ny\x1b[31m', NULL)) v(n, name, "a b") ORDER BY n`
	for _, tt := range []struct {
		format      Format
		query, want string
	}{
		{FormatCSV, query, "n,name,a b\n1,Ünal 李,\"a\"\"b,c\"\n22,\"x\ny\x1b[31m\",\n"},
		{FormatJSON, query, "[\n{\"n\":1,\"name\":\"Ünal 李\",\"a b\":\"a\\\"b,c\"},\n{\"n\":22,\"name\":\"x\\ny\\u001b[31m\",\"a b\":null}\n]\n"},
		{FormatTable, query, "       n  name            a b\n────────  ──────────────  ─────\n       1  Ünal 李         a\"b,c\n      22  x\\ny\\u001b[31m  NULL\n(2 rows)\n"},
		{FormatMarkdown, query, "| n | name | a b |\n| ---: | --- | --- |\n| 1 | Ünal 李 | a\"b,c |\n| 22 | x<br>y\\u001b[31m |  |\n"},
		{FormatMarkdown, "SELECT 'a|b' AS x", "| x |\n| --- |\n| a\\|b |\n"},
		// No row at all, and one.
		{FormatJSON, "SELECT 1 AS a WHERE false", "[]\n"},
		{FormatJSONL, "SELECT 1 AS a WHERE false", ""},
		{FormatTable, "SELECT 1 AS a WHERE false", "       a\n────────\n(0 rows)\n"},
		{FormatTable, "SELECT true AS a", "a\n────\ntrue\n(1 row)\n"},
		// A name twice, and JSON within.
		{FormatJSONL, "SELECT 1 AS a, 2 AS a, 3 AS a_1", "{\"a\":1,\"a_1\":2,\"a_1_1\":3}\n"},
		{FormatJSONL, `SELECT '{"b": [1, "<&>"]}'::JSON AS a`, "{\"a\":{\"b\":[1,\"<&>\"]}}\n"},
		{FormatCSV, `SELECT '{"b": [1, "x"]}'::JSON AS a`, "a\n\"{\"\"b\"\":[1,\"\"x\"\"]}\"\n"},
		{FormatCSV, `SELECT '"x"'::JSON AS a`, "a\n\"\"\"x\"\"\"\n"},
	} {
		assert.Equal(t, tt.want, mustQueryAs(t, s, tt.format, tt.query), "%s %s", tt.format, tt.query)
	}
	r, err := s.Query(t.Context(), "SELECT 1", nil, QueryOptions{})
	require.NoError(t, err)
	_, err = r.Write(&bytes.Buffer{}, "xml")
	require.ErrorContains(t, err, `no format "xml"`)
	require.NoError(t, r.Close())
}

func TestATableOfAnyLengthIsWritten(t *testing.T) {
	t.Parallel()
	for _, n := range []int{tableSample - 1, tableSample, tableSample + 1, 5000} {
		out := mustQueryAs(t, mustOpenStore(t), FormatTable, fmt.Sprintf("SELECT range AS n, repeat('ab', range::INTEGER) AS s FROM range(%d)", n))
		lines := strings.Split(strings.TrimSpace(out), "\n")
		assert.Len(t, lines, n+3)
		assert.Equal(t, fmt.Sprintf("(%d rows)", n), lines[len(lines)-1])
		assert.True(t, strings.HasSuffix(lines[len(lines)-2], "…"), "what is wide is cut")
	}
}

func TestAnErrorOfTheWriterEndsTheQuery(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	for _, format := range Formats() {
		r, err := s.Query(t.Context(), "SELECT range FROM range(200000)", nil, QueryOptions{})
		require.NoError(t, err)
		_, err = r.Write(full, format)
		require.ErrorContains(t, err, "no space left", format)
		require.NoError(t, r.Close())
	}
}
