package sources

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAQueryKeepsTypesDigitsAndOrder(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"1.50::decimal(10,2)":                             "1.50",
		"12345678901234567890123456789012345678::hugeint": "12345678901234567890123456789012345678",
		"true":                                 "true",
		"0.1::float":                           "0.1",
		"'nan'::double":                        `"nan"`,
		"'+46 \"x\"'||chr(10)":                 `"+46 \"x\"\n"`,
		"timestamp '2026-03-01 10:00:00.5'":    `"2026-03-01T10:00:00.5Z"`,
		"timestamptz '2026-03-01 10:00:00+02'": `"2026-03-01T08:00:00Z"`,
		"timestamp 'infinity'":                 `"infinity"`,
		"date '2026-03-01'":                    `"2026-03-01"`,
		"'ab'::blob":                           `"YWI="`,
		"[1.50::decimal(4,2), null]":           "[1.50,null]",
		"array_value(1, 2)":                    "[1,2]",
		"[]::int[]":                            "[]",
		"map {'a': 1.50, 'b\"': null}":         `{"a":1.50,"b\"":null}`,
		"{'t': timestamp '2026-03-01', 'l': [{'x': 2.0::decimal(3,1)}], 'n': null}": `{"t":"2026-03-01T00:00:00Z","l":[{"x":2.0}],"n":null}`,
		"row(1, 'b')":                                 `{"":1,"":"b"}`,
		"'{\"a\": 1.50}'::json":                       `{"a": 1.50}`,
		"{'j': '{\"a\":1.50}'::json}":                 `{"j":{"a":1.50}}`,
		"'a'::enum('a', 'b')":                         `"a"`,
		"uuid '00000000-0000-0000-0000-000000000001'": `"00000000-0000-0000-0000-000000000001"`,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			columns, rows := mustRead(t, Spec{SQL: "select " + expression + " as v, null as n, 'null'::json as j"}, Options{})
			assert.Equal(t, []Column{{"v", true}, {"n", true}, {"j", true}}, columns)
			assert.Equal(t, []Row{{Line: 1, File: "query", Values: []string{want, "", ""}, Null: []bool{false, true, true}}}, rows)
			_, err := rows[0].Value(0, columns[0])
			assert.NoError(t, err, "the text is JSON")
		})
	}
	_, rows := mustRead(t, Spec{SQL: "select x from range(30000) r(x) order by x desc; -- all of them"}, Options{})
	require.Len(t, rows, 30_000)
	for i, r := range rows {
		require.Equal(t, int64(i+1), r.Line)
		v, err := r.Text(0, Column{"x", true})
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(29_999-i), v)
	}
}

func TestAQueryReadsFilesFromTheJobsFolderAndDatasetsOfTheStore(t *testing.T) {
	t.Parallel()
	o := Options{
		Dir:   mustWrite(t, map[string]string{"a.csv": "id,name\n1,x\n2,y\n"}),
		Setup: []string{`create view "odd ""name" as select 1 as id, 'hej' as text`},
	}
	_, rows := mustRead(t, Spec{SQL: `select name, text from 'a.csv' a left join "odd ""name" s on s.id = a.id order by a.id`}, o)
	assert.Equal(t, []string{`"x"`, `"y"`}, column(rows, 0))
	assert.True(t, rows[1].IsNull(1))
	columns, rows := mustRead(t, Spec{Dataset: `odd "name`}, o)
	assert.Equal(t, []Column{{"id", true}, {"text", true}}, columns)
	assert.Equal(t, []Row{{Line: 1, File: `dataset odd "name`, Values: []string{"1", `"hej"`}}}, rows)
}

func TestAQueryIsOneSelectStatement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, want string }{
		// What changes something, or is more than one thing, is not read from.
		{"create table t (a int)", "SELECT statement only"},
		{"copy (select 1) to 'x.csv'", "SELECT statement only"},
		{"install httpfs", "SELECT statement only"},
		{"select 1; select 2", "only one statement"},
		{"select 1); drop table x; --", "query: "},
		{"select 1 where 1 = ?", "1 parameter"},
		{"select", "query: "},
		{"select * from missing", "missing"},
		{"select context from (select 1 as a)", "context"},
		{"select 1 as a, 2 as A", "differ in upper and lower case only"},
		{"select 1 as a, 2 as a", `both called "a"`},
		{"select * from 's3://bucket/x.parquet'", "query: "},
	} {
		_, _, err := read(t, Spec{SQL: c.sql}, Options{})
		require.ErrorContains(t, err, c.want, c.sql)
	}
}

func TestAnErrorOfAQueryShowsNoValue(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "phone,text\n+46700000001,Hi Anna\n"})
	_, _, err := read(t, Spec{SQL: "select text::int from 'a.csv'"}, Options{Dir: dir})
	require.ErrorContains(t, err, "Could not convert string")
	assert.NotContains(t, err.Error(), "Anna")
}

func TestParquetKeepsTypesAndOrderOverFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustDuck(t,
		"copy (select x as id, x::decimal(5,2) as price, 'a' as t from range(3) r(x)) to "+literal(filepath.Join(dir, "1.parquet")),
		"copy (select x as id, 2.5::decimal(5,2) as price, null::varchar as t from range(2) r(x)) to "+literal(filepath.Join(dir, "2.parquet")),
		"copy (select 1 as other) to "+literal(filepath.Join(dir, "odd.parquet")))
	columns, rows := mustRead(t, Spec{Parquet: "?.parquet"}, Options{Dir: dir})
	assert.Equal(t, []Column{{"id", true}, {"price", true}, {"t", true}}, columns)
	assert.Equal(t, []string{"0", "1", "2", "0", "1"}, column(rows, 0))
	assert.Equal(t, []string{"0.00", "1.00", "2.00", "2.50", "2.50"}, column(rows, 1))
	assert.Equal(t, Row{Line: 2, File: "2.parquet", Values: []string{"1", "2.50", ""}, Null: []bool{false, false, true}}, rows[4])

	_, _, err := read(t, Spec{Parquet: "*.parquet"}, Options{Dir: dir})
	require.ErrorContains(t, err, "odd.parquet has 1 columns where 1.parquet has 3")
	_, _, err = read(t, Spec{Parquet: "a.parquet"}, Options{Dir: mustWrite(t, map[string]string{"a.parquet": "no parquet"})})
	require.ErrorContains(t, err, "a.parquet: ")
}

func TestAQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	_, err := Open(ctx, Spec{SQL: "select count(*) from range(100000000000)"}, Options{TempDir: t.TempDir()})
	require.ErrorIs(t, err, context.Canceled)
}

// mustDuck runs statements.
func mustDuck(t testing.TB, statements ...string) {
	t.Helper()
	d, err := openDuck(t.Context(), t.TempDir(), "128MB", 1)
	require.NoError(t, err)
	for _, s := range statements {
		require.NoError(t, d.exec(t.Context(), s))
	}
	require.NoError(t, d.close())
}
