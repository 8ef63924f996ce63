package sources

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

func mustGzip(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func mustZstd(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	return string(w.EncodeAll([]byte(text), nil))
}

func TestCompressedFilesReadAsPlainOnes(t *testing.T) {
	t.Parallel()
	const text = "id\n1\n2\n"
	dir := mustWrite(t, map[string]string{
		"a.csv.gz": mustGzip(t, text), "b.csv.zst": mustZstd(t, text), "c.jsonl.GZ": mustGzip(t, `{"id":1}`),
		// Two members one after the other, as `cat a.gz b.gz` makes them.
		"d.csv.gz": mustGzip(t, "id\n1\n") + mustGzip(t, "2\n"),
	})
	for _, name := range []string{"a.csv.gz", "b.csv.zst", "d.csv.gz"} {
		_, rows := mustRead(t, Spec{CSV: name}, Options{Dir: dir})
		assert.Equal(t, []string{"1", "2"}, column(rows, 0), name)
	}
	_, rows := mustRead(t, Spec{JSONL: "c.jsonl.GZ"}, Options{Dir: dir})
	assert.Equal(t, []string{"1"}, column(rows, 0))
}

func TestACompressedFileCutShortIsAnErrorAndNoEnd(t *testing.T) {
	t.Parallel()
	var text, lines bytes.Buffer
	text.WriteString("id\n")
	for range 10_000 {
		text.WriteString("123456\n")
		lines.WriteString("{\"id\":123456}\n")
	}
	gz, zst, jl := mustGzip(t, text.String()), mustZstd(t, text.String()), mustGzip(t, lines.String())
	dir := mustWrite(t, map[string]string{
		"a.csv.gz": gz[:len(gz)-9], "b.csv.zst": zst[:len(zst)-4], "c.csv.gz": text.String(), "d.jsonl.gz": jl[:len(jl)-9],
	})
	for _, name := range []string{"a.csv.gz", "b.csv.zst", "c.csv.gz"} {
		_, _, err := read(t, Spec{CSV: name}, Options{Dir: dir})
		require.ErrorContains(t, err, name)
	}
	_, _, err := read(t, Spec{JSONL: "d.jsonl.gz"}, Options{Dir: dir})
	require.ErrorContains(t, err, "read d.jsonl.gz after line")
}

func TestAGlobReadsFilesInOrderOfNameAndSaysWhichOne(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"b.csv": "id\n3\n", "a.csv": "id\n1\n2\n", "c.csv": "id\n", "d.csv": "id\n4\n", "x.txt": "?"})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.csv"), 0o700))
	_, rows := mustRead(t, Spec{CSV: "*.csv"}, Options{Dir: dir})
	assert.Equal(t, []string{"1", "2", "3", "4"}, column(rows, 0))
	assert.Equal(t, []string{"a.csv", "a.csv", "b.csv", "d.csv"}, []string{rows[0].File, rows[1].File, rows[2].File, rows[3].File})
	assert.Equal(t, []int64{2, 3, 2, 2}, []int64{rows[0].Line, rows[1].Line, rows[2].Line, rows[3].Line})
}

func TestFilesThatCanNotBeFoundOrJoined(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id,name\n1,x\n", "b.csv": "id,phone\n1,x\n", "c1.csv": "id\n1\n", "c2.csv": "id,more\n1,2\n"})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for pattern, want := range map[string]string{
		"none.csv":   "there is no file none.csv",
		"none-*.csv": "no file matches none-*.csv",
		"sub":        "sub is a folder",
		"[":          "is not a glob",
		"[ab].csv":   `b.csv: column 2 is "phone" where a.csv has "name"`,
		"c?.csv":     "c2.csv has 2 columns where c1.csv has 1",
	} {
		_, _, err := read(t, Spec{CSV: pattern}, Options{Dir: dir})
		require.ErrorContains(t, err, want)
	}
	_, rows := mustRead(t, Spec{CSV: filepath.Join(dir, "a.csv")}, Options{Dir: "elsewhere"})
	assert.Len(t, rows, 1, "an absolute path does not start from the folder")
}

func TestAFileWhoseNameIsAGlobIsMeant(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a[1].csv": "id\nyes\n", "a1.csv": "id\nno\n"})
	_, rows := mustRead(t, Spec{CSV: "a[1].csv"}, Options{Dir: dir})
	assert.Equal(t, []string{"yes"}, column(rows, 0))
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const text = "id,name\r\n1,\"Zoë\r\nÅström\"\r\n"
	latin1, err := charmap.ISO8859_1.NewEncoder().String(text)
	require.NoError(t, err)
	windows, err := charmap.Windows1252.NewEncoder().String("id,name\n1,€\n")
	require.NoError(t, err)
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	require.NoError(t, err)
	big, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(text)
	require.NoError(t, err)
	dir := mustWrite(t, map[string]string{"latin1": latin1, "windows": windows, "le": utf16, "be": big, "bom": "\xef\xbb\xbf" + text})
	for _, c := range []struct{ file, encoding, want string }{
		{"bom", "", "Zoë\r\nÅström"},
		{"bom", "UTF-8", "Zoë\r\nÅström"},
		{"latin1", "latin1", "Zoë\r\nÅström"},
		{"latin1", "ISO-8859-1", "Zoë\r\nÅström"},
		{"windows", "windows-1252", "€"},
		{"le", "utf-16", "Zoë\r\nÅström"},
		{"be", "utf-16", "Zoë\r\nÅström"},
	} {
		columns, rows := mustRead(t, Spec{CSV: c.file, Encoding: c.encoding}, Options{Dir: dir})
		assert.Equal(t, "id", columns[0].Name, c.file)
		assert.Equal(t, []string{c.want}, column(rows, 1), c.file)
	}
}
