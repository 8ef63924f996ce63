package prompt

import (
	"bufio"
	"database/sql"
	"strings"
	"testing"
	"testing/iotest"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func statementsOf(t require.TestingT, text string) (all []string) {
	s := bufio.NewScanner(iotest.OneByteReader(strings.NewReader(text))) // as slow as it can come
	s.Split(Statements)
	for s.Scan() {
		all = append(all, s.Text())
	}
	require.NoError(t, s.Err())
	return all
}

func TestStatementsEndWithASemicolonAndCommandsWithTheirLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                      nil,
		" \n\n":                                 nil,
		"select 1":                              {"select 1"},
		"select 1;":                             {"select 1"},
		"select 1; select 2;\nselect\n3 ;\n":    {"select 1", "select 2", "select\n3"},
		"\\d\nselect 1;\n  \\d messages \n":     {`\d`, "select 1", `\d messages`},
		"exit\n":                                {"exit"},
		"quit;\n":                               {"quit;"},
		"exited;":                               {"exited"},
		"select '\\d';\n":                       {`select '\d'`},
		"select\n\\d\n;":                        {"select\n\\d"},
		"select ';' as \";\";":                  {`select ';' as ";"`},
		"select 1 -- a; b\n; select 2 /* ; */;": {"select 1 -- a; b", "select 2 /* ; */"},
		"select 'it''s;';":                      {"select 'it''s;'"},
		"select 'open; \n":                      {"select 'open;"},
	} {
		assert.Equal(t, want, statementsOf(t, text), "%q", text)
	}
}

// single are statements that are one, though they look like more.
var single = []string{
	`select ';' as a, ';;' as ";"`,
	`select 'it''s; ' || ';'`,
	`select e'\';\\' || ';'`,
	`select E'a\'; b' || name from (select ';' as name)`,
	`select 'a\' || ';'`,
	`select $$;'"$$ || $x1$ $$ ; $x1$`,
	"select 1 -- ; ' \"\n + 1",
	"select /* ; /* ; */ ' */ 1",
	"select /**/1/*/**/*/ /* a */+/* b */ 2",
	"select 8-- 2\n-3",
	"select   'two  blanks'  ,\n\t1",
	`select "a;b".c from (select {c: 1} as "a;b")`,
	`select name from (select 'e' as name, ';' as e) where name<>';'`,
	"select 1 as a$b, 2 as é",
	`select '🙂;' || "ü;" from (select ';' as "ü;")`,
}

// DuckDB sees one statement where Statements sees one, and Flat says the same.
func TestStatementsAreThoseOfDuckDB(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	ask := func(query string) (values [][]any) {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err, query)
		defer func() { require.NoError(t, rows.Close()) }()
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			row, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			require.NoError(t, rows.Scan(into...))
			values = append(values, row)
		}
		require.NoError(t, rows.Err())
		return values
	}
	for _, statement := range single {
		assert.Equal(t, []string{statement, "select 1"}, statementsOf(t, statement+";\nselect 1"), statement)
		flat, ok := Flat(statement)
		require.True(t, ok, statement)
		assert.NotContains(t, flat, "\n")
		want := ask(statement)
		require.NotEmpty(t, want)
		assert.Equal(t, want, ask(flat), "%s\n%s", statement, flat)
	}
}

func TestFlatLeavesATextWithALineBreakAlone(t *testing.T) {
	t.Parallel()
	_, ok := Flat("select 'a\nb'")
	assert.False(t, ok)
	for text, want := range map[string]string{"  -- nothing\n": "", "/* a */ select 1 /* b */\n; ": "select 1 ;", "select 'a  b'": "select 'a  b'"} {
		flat, ok := Flat(text)
		assert.True(t, ok)
		assert.Equal(t, want, flat)
	}
}

// Whatever is fed to it, nothing is lost and it comes to an end.
func TestStatementsLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := []string{"'", `"`, "$$", "$a$", "--", "/*", "*/", "\\", ";", "\n", " ", "e'", "x", "1", "é", "\xff", "exit", "select"}
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "text"), "")
		kept := func(s string) string { return strings.NewReplacer(";", "", " ", "", "\n", "").Replace(s) }
		assert.Equal(t, kept(text), kept(strings.Join(statementsOf(t, text), "")))
		Flat(text)
	})
}
