package sources

import (
	"os"
	"path/filepath"
	"testing"

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

func FuzzJSONL(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"name":"a"}` + "\n" + `{"id":2}`, `{"a":{"b":[1,2.50,null,"\ud83d\ude00"]}}`, `{"a":"\ud83d"}`, `{"a":1,"a":2}`, "\n \n{}", `[`, `{"":0}`, `{"a":nulL}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) { roundTrip(t, Spec{JSONL: "input"}, content) })
}

// roundTrip reads a file, takes it down and reads it back. Whatever the file
// is, it is refused, or every row of it comes back.
func roundTrip(t *testing.T, s Spec, content []byte) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "input"), content, 0o600))
	columns, rows, err := read(t, s, Options{Dir: dir})
	if err != nil {
		return
	}
	in, err := take(t.Context(), t, s, Options{Dir: dir}, "")
	if checkColumns(columns, "") != nil {
		require.Error(t, err)
		return
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
}
