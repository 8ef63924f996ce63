package sinks

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"convbatch/pipeline"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type person struct {
	ID   string   `parquet:"id"`
	Name string   `parquet:"name"`
	Tags []string `parquet:"tags,list"`
}

var (
	people = Dataset{Name: "people", Row: person{}}
	dated  = Dataset{Name: "messages", Row: person{}, PartitionBy: "date"}
)

// withPeople gives every outcome one record, in descending order.
func withPeople(outcomes []pipeline.Outcome) []pipeline.Outcome {
	for i := range outcomes {
		id := fmt.Sprintf("p%06d", outcomes[i].Seq)
		outcomes[i].Records = []pipeline.Record{{Dataset: "people", Order: -outcomes[i].Seq, Size: 50,
			Row: &person{ID: id, Name: "Ada", Tags: []string{"a", "b"}}}}
	}
	return outcomes
}

func TestRecordsLieInSegmentsByPartitionAndInOrder(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "archive")
	mustBegin(t, l, "R1")
	outcomes := outcomesOf(0, 2)
	for i, date := range []string{"2026-03-01", "2026-03-02", "2026-03-01", "2026-03-02"} {
		o := &outcomes[i%2]
		o.Records = append(o.Records, pipeline.Record{Dataset: "messages", Partition: "date=" + date, Order: int64(9 - i), Row: person{ID: fmt.Sprint(i)}})
	}
	require.NoError(t, l.Sink("R1", []Dataset{people, dated}).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 2}))
	for date, ids := range map[string][]string{"2026-03-01": {"2", "0"}, "2026-03-02": {"3", "1"}} {
		rows, err := parquet.ReadFile[person](filepath.Join(s.Dir(), "datasets/messages/date="+date, "R1-000001.parquet"))
		require.NoError(t, err)
		require.Len(t, rows, 2)
		assert.Equal(t, ids, []string{rows[0].ID, rows[1].ID})
	}
	assert.Equal(t, int64(4), l.Counts().Records)
	assert.Empty(t, mustList(t, filepath.Join(l.dir, stagingDir)))
}

func mustList(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != "tmp" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestASegmentHasRowGroupsStatisticsAndABloomFilterOnId(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.parquet")
	w := newWriter([]Dataset{people})
	groups, err := w.groupRecords(withPeople(outcomesOf(0, groupRows+1)))
	require.NoError(t, err)
	size := mustWrite(t, w, path, groups[0])
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	opened, err := parquet.OpenFile(file, size)
	require.NoError(t, err)
	require.Len(t, opened.RowGroups(), 2)
	id := opened.RowGroups()[1].ColumnChunks()[0]
	assert.Equal(t, int64(1), id.NumValues())
	filter := id.BloomFilter()
	require.NotNil(t, filter)
	found, err := filter.Check(parquet.ValueOf("p000000"))
	require.NoError(t, err)
	assert.True(t, found)
	bounds := opened.Metadata().RowGroups[0].Columns[0].MetaData.Statistics
	assert.Equal(t, "p000001", string(bounds.MinValue))
}

func TestACommitThatBreaksAnInvariantIsTurnedDown(t *testing.T) {
	t.Parallel()
	l := mustLedger(t, mustOpenStore(t), "offer")
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", []Dataset{people, dated})
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 10), Mark: 10}))
	record := func(r pipeline.Record) []pipeline.Outcome {
		return []pipeline.Outcome{{Seq: 10, State: pipeline.Done, Records: []pipeline.Record{r}}}
	}
	for _, tt := range []struct {
		why    string
		commit pipeline.Commit
	}{
		{"settled before", pipeline.Commit{Outcomes: outcomesOf(9, 10), Mark: 10}},   // invariant 8
		{"mark can not go", pipeline.Commit{Outcomes: outcomesOf(10, 11), Mark: 12}}, // invariant 3
		{"mark can not go", pipeline.Commit{Outcomes: outcomesOf(10, 11), Mark: 9}},  // back
		{"state \"lost\"", pipeline.Commit{Outcomes: []pipeline.Outcome{{Seq: 10, State: "lost"}}, Mark: 10}},
		{"no dataset", pipeline.Commit{Outcomes: record(pipeline.Record{Dataset: "pets", Row: person{}}), Mark: 11}},
		{"not string", pipeline.Commit{Outcomes: record(pipeline.Record{Dataset: "people", Row: "Ada"}), Mark: 11}},
		{"not <nil>", pipeline.Commit{Outcomes: record(pipeline.Record{Dataset: "people"}), Mark: 11}},
		{"no such partition", pipeline.Commit{Outcomes: record(pipeline.Record{Dataset: "messages", Row: person{}}), Mark: 11}},
		{"no such partition", pipeline.Commit{Outcomes: record(pipeline.Record{Dataset: "messages", Partition: "date=../..", Row: person{}}), Mark: 11}},
		{"no such partition", pipeline.Commit{Outcomes: record(pipeline.Record{Dataset: "people", Partition: "date=1", Row: person{}}), Mark: 11}},
		{"store item 12", pipeline.Commit{Items: []pipeline.Item{{Seq: 12, Data: func() {}}}, Mark: 10}},
	} {
		require.ErrorContains(t, sink.Commit(t.Context(), tt.commit), tt.why)
	}
	assert.Equal(t, Counts{Done: 10}, l.Counts(), "nothing of them counts")
	assert.Equal(t, 10, countRows(t, l, "SELECT count(*) FROM outcomes"))
	assert.Empty(t, mustList(t, filepath.Join(l.dir, stagingDir)))
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(10, 11), Mark: 11}), "and the next is fine")
	require.ErrorContains(t, l.Sink("R2", nil).Commit(t.Context(), pipeline.Commit{}), "neither begun nor resumed")
}

