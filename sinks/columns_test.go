package sinks

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plainRow has every type of column that is written a column at a time.
type plainRow struct {
	ID      string    `parquet:"id"`
	Kind    string    `parquet:"kind,dict"`
	Note    string    `parquet:"note,optional"`
	On      bool      `parquet:"on"`
	Count   int64     `parquet:"count"`
	Number  int       `parquet:"number,optional"`
	At      time.Time `parquet:"at,timestamp(microsecond)"`
	Changed time.Time `parquet:"changed,optional,timestamp(microsecond)"`
}

func TestWritingByColumnMakesTheSameFileAsByRow(t *testing.T) {
	t.Parallel()
	var g group
	var want []plainRow
	for i := range 3 * batchRows / 2 {
		row := plainRow{ID: time.Duration(i).String(), Kind: "k", On: i%3 == 0, Count: int64(-i), At: noon.Add(time.Duration(i) * time.Microsecond)}
		if i%2 == 0 {
			row.Note, row.Number, row.Changed = "n", i+1, noon
		}
		if i%5 == 0 {
			g.records = append(g.records, &pipeline.Record{Row: row})
		} else {
			g.records = append(g.records, &pipeline.Record{Row: &row})
		}
		want = append(want, row)
	}
	g.dataset = "plain"
	dir := t.TempDir()
	for _, byColumn := range []bool{true, false} {
		w := newWriter([]Dataset{{Name: "plain", Row: plainRow{}}})
		require.NoError(t, w.err)
		require.NotNil(t, w.datasets["plain"].leaves)
		if !byColumn {
			w.datasets["plain"].leaves = nil
		}
		path := filepath.Join(dir, "x.parquet")
		mustWrite(t, w, path, g)
		got, err := parquet.ReadFile[plainRow](path)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			got[i].At, got[i].Changed = got[i].At.UTC(), got[i].Changed.UTC()
			require.Equal(t, want[i], got[i], "by column: %v", byColumn)
		}
	}
}

func TestRowsWithMoreThanPlainColumnsAreWrittenByRow(t *testing.T) {
	t.Parallel()
	for _, row := range []any{
		struct {
			List []string `parquet:"list,list"`
		}{},
		struct {
			At time.Time `parquet:"at,timestamp(millisecond)"`
		}{},
		struct {
			Inner struct {
				A string `parquet:"a"`
			} `parquet:"inner"`
		}{},
		struct {
			A string `parquet:"a"`
			b string
		}{},
	} {
		assert.Nil(t, leavesOf(reflect.TypeOf(row), parquet.SchemaOf(row)), "%T", row)
	}
}

// mustWrite writes the file of a group and returns its size.
func mustWrite(t testing.TB, w *writer, path string, g group) int64 {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	size, err := w.write(f, g)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return size
}
