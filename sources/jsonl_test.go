package sources

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJSONLHasTheUnionOfKeysInOrderOfAppearance(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.jsonl": `{"id": 123456789012345678901, "name": "Åsa \"x\""}` + "\r\n\n" +
		`{"price": 1.50, "id": "2", "tags": ["a", {"b": 1.0}], "gone": null}`})
	columns, rows := mustRead(t, Spec{JSONL: "a.jsonl"}, Options{Dir: dir})
	assert.Equal(t, []Column{{"id", true}, {"name", true}, {"price", true}, {"tags", true}, {"gone", true}}, columns)
	assert.Equal(t, []Row{
		{Line: 1, File: "a.jsonl", Values: []string{"123456789012345678901", `"Åsa \"x\""`, "", "", ""}, Null: []bool{false, false, true, true, true}},
		{Line: 3, File: "a.jsonl", Values: []string{`"2"`, "", "1.50", `["a", {"b": 1.0}]`, ""}, Null: []bool{false, true, false, false, true}},
	}, rows)
}

func TestValueKeepsTypesAndDigits(t *testing.T) {
	t.Parallel()
	typed := Column{"c", true}
	for text, want := range map[string]any{
		`"plain"`:               "plain",
		`"é\n\"\ud83d\ude00"`:   "é\n\"😀",
		"123456789012345678901": json.Number("123456789012345678901"),
		"1.50":                  json.Number("1.50"),
		"true":                  true,
		`[1, "a", null]`:        []any{json.Number("1"), "a", nil},
		`{"a": {"b": 2}}`:       map[string]any{"a": map[string]any{"b": json.Number("2")}},
	} {
		got, err := Row{Values: []string{text}}.Value(0, typed)
		require.NoError(t, err)
		assert.Equal(t, want, got, text)
	}
	got, err := Row{Values: []string{""}, Null: []bool{true}}.Value(0, typed)
	require.NoError(t, err)
	assert.Nil(t, got)
	got, err = Row{Values: []string{`"1"`}}.Value(0, Column{"c", false})
	require.NoError(t, err)
	assert.Equal(t, `"1"`, got, "text stays text")
	// A value that is not JSON, as in a damaged file, is an error and no panic.
	_, err = Row{Line: 7, File: "f", Values: []string{`{`}}.Value(0, typed)
	require.ErrorContains(t, err, "f line 7: column c")
}

func TestJSONLRefusesWhatCanNotBeRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, content, want string }{
		{"no JSON", "{\"a\":1}\n{\"a\":}\n", "in.jsonl line 2: column 6: this is not JSON"},
		{"cut short", `{"a":1`, "in.jsonl line 1: column 6: this is not JSON"},
		{"two objects on a line", `{"a":1}{"a":2}`, "this is not JSON"},
		{"an array", `[1]`, "in.jsonl line 1: found an array where an object"},
		{"null", `null`, "found null where an object"},
		// Which of the two was meant nobody knows.
		{"a key twice", `{"a":1,"b":2,"a":3}`, `in.jsonl line 1: the key "a" is there twice`},
		{"a key twice, escaped", `{"a":1,"\u0061":3}`, `the key "a" is there twice`},
		{"a key twice, further in", `{"a":[{"b":1,"b":2}]}`, `the key "b" is there twice`},
		{"keys that DuckDB can not tell apart", "{\"id\":1}\n{\"ID\":2}", `"id" and "ID" differ in upper and lower case only`},
		{"a key without name", `{"":1}`, "column 1 has no name"},
		// It would arrive as U+FFFD.
		{"half a surrogate pair", `{"a":"\\ud83d \ud83d"}`, "in.jsonl line 1: column 15: half a surrogate pair"},
		{"not UTF-8", "{\"a\":\"\xfc\"}", "in.jsonl line 1: column 7: a byte that is not UTF-8"},
		{"a line without end", `{"a":"` + strings.Repeat("x", maxRecord) + `"}`, "in.jsonl line 1: the record is longer than 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := read(t, Spec{JSONL: "in.jsonl"}, Options{Dir: mustWrite(t, map[string]string{"in.jsonl": c.content})})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestSurrogatePairsAndEscapedBackslashesAreFine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a":"\ud83d\ude00"}`, `{"a":"\\ud83d"}`, `{"a":"\u00e5\ud83d\ude00\\"}`} {
		_, err := parseObject(text, "")
		assert.NoError(t, err, text)
	}
}
