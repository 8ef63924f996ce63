package main

import (
	"database/sql"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// places are texts by where they were found.
type places map[string]string

// searched returns everything that a store holds: every file as its bytes are
// and, since what is compressed does not show there, every value of every
// Parquet file and of every table of a ledger, the log of one that died
// included.
func searched(t *testing.T, store string) places {
	t.Helper()
	found := places{}
	db := duck(t)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		switch {
		case filepath.Ext(path) == ".parquet" && len(text) > 0:
			found[path+" as rows"] = values(t, db, "FROM read_parquet("+quoted(path)+")")
		case filepath.Base(path) == "ledger.duckdb":
			tables(t, path, found)
		}
		return err
	}))
	return found
}

// duck is a DuckDB with statements behind it.
func duck(t *testing.T, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
	return db
}

// tables adds the tables of a copy of a ledger.
func tables(t *testing.T, ledger string, found places) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "ledger.duckdb")
	for _, end := range []string{"", ".wal"} {
		text, err := os.ReadFile(ledger + end)
		if end == "" || err == nil {
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(copied+end, text, 0o600))
		}
	}
	db := duck(t, "ATTACH "+quoted(copied)+" AS ledger")
	defer func() { require.NoError(t, db.Close()) }()
	names := strings.Fields(values(t, db, "SELECT table_name FROM duckdb_tables() WHERE database_name = 'ledger'"))
	require.Contains(t, names, "log")
	for _, name := range names {
		found[ledger+" table "+name] = values(t, db, `FROM ledger."`+name+`"`)
	}
}

// values returns every value of a query as text.
func values(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT COLUMNS(*)::VARCHAR FROM ("+query+")")
	require.NoError(t, err, query)
	defer func() { require.NoError(t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(t, err)
	texts, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range texts {
		into[i] = &texts[i]
	}
	var all strings.Builder
	for rows.Next() {
		require.NoError(t, rows.Scan(into...))
		for _, text := range texts {
			all.WriteString(text.String + "\n")
		}
	}
	require.NoError(t, rows.Err())
	return all.String()
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// coats are the forms in which a secret may lie about: plain, in base64, and
// both as a URL and as JSON have them.
func coats(secret string) []string {
	var all []string
	for _, s := range []string{
		secret, strings.TrimRight(secret, "="),
		base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		all = append(all, s, strings.ReplaceAll(s, "/", `\/`))
		for _, escaped := range []string{url.QueryEscape(s), url.PathEscape(s)} {
			all = append(all, escaped, percent.ReplaceAllStringFunc(escaped, strings.ToLower))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// leaks names the places where a secret is, in whatever coat.
func (p places) leaks(secrets ...string) []string {
	var all []string
	for place, text := range p {
		for _, secret := range secrets {
			for _, coat := range coats(secret) {
				if strings.Contains(text, coat) {
					all = append(all, fmt.Sprintf("%s: %s", place, coat))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// The search finds a secret wherever a store can hold one, and in every coat:
// else its silence would say nothing.
func TestTheSearchForSecretsFindsThem(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickRetry, sendJob)
	w.recipients("recipients.csv", 5)
	_, r := w.run("send")
	require.Zero(t, r.code, r.stderr)
	const secret = "planted+s3cr3t/of=the~key"
	store := filepath.Join(w.dir, "store")
	require.Empty(t, searched(t, store).leaks(secret))
	require.NotEmpty(t, searched(t, store).leaks(number(3)), "of which results and input are full")

	change := func(path string, statements ...string) {
		for i := range statements {
			statements[i] = strings.ReplaceAll(statements[i], "FILE", quoted(path))
		}
		require.NoError(t, duck(t, statements...).Close())
	}
	results, err := filepath.Glob(filepath.Join(store, "jobs", "send", "results", "*.parquet"))
	require.NoError(t, err)
	require.Len(t, results, 1)
	said := strings.Join(coats(secret), " and ")
	for place, plant := range map[string]func(path string){
		results[0]: func(path string) {
			change(path, "CREATE TABLE r AS SELECT * REPLACE ("+quoted(said)+" AS response) FROM FILE", "COPY r TO FILE (FORMAT parquet, COMPRESSION zstd)")
		},
		filepath.Join(store, "jobs", "send", "ledger.duckdb"): func(path string) {
			change(path, "ATTACH FILE AS l", "UPDATE l.runs SET message = "+quoted(said), "CHECKPOINT l")
		},
		filepath.Join(store, "jobs", "send", "status.json"): func(path string) {
			require.NoError(t, os.WriteFile(path, []byte(said), 0o600))
		},
	} {
		before, err := os.ReadFile(place)
		require.NoError(t, err)
		plant(place)
		leaks := searched(t, store).leaks(secret)
		for _, coat := range coats(secret) {
			assert.True(t, slices.ContainsFunc(leaks, func(leak string) bool {
				return strings.HasPrefix(leak, place) && strings.HasSuffix(leak, ": "+coat)
			}), "%s in %s", coat, place)
		}
		require.NoError(t, os.WriteFile(place, before, 0o600))
	}
}
