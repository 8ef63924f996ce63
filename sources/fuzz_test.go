package sources

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"id,name\n1,a\n2,b\n", "\xef\xbb\xbfid;x\r\n\"1\r\n2\";\"\"\"\"\r\n", "a\n\"", "a,a\n", "\n\n", "a\r\n\r\r\n\"x\r\"\n", "\xff\xfe", "a\n\x00",
	} {
		f.Add([]byte(seed), ",", false)
		f.Add([]byte(seed), ";", true)
	}
	f.Fuzz(func(t *testing.T, content []byte, delimiter string, windows bool) {
		s := Spec{CSV: "input", Delimiter: delimiter}
		if windows {
			s.Encoding = "windows-1252"
		}
		if len(s.Check()) == 0 {
			roundTrip(t, s, content)
		}
	})
}

// What a CSV writer wrote is what is read, byte for byte.
func FuzzWrittenCSV(f *testing.F) {
	for _, s := range []string{"a", "", `"`, "x\r\ny", "\r", "\n", "a,b;c\td", " ", "#", "\ufeff", "'; DROP TABLE runs; --", "=1+1", "\u2028"} {
		f.Add(s, "+46700000001", s, byte(0))
	}
	f.Fuzz(func(t *testing.T, a, b, c string, delimiter byte) {
		s := Spec{CSV: "input", Delimiter: []string{"", ";", "\t", "|", "§"}[int(delimiter)%5]}
		for _, field := range []string{a, b, c} {
			if at, _ := badText(field, ""); at >= 0 {
				return
			}
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Comma, _ = s.comma()
		want := [][]string{{a, b, c}, {c, a, b}, {"x" + b, "", ""}}
		require.NoError(t, w.WriteAll(append([][]string{{"one", "two", "three"}}, want...)))
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "input"), text.Bytes(), 0o600))
		_, rows := mustRead(t, s, Options{Dir: dir})
		require.Len(t, rows, len(want))
		line := int64(2)
		for i, row := range rows {
			require.Equal(t, want[i], row.Values)
			require.Equal(t, line, row.Line)
			line += 1 + int64(strings.Count(strings.Join(row.Values, ""), "\n"))
		}
	})
}

func FuzzJSONL(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"name":"a"}` + "\n" + `{"id":2}`, `{"a":{"b":[1,2.50,null,"\ud83d\ude00"]}}`, `{"a":"\ud83d"}`, `{"a":1,"a":2}`, "\n \n{}", `[`, `{"":0}`, `{"a":nulL}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		columns, rows := roundTrip(t, Spec{JSONL: "input"}, content)
		objects := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, bom)))
		objects.UseNumber()
		for _, row := range rows {
			var object map[string]any
			require.NoError(t, objects.Decode(&object))
			require.Equal(t, int(row.Line), 1+bytes.Count(bytes.TrimPrefix(content, bom)[:objects.InputOffset()], []byte("\n")))
			for i, c := range columns {
				got, err := row.Value(i, c)
				require.NoError(t, err)
				require.Equal(t, object[c.Name], got, c.Name)
			}
		}
	})
}

// roundTrip reads a file, takes it down and reads it back. Whatever the file
// is, it is refused, or every row of it comes back.
func roundTrip(t *testing.T, s Spec, content []byte) ([]Column, []Row) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "input"), content, 0o600))
	columns, rows, err := read(t, s, Options{Dir: dir})
	if err != nil {
		require.True(t, utf8.ValidString(err.Error()), "%q", err)
		return nil, nil
	}
	in, err := take(t.Context(), t, s, Options{Dir: dir}, "")
	if checkColumns(columns, "") != nil {
		require.Error(t, err)
		return nil, nil
	}
	require.NoError(t, err)
	require.EqualValues(t, len(rows), in.Rows)
	for i, got := range mustReadBack(t, in.Path, 0) {
		want := rows[i]
		want.Seq = int64(i)
		require.Equal(t, want.Line, got.Line)
		for j, c := range columns {
			require.Equal(t, want.IsNull(j), got.IsNull(j))
			require.Equal(t, want.Values[j], got.Values[j])
			_, err := got.Value(j, c)
			require.NoError(t, err)
			_, err = got.Text(j, c)
			require.NoError(t, err)
		}
	}
	return columns, rows
}

// A text in SQL is that text, and a name that name, whatever they hold. What
// SQL can not hold is an error, never another statement.
func FuzzQuoting(f *testing.F) {
	for _, s := range []string{"a", "'", `"`, "'; DROP TABLE kept; --", `"; DROP TABLE kept; --`, "\\'", "$$", "?", "\x00'", "\xff", "é\n", "E'\\x27", "select"} {
		f.Add(s)
	}
	d, err := openDuck(f.Context(), f.TempDir(), "128MB", 1)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, d.close()) })
	require.NoError(f, d.exec(f.Context(), "create temp table kept as select 1 as one"))
	f.Fuzz(func(t *testing.T, s string) {
		sound := s != "" && utf8.ValidString(s) && !strings.Contains(s, "\x00")
		var text, inList, name string
		ask := "select " + literal(s) + ", " + list([]string{"x", s}) + "[2], column_name from (describe select 1 as " + identifier(s) + ")"
		err := d.conn.QueryRowContext(t.Context(), ask).Scan(&text, &inList, &name)
		if sound {
			require.NoError(t, err, ask)
			require.Equal(t, []string{s, s, s}, []string{text, inList, name})
		} else if err == nil {
			require.Equal(t, s, text)
		}
		var kept int
		require.NoError(t, d.conn.QueryRowContext(t.Context(), "select count(*) from kept").Scan(&kept))
		require.Equal(t, 1, kept)
	})
}
