package sinks

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// below returns every file below a folder with what is in it.
func below(t *testing.T, dir string) map[string]string {
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

// asker asks one instance that was made ready for queries, as Query does.
func asker(t *testing.T, s *Store, o QueryOptions) func(query string) (string, error) {
	t.Helper()
	views, err := s.Views([]Dataset{people})()
	require.NoError(t, err)
	d, cleanup, err := s.openForQuery(t.Context(), views, o, "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cleanup()) })
	return func(query string) (string, error) {
		asked, err := d.readOnly(t.Context(), query)
		if err != nil {
			return "", err
		}
		r, err := ask(t.Context(), asked)
		if err != nil {
			return "", err
		}
		var out bytes.Buffer
		_, err = r.Write(&out, FormatJSONL)
		return out.String(), errors.Join(err, r.Close())
	}
}

// Every function of DuckDB that opens a file, and every way to spell one.
func TestAQueryOpensNoFileOutsideOfTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustFill(t, filepath.Join(dir, "store"))
	secret := filepath.Join(dir, "outside")
	require.NoError(t, os.WriteFile(secret, []byte(`{"a": "top-secret"}`+"\n"), 0o600))
	segment := filepath.Join(s.Dir(), datasetsDir, "people", "R1-000001.parquet")
	copied, err := os.ReadFile(segment)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(secret+".parquet", copied, 0o600))
	places := []string{
		secret, secret + ".parquet", s.ledgerPath("offer"), filepath.Join(s.JobDir("offer"), statusFile), filepath.Join(s.JobDir("offer"), journalFile),
		filepath.Join(s.Dir(), datasetsDir) + "/../../outside", filepath.Join(s.Dir(), datasetsDir, "people") + "/./../../../outside",
		filepath.Join(s.Dir(), datasetsDir) + "x/../../outside", "file://" + secret, filepath.Join(dir, "out*"), filepath.Join(dir, "**"),
		"outside", "../outside", "~/outside", "/dev/stdin", "/proc/self/environ", "https://127.0.0.1:1/outside", "s3://bucket/outside",
	}
	readers := []string{
		"read_text(?)", "read_blob(?)", "read_csv(?)", "read_csv_auto(?)", "sniff_csv(?)", "read_json(?)", "read_json_auto(?)", "read_json_objects(?)",
		"read_ndjson(?)", "read_ndjson_objects(?)", "read_parquet(?)", "parquet_scan(?)", "parquet_metadata(?)", "parquet_schema(?)",
		"parquet_file_metadata(?)", "parquet_full_metadata(?)", "parquet_kv_metadata(?)", "parquet_bloom_probe(?, 'id', 'p0')", "read_duckdb(?)",
		"read_duckdb(?, table_name = 'runs')", "glob(?)", "?", "query('FROM ' || '''' || ? || '''')", "query_table(?)", "read_text([?, ?])",
	}
	ask := asker(t, s, QueryOptions{})
	for _, place := range places {
		for _, reader := range readers {
			query := "SELECT * FROM " + strings.ReplaceAll(reader, "?", quote(place))
			out, err := ask(query)
			if err == nil && reader == "glob(?)" {
				assert.Empty(t, out, "%s", query) // of a scheme that it does not know, there is nothing
				continue
			}
			assert.Error(t, err, "%s", query)
		}
	}
	out, err := ask("SELECT count(*) AS n FROM " + quote(segment))
	require.NoError(t, err)
	assert.Equal(t, "{\"n\":3}\n", out, "and those of the store it opens")
	ask = asker(t, s, QueryOptions{Read: []string{secret}})
	out, err = ask("SELECT content FROM read_text(" + quote(secret) + ")")
	require.NoError(t, err)
	assert.Contains(t, out, "top-secret", "and one that it was given")
	_, err = ask("SELECT * FROM read_text(" + quote(secret+".parquet") + ")")
	require.Error(t, err, "and no other")
}

