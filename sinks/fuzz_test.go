package sinks

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A text in SQL is that text, and a name that name, whatever they hold; and
// every format writes them so that they can be read back.
func FuzzQuotedAndWritten(f *testing.F) {
	for _, s := range []string{"a", "'", `"`, "'; DROP VIEW runs; --", `"; DROP VIEW runs; --`, "a,b\n\"c\"", "?$1", "\x00'", "\xff", "é\r\n", "\x1b[31m", "<&>\u2028"} {
		f.Add(s)
	}
	d, err := openDuck(f.Context(), map[string]string{"threads": "1"})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, d.close()) })
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			return // which SQL can not hold
		}
		asked := func(format Format) string {
			planned, err := d.plan(context.Background(), "SELECT "+quote(s)+" AS "+ident(s)+", "+quoteList([]string{"x", s})+"[2] AS again")
			require.NoError(t, err)
			r, err := ask(context.Background(), planned)
			require.NoError(t, err)
			defer func() { require.NoError(t, r.Close()) }()
			require.Equal(t, s, r.Columns[0].Name)
			var out bytes.Buffer
			n, err := r.Write(&out, format)
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			return out.String()
		}
		lines := csv.NewReader(strings.NewReader(asked(FormatCSV)))
		_, err := lines.Read()
		require.NoError(t, err)
		row, err := lines.Read()
		require.NoError(t, err)
		plain := strings.ReplaceAll(s, "\r\n", "\n") // encoding/csv makes that of it
		require.Equal(t, []string{plain, plain}, row)
		_, err = lines.Read()
		require.Equal(t, io.EOF, err)

		for _, format := range []Format{FormatJSONL, FormatJSON} {
			text := strings.TrimSpace(asked(format))
			require.False(t, strings.Contains(strings.Trim(text, "[]\n"), "\n"), "a row is a line")
			var rows []map[string]string
			require.NoError(t, json.Unmarshal([]byte("["+strings.Trim(text, "[]\n")+"]"), &rows), text)
			require.Equal(t, s, rows[0][s])
		}
		for _, format := range []Format{FormatTable, FormatMarkdown} {
			require.NotContains(t, asked(format), "\x1b", "nothing moves the cursor")
		}
	})
}
