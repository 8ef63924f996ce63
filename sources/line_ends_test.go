package sources

import (
	"encoding/csv"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// nasty draws texts of what breaks formats.
func nasty() *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{
		"\r\n", "\n", "\r", "\r\r\n", `"`, `""`, ",", ";", "\t", " ", "a", "é", "😀", "{{.x}}", "${HOME}", "'", `\`, `\n`, "null", "[1]", "\u2028", "\ufeff",
	}), 0, 8), func(parts []string) string { return strings.Join(parts, "") })
}

// quoteAll writes records of quoted fields, which keeps every byte of them.
func quoteAll(records [][]string, lineEnd string) string {
	var b strings.Builder
	for _, record := range records {
		for i, field := range record {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + strings.ReplaceAll(field, `"`, `""`) + `"`)
		}
		b.WriteString(lineEnd)
	}
	return b.String()
}

func TestEveryByteOfAQuotedFieldSurvives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 4).Draw(t, "width")
		records := rapid.SliceOfN(rapid.SliceOfN(nasty(), width, width), 1, 6).Draw(t, "records")
		lineEnd := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
		text := quoteAll(records, lineEnd)
		var source io.Reader = strings.NewReader(text)
		if rapid.Bool().Draw(t, "slow") {
			source = iotest.OneByteReader(source)
		}
		reader := csv.NewReader(newLineEnds(source, maxRecord))
		line := 1
		for _, want := range records {
			got, err := reader.Read()
			require.NoError(t, err)
			require.Equal(t, want, got)
			at, _ := reader.FieldPos(0)
			require.Equal(t, line, at)
			line += strings.Count(quoteAll([][]string{want}, lineEnd), "\n")
		}
		_, err := reader.Read()
		require.Equal(t, io.EOF, err)
	})
}

func TestUnquotedTextPassesAsItIs(t *testing.T) {
	t.Parallel()
	const text = "a,b\r\n\r\nc,\r\r\nd\r"
	got, err := io.ReadAll(newLineEnds(strings.NewReader(text), maxRecord))
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
}
