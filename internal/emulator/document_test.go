package emulator

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// jsonSeeds are JSON, and what comes close to it.
var jsonSeeds = []string{
	"{}", "[]", `""`, "0", "null", "true", "false", " \t\r\n[ 1 ,\n-0.5e+10 , {\"a\" : [ ] } ] ", `{"a":{"b":[1,{"c":"\u00e5\n"}]},"a":2,"":null}`,
	`"\"\\\/\b\f\n\r\t\uD83D\ude00"`, "\"\xff\"", "[1.0,1E5,-1e-5,0e1,123]",
	"", " ", "nul", "truE", "nullx", "01", "-", "-a", "1.", ".5", "1e", "1e+", "+1", `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "\"\x00\"",
	"{", "[", "}", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a" 1}`, "[}", "{]", "1 2", "{}{}",
	"\ufeff{}", "[1]\x00", "\v1",
}

func TestADocumentIsTakenApartAsOthersDo(t *testing.T) {
	t.Parallel()
	for _, text := range jsonSeeds {
		mustAgree(t, text)
	}
	for depth, taken := range map[int]bool{deepest: true, deepest + 1: false} {
		lists := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		objects := strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
		for _, text := range []string{lists, objects} {
			assert.Equal(t, taken, json.Valid([]byte(text)))
			assert.Equal(t, taken, new(document).read(text), "%d deep", depth)
		}
	}
}

// FuzzDocument: what is JSON, and what it says, is as encoding/json and gjson
// have it.
func FuzzDocument(f *testing.F) {
	for _, text := range jsonSeeds {
		f.Add(text)
	}
	f.Fuzz(mustAgree)
}

func mustAgree(t *testing.T, text string) {
	t.Helper()
	var d document
	require.False(t, d.read(`[{"left":"over"}]x`))
	require.Equal(t, json.Valid([]byte(text)), d.read(text), "%q", text)
	if json.Valid([]byte(text)) {
		mustBe(t, gjson.Parse(text), d.root())
	}
}

// mustBe compares a value with what gjson has in its place.
func mustBe(t *testing.T, want gjson.Result, got value) {
	t.Helper()
	require.Equal(t, strings.TrimRight(want.Raw, " \t\r\n"), got.raw())
	require.Equal(t, want.Str, got.text())
	require.Equal(t, want.IsObject(), got.is(object))
	require.Equal(t, want.IsArray(), got.is(list))
	require.Equal(t, want.Type == gjson.String, got.is(text))
	require.Equal(t, want.IsBool(), got.is(boolean))
	require.Equal(t, want.Type == gjson.Number, got.is(number))
	require.Equal(t, want.Type == gjson.Null, got.is(null))
	var names []string
	var below []value
	for name, v := range got.fields() {
		names, below = append(names, name), append(below, v)
	}
	for v := range got.elements() {
		below = append(below, v)
	}
	n := 0
	if want.Type == gjson.JSON {
		want.ForEach(func(key, v gjson.Result) bool {
			if want.IsObject() {
				require.Equal(t, key.Str, names[n])
			}
			mustBe(t, v, below[n])
			n++
			return true
		})
	}
	require.Len(t, below, n)
}

func TestOfSeveralFieldsWithANameTheFirstIsFound(t *testing.T) {
	t.Parallel()
	var d document
	require.True(t, d.read(`{"a":[1,"x"],"b":null,"\u0061":"second","c":"","b":"text"}`))
	v := d.root()
	assert.Equal(t, `[1,"x"]`, v.get("a").raw())
	assert.Equal(t, 2, v.get("a").count())
	assert.True(t, v.get("b").is(null))
	assert.Equal(t, []bool{true, true, true, false}, []bool{v.hasText("a"), v.hasText("b"), v.hasText("c"), v.hasText("d")})
	none := v.get("d")
	assert.False(t, none.exists() || none.is(object) || none.get("a").exists() || none.hasText("a"))
	assert.Equal(t, []string{"", "", ""}, []string{none.raw(), none.text(), v.get("a").get("b").text()})
	assert.Zero(t, none.count())
}