func TestRecordsOfARunNeedNoItem(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "sync")
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", []Dataset{people})
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(0, 3)), Mark: 3}))
	outcomes := withPeople(outcomesOf(3, 4))
	more := []pipeline.Record{{Dataset: "people", Row: &person{ID: "a"}}, {Dataset: "people", Row: &person{ID: "b"}}}
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Records: more, Mark: 4}))
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Records: more[:1], Mark: 4}))
	assert.Equal(t, Counts{Done: 4, Records: 7}, l.Counts())
	for file, n := range map[string]int{"R1-000002.parquet": 3, "R1-000003.parquet": 1} {
		rows, err := parquet.ReadFile[person](filepath.Join(s.Dir(), "datasets/people", file))
		require.NoError(t, err)
		assert.Len(t, rows, n)
	}
	require.ErrorContains(t, sink.Commit(t.Context(), pipeline.Commit{Records: []pipeline.Record{{Dataset: "pets", Row: person{}}}, Mark: 4}), "no dataset")
}

func TestARunIsNotCompletedWithoutAllItsRows(t *testing.T) {
	t.Parallel()
	l := mustLedger(t, mustOpenStore(t), "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 9), Mark: 9}))
	_, err := l.Finish(t.Context(), Run{ID: "R1", State: Completed, Rows: 10, StartedAt: noon})
	require.ErrorContains(t, err, "9 of 10 rows")
	stored, err := l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon})
	require.NoError(t, err)
	assert.Equal(t, int64(9), stored.Rows)
}

func TestACommitThatCanNotBePublishedCountsAndIsPublishedLater(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "archive")
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", []Dataset{people})
	inTheWay := filepath.Join(s.Dir(), datasetsDir) // a file where the folder is to be
	require.NoError(t, os.WriteFile(inTheWay, nil, 0o600))

	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(0, 3)), Mark: 3}))
	err := sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(3, 4), Mark: 4})
	require.ErrorContains(t, err, "publish datasets/people/R1-000001.parquet")
	assert.Equal(t, int64(3), l.Counts().Settled(), "the run ends there")
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(3, 4), Mark: 4, Release: true}),
		"and its last commit, which repeats what failed, is made all the same")
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Failed, StartedAt: noon})
	require.Error(t, err)
	require.Error(t, l.Close())

	require.NoError(t, os.Remove(inTheWay))
	l = mustLedger(t, s, "archive")
	assert.FileExists(t, filepath.Join(s.Dir(), "datasets/people/R1-000001.parquet"))
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, int64(4), p.Mark)
}

func TestADiskThatIsFullIsSaidInWordsAndNothingIsHalfCommitted(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "archive")
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", []Dataset{people})
	// Writing to /dev/full answers as a full disk does.
	staged := filepath.Join(l.dir, stagingDir, "R1-000001-0.parquet")
	require.NoError(t, os.Symlink("/dev/full", staged))
	err := sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(0, 3)), Mark: 3})
	require.ErrorContains(t, err, "the disk of the store is full; make room")
	assert.Empty(t, mustList(t, filepath.Join(l.dir, stagingDir)))
	assert.Zero(t, l.Counts().Settled())
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(0, 3)), Mark: 3}), "once there is room")
}

func TestACommitThatTookEffectAlthoughItFailedIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	l := mustLedger(t, mustOpenStore(t), "offer")
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", []Dataset{people})
	l.unsure = true // as after a COMMIT that failed, and indeed had no effect
	require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(0, 3), Mark: 3}))
	l.unsure = true
	require.NoError(t, l.duck.exec(t.Context(), "INSERT INTO log SELECT run_id, commits + 1, position, NULL, 0, NULL FROM log"))
	err := sink.Commit(t.Context(), pipeline.Commit{Outcomes: withPeople(outcomesOf(3, 6)), Mark: 6, Release: true})
	require.ErrorContains(t, err, "took effect although it failed")
	assert.Equal(t, 3, countRows(t, l, "SELECT count(*) FROM outcomes"))
}

