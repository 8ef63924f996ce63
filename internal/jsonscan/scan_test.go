package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMembersAndElementsAreWhatStandsThere(t *testing.T) {
	t.Parallel()
	var got []string
	Members([]byte(` { "a" : 1 , "b\"{":[ {"x":"]"}, 2 ] ,"c":"\\\"}", "d":{ "e":[]} , "f":null,"":true}`), func(name string, value []byte) bool {
		got = append(got, name+"="+string(value))
		return name != ""
	})
	assert.Equal(t, []string{"a=1", `b"{=[ {"x":"]"}, 2 ]`, `c="\\\"}"`, `d={ "e":[]}`, "f=null", "=true"}, got)
	got = nil
	Elements([]byte(" [ 1,\"a,b\" , {\"x\":[1,2]},[ ] , -1e5\n]"), func(element []byte) { got = append(got, string(element)) })
	assert.Equal(t, []string{"1", `"a,b"`, `{"x":[1,2]}`, "[ ]", "-1e5"}, got)
}

func TestMembersEndWhenTheyAreToldTo(t *testing.T) {
	t.Parallel()
	n := 0
	Members([]byte(`{"a":1,"b":2}`), func(string, []byte) bool { n++; return false })
	assert.Equal(t, 1, n)
	for _, other := range []string{`[1]`, `"{}"`, ``, `7`, `null`} {
		Members([]byte(other), func(string, []byte) bool { t.Error(other); return true })
	}
	for _, other := range []string{`{"a":1}`, `"[1]"`, ``, `7`, `null`, `[]`, `[ ]`} {
		Elements([]byte(other), func([]byte) { t.Error(other) })
	}
}

func TestAnElementCanNotGrowIntoTheNext(t *testing.T) {
	t.Parallel()
	array := []byte(`[1,2]`)
	Elements(array, func(element []byte) { _ = append(element, "xxx"...) })
	Members([]byte(`{"a":1}`), func(_ string, value []byte) bool { assert.Equal(t, len(value), cap(value)); return true })
	assert.Equal(t, `[1,2]`, string(array))
}

func TestTextHasNoQuotesAndNoEscapes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"a"`: "a", `""`: "", `"a\n\u00e9\"\\"`: "a\né\"\\", `null`: "", `7.50`: "7.50", `true`: "true", `{"a":1}`: `{"a":1}`, ``: "", `"`: "",
	} {
		assert.Equal(t, want, Text([]byte(value)), value)
	}
	assert.True(t, IsText([]byte(`"x"`)) && !IsText([]byte(`1`)) && IsObject([]byte(`{}`)) && !IsObject([]byte(`[]`)) && !IsObject(nil))
}

// Of valid JSON it finds what encoding/json does; of anything else, nothing that
// lies outside.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","a":{"b":[1,"]}",{}]},"c":"\\"}`, `{"":"","x":-1.5e+7 , "y" : [ ]}`, `{"a":"b\"`, `{"a"`, `{"a":}`, `{"a":1,}`, `{"a":[[[{`, `{"a":nul,"b":2}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		body := []byte(text)
		found := map[string]string{}
		Members(body, func(name string, value []byte) bool {
			found[strings.Clone(name)] = string(value)
			require.Contains(t, text, string(value))
			_ = Text(value)
			Elements(value, func(element []byte) { require.Contains(t, text, string(element)) })
			return true
		})
		require.Equal(t, text, string(body), "nothing is changed")
		var want map[string]json.RawMessage
		if json.Unmarshal(body, &want) != nil || !utf8.ValidString(text) || strings.Contains(text, `\u`) {
			return // of which the libraries think differently
		}
		require.Len(t, found, len(want))
		for name, value := range want {
			require.Equal(t, string(value), found[name])
			var s string
			if value[0] == '"' && json.Unmarshal(value, &s) == nil {
				require.Equal(t, s, Text(value))
			}
			var list []json.RawMessage
			if value[0] == '[' && json.Unmarshal(value, &list) == nil {
				n := 0
				Elements(value, func(element []byte) { require.True(t, bytes.Equal(list[n], element)); n++ })
				require.Equal(t, len(list), n)
			}
		}
	})
}

func BenchmarkMembers(b *testing.B) {
	object := []byte(`{"id":"01HQXG5Z3M0000000000000000","channel_identity":{"channel":"SMS","identity":"46701234567"},"text":"` + strings.Repeat("x", 400) + `"}`)
	b.SetBytes(int64(len(object)))
	for b.Loop() {
		Members(object, func(string, []byte) bool { return true })
	}
}
