package sources

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCSVIsTextWithThePhysicalLine(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "\xef\xbb\xbfphone,code,text\r\n" +
		"+46700000001,007,plain\r\n" +
		"\r\n" + // an empty line is skipped, and counted
		"+46700000002,1.50,\"two\r\nlines, \"\"quoted\"\"\"\r\n" +
		"+46700000003,,\"unix\nand\r\nboth\""})
	columns, rows := mustRead(t, Spec{CSV: "a.csv"}, Options{Dir: dir})
	assert.Equal(t, []Column{{Name: "phone"}, {Name: "code"}, {Name: "text"}}, columns)
	assert.Equal(t, []Row{
		{Line: 2, File: "a.csv", Values: []string{"+46700000001", "007", "plain"}},
		{Line: 4, File: "a.csv", Values: []string{"+46700000002", "1.50", "two\r\nlines, \"quoted\""}},
		{Line: 6, File: "a.csv", Values: []string{"+46700000003", "", "unix\nand\r\nboth"}},
	}, rows)
}

func TestCSVRefusesWhatCanNotBeRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, content string
		spec          Spec
		want          string
	}{
		// Ragged lines: a comma too few or too many shifts every field after it.
		{"a field too few", "a,b,c,d\n1,2,3,4\n1,2,3\n", Spec{}, "in.csv line 3: 3 fields where the header has 4"},
		{"a field too many", "a\n1,2\n", Spec{}, "in.csv line 2: 2 fields where the header has 1"},
		{"not the columns named", "1,2\n", Spec{Header: no(), Columns: []string{"a"}}, "in.csv line 1: 2 fields where `columns:` has 1"},
		// Quotes.
		{"a quote in the middle", "a\nx\"y\n", Spec{}, "in.csv line 2: found a quote inside a field"},
		{"text after a quote", "a\n\"x\"y\n", Spec{}, "in.csv line 2: found a quoted field that is not closed"},
		{"a quote never closed", "a\n\"x\ny\nz\n", Spec{}, "in.csv line 2: found a quoted field that is not closed"},
		// Headers.
		{"an empty file", "", Spec{}, "in.csv is empty"},
		{"a column twice", "a,b,a\n", Spec{}, `in.csv line 1, the header: columns 1 and 3 are both called "a"`},
		{"columns that DuckDB can not tell apart", "id,ID\n", Spec{}, `columns "id" and "ID" differ in upper and lower case only`},
		{"a column without name", "a,,b\n", Spec{}, "column 2 has no name"},
		{"line ends of an old Mac", "a,b\rc,d\r", Spec{}, "control character"},
		// A first row taken for the header must not show what is in it.
		{"no header", "46700000001,46700000001\n", Spec{}, "a number of 11 digits; does the file have no header?"},
		// Bytes.
		{"a NUL", "a,b\n1,x\n2,\"y\nz\x00\"\n", Spec{}, "in.csv line 4, field 2: a NUL byte"},
		{"not UTF-8", "a\nGr\xfc\xdfe\n", Spec{}, "in.csv line 2, field 1: a byte that is not UTF-8"},
		{"half a character of UTF-16", "\xff\xfea\x00\n\x00\x00\xd8\n\x00", Spec{Encoding: "utf-16"}, "in.csv line 2, field 1: bytes that are no character in utf-16"},
		{"UTF-16 read as UTF-8", "a\x00\n\x001\x00\n\x00", Spec{}, "UTF-16"},
		{"a record without end", "a\n1\n\"" + strings.Repeat("x\n", maxRecord/2), Spec{}, "in.csv line 3: the record is longer than 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.spec.CSV = "in.csv"
			_, _, err := read(t, c.spec, Options{Dir: mustWrite(t, map[string]string{"in.csv": c.content})})
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "46700000001")
		})
	}
}

func TestCSVTakesDelimiterTabsAndNames(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id;name\n1;a,b\n", "a.tsv": "1\t\"a\tb\"\n"})
	_, rows := mustRead(t, Spec{CSV: "a.csv", Delimiter: ";"}, Options{Dir: dir})
	assert.Equal(t, []string{"1", "a,b"}, rows[0].Values)
	columns, rows := mustRead(t, Spec{TSV: "a.tsv", Header: no(), Columns: []string{"id", "name"}}, Options{Dir: dir})
	assert.Equal(t, []Column{{Name: "id"}, {Name: "name"}}, columns)
	assert.Equal(t, Row{Line: 1, File: "a.tsv", Values: []string{"1", "a\tb"}}, rows[0])
}