func TestMovingToResultsKeepsTotalsAndRows(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	l.rows = 100
	mustBegin(t, l, "R1")
	sink := l.Sink("R1", nil)
	for from := int64(0); from < 1000; from += 40 {
		outcomes := outcomesOf(from, from+40)
		outcomes[7].State, outcomes[7].Error = pipeline.Failed, "the API said no"
		require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: from + 40}))
		assert.Less(t, countRows(t, l, "SELECT count(*) FROM outcomes"), 140, "the ledger stays small")
	}
	files, err := s.ResultFiles("offer", "R1")
	require.NoError(t, err)
	assert.Len(t, files, 8)
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon})
	require.NoError(t, err)
	assert.Zero(t, countRows(t, l, "SELECT count(*) FROM outcomes"))
	last, err := l.Last(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Counts{Done: 975, Failed: 25}, last.Counts)
	assert.Equal(t, 1000, countRows(t, l, "SELECT count(DISTINCT seq) FROM read_parquet(?)", filepath.Join(l.dir, "results/*.parquet")))
	assert.Equal(t, 25, countRows(t, l, "SELECT count(*) FROM read_parquet(?) WHERE state = 'failed' AND error = 'the API said no'", filepath.Join(l.dir, "results/*.parquet")))
}

func TestLongAnswersAreMovedByTheirSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rows, length int64 }{
		{1000, 10_000}, // in a commit
		{10, 1_000_000},
	} {
		s := mustOpenStore(t)
		l := mustLedger(t, s, "calls")
		mustBegin(t, l, "R1")
		sink := l.Sink("R1", nil)
		answer := strings.Repeat("0123456789abcdef", int(tt.length/16))
		for from := int64(0); from < 10*tt.rows; from += tt.rows {
			outcomes := outcomesOf(from, from+tt.rows)
			for i := range outcomes {
				outcomes[i].Response = fmt.Sprint(answer, outcomes[i].Seq)
			}
			require.NoError(t, sink.Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: from + tt.rows}))
		}
		files, err := s.ResultFiles("calls", "R1")
		require.NoError(t, err)
		assert.NotEmpty(t, files)
		_, err = l.Finish(t.Context(), Run{ID: "R1", State: Completed, StartedAt: noon})
		require.NoError(t, err)
		assert.Equal(t, int(10*tt.rows), countRows(t, l, "SELECT count(*) FROM read_parquet(?) WHERE ends_with(response, seq::VARCHAR)",
			filepath.Join(l.dir, "results/*.parquet")))
	}
}

func TestItemsAreKeptUntilTheyAreSettled(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "archive")
	require.NoError(t, l.Begin(t.Context(), Run{ID: "R1", Kind: "message_archive", StartedAt: noon}, []pipeline.Item{
		{Seq: 0, Key: "monday", Data: map[string]int{"day": 1}},
		{Seq: 1, Key: "tuesday", Data: json.RawMessage(`{"day":2}`)},
		{Seq: 2, Key: "wednesday"},
	}))
	outcome := pipeline.Outcome{Seq: 1, Key: "tuesday", State: pipeline.Done, FinishedAt: noon}
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{
		Outcomes: []pipeline.Outcome{outcome}, Items: []pipeline.Item{{Seq: 3, Key: "tuesday evening", Data: json.RawMessage(`{"half":2}`)}}}))
	want := &Position{Settled: []pipeline.Range{{From: 1, To: 2}}, NextSeq: 4, Items: []pipeline.Item{
		{Seq: 0, Key: "monday", Data: json.RawMessage(`{"day":1}`)},
		{Seq: 2, Key: "wednesday"},
		{Seq: 3, Key: "tuesday evening", Data: json.RawMessage(`{"half":2}`)},
	}}
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, want, p)
	_, err = l.Finish(t.Context(), Run{ID: "R1", State: Interrupted, StartedAt: noon})
	require.NoError(t, err)
	p, err = l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, want, p, "also when its outcomes were moved to results")
	all, err := l.StoredItems(t.Context(), "R1")
	require.NoError(t, err)
	assert.Len(t, all, 4, "and its kind may have them all")
	last, err := l.Last(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, last.Resumed)
	assert.Equal(t, Running, last.State)
}

func TestBeginningAnewPutsAwayWhatWasUnfinished(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Outcomes: outcomesOf(1, 5), Claim: &pipeline.Claim{Range: pipeline.Range{From: 0, To: 9}}}))
	require.NoError(t, l.Close())
	l = mustLedger(t, s, "offer")
	last, err := l.Last(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Interrupted, last.State, "its process is gone")
	mustBegin(t, l, "R2")
	files, err := s.ResultFiles("offer", "R1")
	require.NoError(t, err)
	assert.Len(t, files, 1)
	for _, table := range []string{"outcomes", "claims", "settled", "items"} {
		assert.Zero(t, countRows(t, l, "SELECT count(*) FROM "+table), table)
	}
	_, err = l.Resume(t.Context(), "R1")
	require.ErrorContains(t, err, "another came after it")
	require.ErrorContains(t, l.Begin(t.Context(), Run{ID: "R2", StartedAt: noon}, nil), "has a run of this id")
	_, err = l.Resume(t.Context(), "R9")
	require.ErrorContains(t, err, "no run R9")
}
