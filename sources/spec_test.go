package sources

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckNamesEveryProblemAndItsKey(t *testing.T) {
	t.Parallel()
	yes := true
	for _, c := range []struct {
		name string
		spec Spec
		want []string
	}{
		{"a file", Spec{CSV: "a.csv"}, nil},
		{"a file with options", Spec{CSV: "a.csv", Delimiter: ";", Encoding: "Latin1"}, nil},
		{"a tab as delimiter", Spec{CSV: "a.csv", Delimiter: "\t"}, nil},
		{"a file without header", Spec{TSV: "a.tsv", Header: no(), Columns: []string{"id"}}, nil},
		{"a header that is expected anyway", Spec{CSV: "a.csv", Header: &yes}, nil},
		{"a query", Spec{SQL: "select 1"}, nil},

		// No source at all.
		{"nothing", Spec{}, []string{""}},
		{"only options", Spec{Delimiter: ";"}, []string{""}},
		// More than one: each further one is a problem.
		{"three sources", Spec{CSV: "a", JSONL: "b", SQL: "c"}, []string{"jsonl", "sql"}},
		// Options of other sources.
		{"text options for parquet", Spec{Parquet: "a", Delimiter: ";", Encoding: "latin1", Columns: []string{"a"}, Header: no()},
			[]string{"delimiter", "encoding", "header", "columns"}},
		{"a delimiter for tsv", Spec{TSV: "a", Delimiter: ";"}, []string{"delimiter"}},
		// Delimiters that encoding/csv can not split at.
		{"two characters", Spec{CSV: "a", Delimiter: "::"}, []string{"delimiter"}},
		{"a quote", Spec{CSV: "a", Delimiter: `"`}, []string{"delimiter"}},
		{"a line end", Spec{CSV: "a", Delimiter: "\n"}, []string{"delimiter"}},
		{"an unknown encoding", Spec{CSV: "a", Encoding: "ebcdic"}, []string{"encoding"}},
		// Header and columns contradict each other.
		{"columns and a header", Spec{CSV: "a", Columns: []string{"id"}}, []string{"columns"}},
		{"neither columns nor a header", Spec{CSV: "a", Header: no()}, []string{"header"}},
		{"empty columns", Spec{CSV: "a", Header: no(), Columns: []string{}}, []string{"columns"}},
		{"a column twice", Spec{CSV: "a", Header: no(), Columns: []string{"id", "ID"}}, []string{"columns"}},
		{"a column without name", Spec{CSV: "a", Header: no(), Columns: []string{"id", ""}}, []string{"columns"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var keys []string
			for _, p := range c.spec.Check() {
				keys = append(keys, p.Key)
				assert.NotEmpty(t, p.Message)
			}
			assert.Equal(t, c.want, keys)
		})
	}
}
