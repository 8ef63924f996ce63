package jsonscan

import (
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
	s := New([]byte(` { "a" : 1 , "b\"{":[ {"x":"]"}, 2 ] ,"c":"\\\"}", "d":{ "e":[]} , "f":null,"":true} `))
	for name := range s.Members() {
		got = append(got, name+"="+string(s.Value()))
	}
	assert.Equal(t, []string{"a=1", `b"{=[ {"x":"]"}, 2 ]`, `c="\\\"}"`, `d={ "e":[]}`, "f=null", "=true"}, got)
	assert.True(t, s.Done())
	got = nil
	s = New([]byte(" [ 1,\"a,b\" , {\"x\":[1,2]},[ ] , -1e5\n]"))
	for range s.Elements() {
		got = append(got, string(s.Value()))
	}
	assert.Equal(t, []string{"1", `"a,b"`, `{"x":[1,2]}`, "[ ]", "-1e5"}, got)
	assert.True(t, s.Done())
}

func TestWhatIsNotTakenIsPassedOver(t *testing.T) {
	t.Parallel()
	s := New([]byte(`{"a":{"x":1,"y":[2]},"b":[[3,4],5],"c":"d"}`))
	var got []string
	for name := range s.Members() {
		switch name {
		case "a":
			for inner := range s.Members() {
				got = append(got, inner)
				break // and y is passed over
			}
		case "b":
			for range s.Elements() {
				for range s.Elements() {
					got = append(got, s.Text())
					break
				}
				break
			}
		}
		got = append(got, name)
	}
	assert.Equal(t, []string{"x", "a", "3", "b", "c"}, got)
	assert.True(t, s.Done())
}

func TestAValueIsTakenWholeWhateverIsReadOfIt(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*Scanner){
		"nothing": func(*Scanner) {},
		"all":     func(s *Scanner) { s.Value() },
		"a part": func(s *Scanner) {
			for range s.Members() {
				break
			}
		},
	} {
		s := New([]byte(`[ {"a": [1], "b":2} ,3]`))
		var got []string
		for range s.Elements() {
			got = append(got, string(s.Within(func() { read(&s) })))
		}
		assert.Equal(t, []string{`{"a": [1], "b":2}`, "3"}, got, name)
		assert.True(t, s.Done(), name)

		s = New([]byte(`{"a":[}`))
		assert.Nil(t, s.Within(func() { read(&s) }), name)
		assert.False(t, s.Done(), name)
	}
}

func TestWhatIsNoObjectHasNoMembers(t *testing.T) {
	t.Parallel()
	for _, other := range []string{`[1]`, `"{}"`, ``, `7`, `null`, `{}`, `{ }`} {
		s := New([]byte(other))
		for range s.Members() {
			t.Error(other)
		}
	}
	for _, other := range []string{`{"a":1}`, `"[1]"`, ``, `7`, `null`, `[]`, `[ ]`} {
		s := New([]byte(other))
		for range s.Elements() {
			t.Error(other)
		}
	}
}

func TestAValueCanNotGrowIntoTheNext(t *testing.T) {
	t.Parallel()
	array := []byte(`[1,2]`)
	s := New(array)
	for range s.Elements() {
		_ = append(s.Value(), "xxx"...)
	}
	assert.Equal(t, `[1,2]`, string(array))
}

func TestTextHasNoQuotesAndNoEscapes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"a"`: "a", `""`: "", `"a\n\u00e9\"\\"`: "a\né\"\\", `null`: "", `7.50`: "7.50", `true`: "true", `{"a":1}`: `{"a":1}`, ``: "", `"`: "", `nul`: "",
		`"\/\b\f\n\r\t"`: "/\b\f\n\r\t", `"\ud83c\udf37\ud83c"`: "🌷\uFFFD", `"\ud83c\u0041\u00ff"`: "\uFFFDAÿ", `"\udf37\ud83c\udf37"`: "\uFFFD🌷",
	} {
		s := New([]byte(value))
		assert.Equal(t, want, s.Text(), value)
	}
	is := func(value string) Scanner { return New([]byte(value)) }
	text, number, object, array, none := is(`"x"`), is(`1`), is(`{}`), is(` []`), is(``)
	assert.True(t, text.IsText() && object.IsObject() && array.IsArray())
	assert.False(t, number.IsText() || number.IsObject() || array.IsObject() || object.IsArray() || none.IsText())
}

