package sources

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contents returns every file below a folder with what is in it.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	}))
	return files
}

// The query of an input may read files, and that is all: it writes none, it
// changes none, it loads nothing and it changes no setting.
func TestAQueryOfAnInputWritesNothing(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id\n1\n"})
	mustDuck(t, "attach "+literal(filepath.Join(dir, "other.duckdb"))+" as other", "create table other.t as select 1 as a", "detach other")
	before := contents(t, dir)
	for _, statement := range []string{
		"copy (select 1) to 'DIR/stolen.csv'",
		"copy (from 'DIR/a.csv') to 'DIR/a.csv'",
		"explain analyze copy (select 1) to 'DIR/stolen.csv'",
		"export database 'DIR/stolen'",
		"attach 'DIR/stolen.duckdb' as s",
		"attach 'DIR/other.duckdb' as o",
		"create table t as select 1",
		"create temp table t as select 1",
		"create secret s (type s3, key_id 'x', secret 'y')",
		"create macro m() as 1",
		"insert into input_rows values (1)",
		"update t set a = 1",
		"delete from t",
		"drop view batch_input",
		"set temp_directory = 'DIR'",
		"set variable x = 1",
		"reset memory_limit",
		"pragma enable_profiling",
		"pragma database_list",
		"call enable_logging(storage = 'file', storage_path = 'DIR/stolen.log')",
		"install httpfs",
		"load httpfs",
		"load 'DIR/evil.duckdb_extension'",
		"update extensions",
		"import database 'DIR'",
		"use memory",
		"begin",
		"vacuum",
		"analyze",
		"checkpoint",
		"prepare p as select 1",
		"execute p",
		"with t as (insert into x values (1) returning *) select * from t",
		"select 1; copy (select 1) to 'DIR/stolen.csv'",
		"copy (select 1) to 'DIR/stolen.csv'; select 1",
		"select 1) to 'DIR/stolen.csv'; --",
		"select * from (copy (select 1) to 'DIR/stolen.csv')",
		"select * from 'https://127.0.0.1:1/x.csv'",
		"select * from read_csv('s3://bucket/x.csv')",
		"select getenv('HOME')",
	} {
		_, _, err := read(t, Spec{SQL: strings.ReplaceAll(statement, "DIR", dir)}, Options{Dir: dir})
		require.ErrorContains(t, err, "query: ", statement)
	}
	// These are SELECTs to DuckDB, and have no effect on the one query that follows.
	for _, query := range []string{
		"select write_log('x' || n, level := 'error') as v from (select count(*) as n from enable_logging(level = 'trace', storage = 'file', storage_path = 'DIR/stolen.log'))",
		"select count(*) as n from enable_profiling(format = 'json', save_location = 'DIR/stolen.json')",
		"select count(*) as n from force_checkpoint()",
	} {
		_, _, err := read(t, Spec{SQL: strings.ReplaceAll(query, "DIR", dir)}, Options{Dir: dir})
		require.NoError(t, err, query)
	}
	assert.Equal(t, before, contents(t, dir))
}

// Names come from people's files: in SQL they are names and texts.
func TestNamesOfFilesColumnsAndKeysAreNoSQL(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`'`, `"`, `'; drop table fated; --`, `"; drop table fated; --`, `a"b'c`, `it's "x"`, `$1 :x`, `{{.x}}`, `select`} {
		quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		dir := mustWrite(t, map[string]string{name + ".csv": quoted + "\n" + quoted + "\n\"other\"\n" + quoted + "\n"})
		in := mustTake(t, Spec{CSV: name + ".csv"}, Options{Dir: dir}, name)
		fates := filepath.Join(dir, name+".fates")
		earlier := filepath.Join(dir, name+".parquet")
		mustDuck(t, "copy (select 'other' as key, 'done' as state, "+literal(name)+" as run_id, now() as finished_at) to "+literal(earlier))
		d, err := Decide(t.Context(), DecideOptions{Input: in.Path, Key: name, Earlier: []string{earlier}, Out: fates, TempDir: dir})
		require.NoError(t, err, name)
		assert.Equal(t, Decided{Duplicates: 1, Skipped: 1}, d, name)
		rows, err := OpenInput(in.Path, fates, 0)
		require.NoError(t, err)
		row, fate, err := rows.Next()
		require.NoError(t, err)
		assert.Nil(t, fate)
		assert.Equal(t, name, row.Values[0])
		_, fate, err = rows.Next()
		require.NoError(t, err)
		assert.Contains(t, fate.Error, name, "the run that it was done in")
		require.NoError(t, rows.Close())
	}
}