// What DuckDB counts as a SELECT and yet does something, does nothing here.
func TestAQueryChangesNothingInTheStoreAndAroundIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustFill(t, filepath.Join(dir, "store"))
	views := s.Views([]Dataset{people})
	before := below(t, dir)
	in := filepath.Join(s.Dir(), datasetsDir, "people")
	for _, into := range []string{dir, in} {
		for _, query := range []string{
			"SELECT * FROM enable_logging(level = 'trace', storage = 'file', storage_path = 'DIR/x')",
			"SELECT write_log('x' || n, level := 'error') FROM (SELECT count(*) AS n FROM enable_logging(storage = 'file', storage_config = {'path': 'DIR/x.csv'}))",
			"SELECT count(*) FROM people, enable_logging(level = 'trace', storage = 'file', storage_path = 'DIR/x')",
			"SELECT count(*) FROM people, enable_profiling(format = 'json', save_location = 'DIR/x.json')",
			"SELECT * FROM enable_profiling(format = 'json', save_location = 'DIR/x.json', coverage = 'all')",
			"SELECT * FROM force_checkpoint()",
			"SELECT * FROM checkpoint()",
			"SELECT * FROM truncate_duckdb_logs()",
		} {
			r, err := s.Query(t.Context(), strings.ReplaceAll(query, "DIR", into), views, QueryOptions{})
			require.NoError(t, err, query)
			_, err = r.Write(io.Discard, FormatJSONL)
			require.NoError(t, err, query)
			require.NoError(t, r.Close(), query)
		}
		ask := asker(t, s, QueryOptions{})
		for _, query := range []string{
			"WITH x AS (COPY people TO 'DIR/x.csv') SELECT 1",
			"FROM (COPY people TO 'DIR/x.csv')",
			"EXPLAIN (ANALYZE, FORMAT json) COPY people TO 'DIR/x.csv'",
			"EXPLAIN/**/ANALYZE COPY people TO 'DIR/x.csv'",
			"EXPLAIN (ANALYZE /* ) SELECT 1 -- */) COPY people TO 'DIR/x.parquet' (FORMAT parquet)",
			"EXPLAIN ( --) SELECT 1 /*\nANALYZE) COPY people TO 'DIR/x.parquet' (FORMAT parquet) --*/",
			"EXPLAIN (ANALYZE, FORMAT $$)SELECT 1 --$$) COPY people TO 'DIR/x.csv'",
			"EXPLAIN (ANALYZE, \") SELECT 1 --\") COPY people TO 'DIR/x.csv'",
			"EXPLAIN ANALYZE\x00 COPY people TO 'DIR/x.csv'",
			"SELECT 1\x00; COPY people TO 'DIR/x.csv'",
			"EXPLAIN EXPLAIN ANALYZE COPY people TO 'DIR/x.csv'",
			"EXPLAIN\n--\nANALYZE COPY people TO 'DIR/x.csv'",
			"; COPY people TO 'DIR/x.csv'",
			"CREATE TEMP TABLE t AS SELECT 1",
			"CREATE PERSISTENT SECRET s (TYPE s3)",
			"INSERT INTO people VALUES ('x')",
			"UPDATE people SET name = 'x'",
			"DELETE FROM people",
			"MERGE INTO people USING people p ON true WHEN MATCHED THEN DELETE",
			"IMPORT DATABASE 'DIR'",
			"CALL enable_profiling(format = 'json', save_location = 'DIR/x.json')",
			"SET VARIABLE x = 1",
			"SET GLOBAL allowed_directories = ['/']",
			"SET allowed_configs = ['enable_external_access']",
			"SET temp_directory = 'DIR'",
			"SET home_directory = 'DIR'",
			"SET secret_directory = 'DIR'",
			"LOAD 'DIR/x.duckdb_extension'",
			"FORCE INSTALL httpfs FROM 'DIR'",
			"UPDATE EXTENSIONS",
			"USE memory", "BEGIN", "VACUUM", "ANALYZE", "DETACH memory", "EXECUTE p", "DEALLOCATE p", "COMMENT ON VIEW people IS 'x'",
			"SELECT getenv('HOME')",
			"SELECT * FROM duckdb_secrets()",
			"SELECT * FROM which_secret('s3://x', 's3')",
		} {
			_, err := ask(strings.ReplaceAll(query, "DIR", into))
			assert.Error(t, err, "%s", query)
		}
	}
	assert.Equal(t, before, below(t, dir))
	out, err := asker(t, s, QueryOptions{})("SELECT current_setting('enable_external_access') AS outside, current_setting('lock_configuration') AS locked")
	require.NoError(t, err)
	assert.Equal(t, "{\"outside\":false,\"locked\":true}\n", out)
}