// Of each way in which JSON can be wrong, one: encoding/json is the judge.
var texts = []string{
	`{"id":"1","a":{"b":[1,"]"}",{}]},"c":"\\"}`, `{"":"","x":-1.5e+7 , "y" : [ ]}`, `{"a":"b\"`, `{"a"`, `{"a":}`, `{"a":1,}`, `{"a":[[[{`, `{"a":nul,"b":2}`,
	`{"a":1`, `{"a" 1}`, `{a:1}`, `{"a":1 "b":2}`, `{,}`, `[,]`, `[1,]`, `[1 2]`, `[1`, `[`, `{`, `}`, ``, ` `, `1 1`, `{}{}`, `tru`, `truex`, `nulL`, `[false]`,
	`-`, `01`, `-0`, `0.`, `.5`, `1.e3`, `1e`, `1E-`, `1e+09`, `+1`, `0x1`, "\"\x1f\"", "\"\t\"", `"\x"`, `"\u12g4"`, `"\u12"`, `"\`, `"12345678`, "\"1234567\x00\"", "\"\x80\xff\"", "\u00a0{}", "\x00",
	`["12345678","1234567\"","123456789\\"]`, "{\"a\":\"x\x1f\"}", "{\"a\x00\":1}",
}

func TestWhatIsNotJSONIsSeen(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		agree(t, []byte(text))
	}
	for _, depth := range []int{maxDepth - 1, maxDepth, maxDepth + 1} {
		agree(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		agree(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
}

// Eight bytes of a string are looked at as one: whatever they are, and wherever.
func TestEachByteOfAStringIsSeen(t *testing.T) {
	t.Parallel()
	for first := range 256 {
		for second := range 256 {
			for before := range 8 {
				pair := strings.Repeat("é", before) + string([]byte{byte(first), byte(second)})
				agree(t, []byte(`"`+pair[before:]+`"`))
				agree(t, []byte(`"`+pair[before:]+`n2345678"`))
			}
		}
	}
}

// agree holds what is found of a text, however it is gone through, against what
// encoding/json finds.
func agree(t *testing.T, text []byte) {
	s := New(text)
	walk(&s)
	if valid := json.Valid(text); Valid(text) != valid || s.Done() != valid {
		t.Fatalf("valid: %v: %q", valid, text)
	}
}

// walk takes a value, and of an object every second.
func walk(s *Scanner) {
	switch {
	case s.IsObject():
		taken := 0
		for range s.Members() {
			if taken++; taken%2 == 0 {
				walk(s)
			}
		}
	case s.IsArray():
		for range s.Elements() {
			walk(s)
		}
	default:
		s.Text()
	}
}

// Of valid JSON it finds what encoding/json does; anything else it knows as
// such, and finds in it nothing that lies outside.
func FuzzMembers(f *testing.F) {
	for _, seed := range texts {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		body := []byte(text)
		agree(t, body)
		found := map[string]string{}
		s := New(body)
		for name := range s.Members() {
			value := string(s.Value())
			found[strings.Clone(name)] = value
			require.Contains(t, text, value)
		}
		require.Equal(t, text, string(body), "nothing is changed")
		var want map[string]json.RawMessage
		if json.Unmarshal(body, &want) != nil || !utf8.ValidString(text) {
			return
		}
		require.Len(t, found, len(want))
		for name, value := range want {
			require.Equal(t, string(value), found[name])
			s := New(value)
			var word string
			var list []json.RawMessage
			switch {
			case s.IsText():
				require.NoError(t, json.Unmarshal(value, &word))
				require.Equal(t, word, s.Text())
			case s.IsArray():
				require.NoError(t, json.Unmarshal(value, &list))
				n := 0
				for range s.Elements() {
					require.Equal(t, string(list[n]), string(s.Value()))
					n++
				}
				require.Len(t, list, n)
			}
		}
	})
}

// benchMessage is as long as messages are.
var benchMessage = []byte(`{"id":"01HQXG5Z3M0000000000000000","conversation_id":"01HQXG5Z3M0000000000000001","contact_id":"01HQXG5Z3M0000000000000002",` +
	`"channel_identity":{"channel":"SMS","identity":"46701234567","app_id":""},"direction":"TO_APP","contact_message":{"text_message":{"text":"` +
	strings.Repeat("words ", 20) + `"}},"accept_time":"2026-03-01T08:00:00.123456Z","processing_mode":"CONVERSATION","injected":false,"sender_id":"12345"}`)

func BenchmarkMembers(b *testing.B) {
	b.SetBytes(int64(len(benchMessage)))
	b.ReportAllocs()
	for b.Loop() {
		s := New(benchMessage)
		for range s.Members() {
			s.Text()
		}
	}
}

func BenchmarkValid(b *testing.B) {
	b.SetBytes(int64(len(benchMessage)))
	for b.Loop() {
		Valid(benchMessage)
	}
}
