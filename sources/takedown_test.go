package sources

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// memoryRows yields rows that are there already.
type memoryRows struct {
	columns []Column
	rows    []Row
	err     error // after the last; io.EOF when nil
}

func (m *memoryRows) Columns() []Column { return m.columns }
func (m *memoryRows) Close() error      { return nil }
func (m *memoryRows) Next() (Row, error) {
	if len(m.rows) > 0 {
		row := m.rows[0]
		m.rows = m.rows[1:]
		return row, nil
	}
	if m.err != nil {
		return Row{}, m.err
	}
	return Row{}, io.EOF
}

func TestWhatWasTakenDownComesBackAsItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(nasty(), 1, 4, strings.ToLower).Filter(func(names []string) bool {
			return checkNames(names) == nil
		}).Draw(t, "names")
		columns := make([]Column, len(names))
		for i, name := range names {
			columns[i] = Column{name, rapid.Bool().Draw(t, "typed")}
		}
		var rows []Row
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			row := Row{Seq: int64(i), Line: int64(i*3 + 2), File: fmt.Sprintf("%d.csv", i/7), Values: make([]string, len(names))}
			for j := range names {
				if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
					row.setNull(j)
				} else {
					row.Values[j] = nasty().Draw(t, "value")
				}
			}
			rows = append(rows, row)
		}
		path := filepath.Join(dir, "input.parquet")
		intake, err := TakeDown(context.Background(), &memoryRows{columns: columns, rows: rows}, path, TakeOptions{Key: names[0]})
		require.NoError(t, err)
		require.EqualValues(t, len(rows), intake.Rows)

		from := rapid.IntRange(0, len(rows)).Draw(t, "from")
		in, err := OpenInput(path, "", int64(from))
		require.NoError(t, err)
		require.Equal(t, columns, in.Columns())
		require.Equal(t, 0, in.Key())
		require.Equal(t, intake, in.Intake())
		for _, want := range rows[from:] {
			got, fate, err := in.Next()
			require.NoError(t, err)
			require.Nil(t, fate)
			require.Equal(t, want, got)
		}
		_, _, err = in.Next()
		require.Equal(t, io.EOF, err)
		require.NoError(t, in.Close())
	})
}

func TestAnInputIsResumedAtEveryRow(t *testing.T) {
	t.Parallel()
	// Rows of different length, over several row groups and many pages.
	const n = 3*groupRows + 7
	rows := &memoryRows{columns: []Column{{Name: "id"}, {Name: "text"}}}
	for i := range n {
		rows.rows = append(rows.rows, Row{Line: int64(i + 2), File: "a", Values: []string{fmt.Sprint(i), strings.Repeat("x", i%50)}})
	}
	path := filepath.Join(t.TempDir(), "input.parquet")
	_, err := TakeDown(t.Context(), rows, path, TakeOptions{})
	require.NoError(t, err)
	offsets := []int64{0, 1, groupRows - 1, groupRows, groupRows + 1, 2 * groupRows, n - 2, n - 1}
	for i := int64(0); i < n; i += 4_999 {
		offsets = append(offsets, i)
	}
	for _, from := range offsets {
		in, err := OpenInput(path, "", from)
		require.NoError(t, err)
		for seq := from; seq < min(from+600, n); seq++ {
			row, _, err := in.Next()
			require.NoError(t, err)
			require.Equal(t, seq, row.Seq)
			require.Equal(t, fmt.Sprint(seq), row.Values[0])
		}
		require.NoError(t, in.Close())
	}
	assert.Empty(t, mustReadBack(t, path, n), "after the last row there is none")
	for _, from := range []int64{-1, n + 1} {
		_, err := OpenInput(path, "", from)
		require.ErrorContains(t, err, fmt.Sprintf("there is no row %d; it has %d", from, n))
	}
}

func TestTheFingerprintTellsInputsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, rows := range map[string]*memoryRows{
		"none":                {columns: []Column{{Name: "a"}, {Name: "b"}}},
		"another column":      {columns: []Column{{Name: "a"}, {Name: "c"}}},
		"typed":               {columns: []Column{{Name: "a"}, {Name: "b", JSON: true}}},
		"a row":               {columns: []Column{{Name: "a"}, {Name: "b"}}, rows: []Row{{Values: []string{"1", "2"}}}},
		"a border elsewhere":  {columns: []Column{{Name: "a"}, {Name: "b"}}, rows: []Row{{Values: []string{"12", ""}}}},
		"null and not empty":  {columns: []Column{{Name: "a"}, {Name: "b"}}, rows: []Row{{Values: []string{"12", ""}, Null: []bool{false, true}}}},
		"the row twice":       {columns: []Column{{Name: "a"}, {Name: "b"}}, rows: []Row{{Values: []string{"1", "2"}}, {Values: []string{"1", "2"}}}},
		"in the other column": {columns: []Column{{Name: "a"}, {Name: "b"}}, rows: []Row{{Values: []string{"", "12"}}}},
	} {
		in, err := TakeDown(t.Context(), rows, filepath.Join(t.TempDir(), "x"), TakeOptions{})
		require.NoError(t, err)
		assert.Regexp(t, "^sha256:[0-9a-f]{64}$", in.Fingerprint)
		assert.Empty(t, seen[in.Fingerprint], name)
		seen[in.Fingerprint] = name
	}
	// The same content under another name is the same input.
	dir := mustWrite(t, map[string]string{"a.csv": "id\n1\n", "b.csv.gz": mustGzip(t, "\"id\"\r\n1\r\n")})
	a, b := mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, ""), mustTake(t, Spec{CSV: "b.csv.gz"}, Options{Dir: dir}, "")
	assert.Equal(t, a.Fingerprint, b.Fingerprint)
}

func TestAnInputIsThereWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "input.parquet")
	columns := []Column{{Name: "id"}}
	_, err := TakeDown(t.Context(), &memoryRows{columns: columns, rows: []Row{{Values: []string{"kept"}}}}, path, TakeOptions{})
	require.NoError(t, err)

	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	for name, c := range map[string]struct {
		ctx  context.Context
		rows *memoryRows
	}{
		"an error of the input": {t.Context(), &memoryRows{columns: columns, rows: []Row{{Values: []string{"1"}}}, err: assert.AnError}},
		"a cancelled context":   {cancelled, &memoryRows{columns: columns, rows: []Row{{Values: []string{"1"}}}}},
	} {
		_, err := TakeDown(c.ctx, c.rows, path, TakeOptions{})
		require.ErrorIs(t, err, assert.AnError, name)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing temporary is left")
	info, err := files[0].Info()
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	assert.Equal(t, []string{"kept"}, column(mustReadBack(t, path, 0), 0))
}

// endless yields rows until nobody asks any more, and calls end after some.
type endless struct {
	memoryRows
	n   int
	end func() error
}

func (e *endless) Next() (Row, error) {
	if e.n++; e.n == 5*batchRows/2 {
		if err := e.end(); err != nil {
			return Row{}, err
		}
	}
	return Row{Values: []string{"1"}}, nil
}

func TestTakingDownEndsWithinABlock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "input.parquet")
	for name, end := range map[string]func(cancel context.CancelCauseFunc) error{
		"the context ends": func(cancel context.CancelCauseFunc) error { cancel(assert.AnError); return nil },
		"the input fails":  func(context.CancelCauseFunc) error { return assert.AnError },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		rows := &endless{memoryRows: memoryRows{columns: []Column{{Name: "a"}}}, end: func() error { return end(cancel) }}
		_, err := TakeDown(ctx, rows, path, TakeOptions{})
		require.ErrorIs(t, err, assert.AnError, name)
		assert.LessOrEqual(t, rows.n, 5*batchRows/2, name)
		assert.NoFileExists(t, path, name)
		cancel(nil)
	}
}

func TestColumnsThatCanNotBeTakenDown(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{
		"a.csv": "id,Phone,name\n", "seq.csv": "id,_seq\n", "empty.jsonl": "", "headless.csv": "46700000001,x\n",
	})
	for _, c := range []struct {
		spec      Spec
		key, want string
	}{
		{Spec{CSV: "a.csv"}, "phone", `key: the input has no column "phone"; it has "id", "Phone", "name"; did you mean "Phone"?`},
		{Spec{CSV: "a.csv"}, "nmae", `did you mean "name"?`},
		{Spec{CSV: "a.csv"}, "zip", `it has "id", "Phone", "name"`},
		{Spec{CSV: "seq.csv"}, "id", "the input has a column _seq, a name that batch keeps for itself"},
		// An empty file is more likely a mistake than an empty list.
		{Spec{JSONL: "empty.jsonl"}, "id", "it has none at all"},
		// The first row of a file without header is not shown.
		{Spec{CSV: "headless.csv"}, "phone", "does the file have no header?"},
	} {
		_, err := take(t.Context(), t, c.spec, Options{Dir: dir}, c.key)
		require.ErrorContains(t, err, c.want)
		assert.NotContains(t, err.Error(), "46700000001")
	}
}

func TestAnInputHasItsColumnsInOrderForOtherReaders(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "z,a,m\n1,2,3\n"})
	in := mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, "z")
	columns, rows := mustRead(t, Spec{SQL: "select * from read_parquet(" + literal(in.Path) + ")"}, Options{})
	assert.Equal(t, []Column{{"_seq", true}, {"_line", true}, {"z", true}, {"a", true}, {"m", true}}, columns)
	assert.Equal(t, []string{"0", "2", `"1"`, `"2"`, `"3"`}, rows[0].Values)
}

func TestFilesThatAreNoInputAreRefused(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"text": "no parquet"})
	other := filepath.Join(dir, "other.parquet")
	mustDuck(t, "copy (select 1 as a) to "+literal(other))
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		filepath.Join(dir, "text"): "open Parquet file",
		other:                      "this is not an input that batch took down",
	} {
		_, err := OpenInput(path, "", 0)
		require.ErrorContains(t, err, want)
	}
}
