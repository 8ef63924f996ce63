package sinks

import (
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wide has every type of column that a dataset may have.
type wide struct {
	ID       string            `parquet:"id"`
	Missing  *string           `parquet:"missing,optional"`
	Number   int64             `parquet:"number"`
	Small    int32             `parquet:"small"`
	Unsigned uint32            `parquet:"unsigned"`
	Share    float64           `parquet:"share"`
	Half     float32           `parquet:"half"`
	Yes      bool              `parquet:"yes"`
	Bytes    []byte            `parquet:"bytes"`
	At       time.Time         `parquet:"at,timestamp(microsecond)"`
	Maybe    *time.Time        `parquet:"maybe,optional,timestamp(microsecond)"`
	Last     time.Time         `parquet:"last,optional,timestamp(microsecond)"`
	Note     string            `parquet:"note,optional"`
	Tags     []string          `parquet:"tags,list"`
	Loose    []string          `parquet:"loose"`
	Labels   map[string]string `parquet:"labels"`
	Nested   []entry           `parquet:"nested,list"`
	One      struct {
		A string `parquet:"a"`
	} `parquet:"one"`
	Enumerated string `parquet:"enumerated,enum"`
}

type entry struct {
	Channel string `parquet:"channel"`
	AppID   string `parquet:"app_id,optional"`
	Order   int32  `parquet:"order"`
}

var wideSet = Dataset{Name: "wide", Row: wide{}}

func TestADatasetThatCanNotBeSaysWhy(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	for why, set := range map[string]Dataset{
		"partitioned by run_id":          {Name: "x", Row: contact{}, Snapshot: true, Kinds: []string{"k"}},
		"names its kinds":                {Name: "x", Row: contact{}, PartitionBy: "run_id", Snapshot: true},
		"is no log":                      {Name: "x", Row: contact{}, PartitionBy: "run_id", Snapshot: true, Kinds: []string{"k"}, Latest: []string{"id"}, OrderBy: "exported_at"},
		"can not have that column":       {Name: "x", Row: contact{}, PartitionBy: "id"},
		"one that orders it":             {Name: "x", Row: contact{}, Latest: []string{"id"}},
		"a column nobody, which the row": {Name: "x", Row: contact{}, Latest: []string{"nobody"}, OrderBy: "exported_at"},
		"ordered by a column never":      {Name: "x", Row: contact{}, Latest: []string{"id"}, OrderBy: "never"},
	} {
		_, err := s.Views([]Dataset{set})()
		require.ErrorContains(t, err, why)
	}
	// Of a snapshot no run writes into that of another.
	l := mustLedger(t, s, "nightly")
	mustBegin(t, l, "R1")
	o := outcomesOf(0, 1)
	o[0].Records = []pipeline.Record{{Dataset: "contacts", Partition: "run_id=R0", Row: contact{}}}
	require.ErrorContains(t, l.Sink("R1", []Dataset{contacts}).Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: 1}), "run R1")
	o[0].Records[0].Partition = "run_id=R1"
	require.ErrorContains(t, l.Sink("R1", []Dataset{contacts, contacts}).Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: 1}), "declared twice")
	require.NoError(t, l.Sink("R1", []Dataset{contacts}).Commit(t.Context(), pipeline.Commit{Outcomes: o, Mark: 1}))
}

func TestListsOfStructsAndWhatMayBeAbsent(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	at := noon.Add(time.Microsecond)
	full := wide{ID: "full", At: at, Maybe: &at, Last: at, Note: "n", Tags: []string{"a", ""},
		Nested: []entry{{Channel: "SMS", AppID: "A"}, {Channel: "SMS", Order: 1}}}
	outcomes := outcomesOf(0, 1)
	for i, row := range []wide{full, {ID: "empty"}, full} {
		outcomes[0].Records = append(outcomes[0].Records, pipeline.Record{Dataset: "wide", Order: int64(i), Row: row})
	}
	require.NoError(t, l.Sink("R1", []Dataset{wideSet}).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 1}))
	row := `{"id":"full","maybe":"2026-03-01T12:00:00.000001Z","last":"2026-03-01T12:00:00.000001Z","note":"n","tags":["a",""],` +
		`"nested":[{"app_id":"A","channel":"SMS","order":0},{"app_id":null,"channel":"SMS","order":1}]}` + "\n"
	assert.Equal(t, row+`{"id":"empty","maybe":null,"last":null,"note":null,"tags":[],"nested":[]}`+"\n"+row,
		mustQueryAs(t, s, FormatJSONL, "SELECT id, maybe, last, note, tags, nested FROM wide", wideSet))
	assert.Equal(t, "id,channel,app_id\nfull,SMS,A\n",
		mustQuery(t, s, "SELECT DISTINCT id, n.channel, n.app_id FROM wide, UNNEST(nested) u(n) WHERE n.app_id IS NOT NULL", wideSet))
}

func TestAnOlderStructHasTheFieldsOfToday(t *testing.T) {
	t.Parallel()
	type olderEntry struct {
		Channel string `parquet:"channel"`
	}
	type older struct {
		ID     string       `parquet:"id"`
		Nested []olderEntry `parquet:"nested,list"`
	}
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	outcomes := outcomesOf(0, 1)
	outcomes[0].Records = []pipeline.Record{{Dataset: "wide", Row: older{ID: "old", Nested: []olderEntry{{"SMS"}}}}}
	require.NoError(t, l.Sink("R1", []Dataset{{Name: "wide", Row: older{}}}).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 1}))
	const query = "SELECT id, nested, last FROM wide ORDER BY id"
	old := `{"id":"old","nested":[{"app_id":null,"channel":"SMS","order":null}],"last":null}` + "\n"
	assert.Equal(t, old, mustQueryAs(t, s, FormatJSONL, query, wideSet), "alone")
	outcomes = outcomesOf(1, 2)
	outcomes[0].Records = []pipeline.Record{{Dataset: "wide", Row: wide{ID: "young"}}}
	require.NoError(t, l.Sink("R1", []Dataset{wideSet}).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: 2}))
	assert.Equal(t, old+`{"id":"young","nested":[],"last":null}`+"\n", mustQueryAs(t, s, FormatJSONL, query, wideSet), "and beside a file of today")
}
