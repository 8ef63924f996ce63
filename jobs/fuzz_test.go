package jobs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/sources"
)

// addInvalidFiles makes seeds of the invalid job files, and of a good one.
func addInvalidFiles(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "invalid", "*.yaml"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(goodFile))
}

// Whatever a job file is, it is loaded, or every problem has its place and can
// be printed; what a secret's variable holds is in none of it.
func FuzzLoad(f *testing.F) {
	addInvalidFiles(f)
	f.Add([]byte("{")) // the text ends before its first line does
	f.Fuzz(func(t *testing.T, text []byte) {
		src, problem := newSource("jobs.yaml", text)
		if problem != nil {
			mustBePlaced(t, len(splitLines(string(text))), *problem)
			return
		}
		file, err := loadSource(src, testEnv, Kinds())
		if err != nil {
			var problems Problems
			require.ErrorAs(t, err, &problems)
			require.NotEmpty(t, problems)
			mustBePlaced(t, len(src.lines), problems...)
			return
		}
		mustBePlaced(t, len(src.lines), file.Warnings...)
		mustFitSchema(t, string(text))
		names := file.Names()
		require.NotEmpty(t, names)
		slices.Sort(names)
		require.Len(t, slices.Compact(names), len(file.Jobs), "each job once")
		for _, name := range names {
			require.Regexp(t, jobName, name)
		}
	})
}

var wholeFile = regexp.MustCompile(`^(is empty$|has more problems|is not YAML)`)

func mustBePlaced(t *testing.T, lines int, problems ...Problem) {
	t.Helper()
	for _, p := range problems {
		text := p.Error()
		require.NotContains(t, text, "hunter3", "the value of KEY_SECRET")
		for _, r := range text {
			require.True(t, r == '\n' || r == '\t' || unicode.IsGraphic(r), "%q in %q", r, text)
		}
		if p.Line == 0 {
			require.Regexp(t, wholeFile, p.Message, "nothing else is about the file as a whole")
			continue
		}
		require.Positive(t, p.Line, text)
		require.LessOrEqual(t, p.Line, lines, text)
		require.Positive(t, p.Column, text)
	}
}

// A secret that stands in the file is in no message about the file, whatever
// is wrong around it.
func FuzzSecretInFile(f *testing.F) {
	forms := []string{"", "&a ", "\"", "'", "|\n  ", ">-\n ", "!!int ", "[", "{file: ", "\n  ", "\n  - "}
	for _, around := range [][2]string{
		{goodAPI + "api: {", "}\n"}, {"version: 1\napi:\n  region: ", "\n"}, {"api: {region: mars, ", ", region: *a}"},
		{"- [", ""}, {"a: \"", "\n\""}, {"? ", "\n: x"}, {"%", "---"}, {"jobs: {x: {kind: bulk_send, ", "}}"}, {"\t", "\t"}, {"{{", "}}"},
	} {
		for i := range forms {
			f.Add(around[0], byte(i), around[1])
		}
	}
	const secret = "s3cr3t~0f+the/key"
	f.Fuzz(func(t *testing.T, before string, form byte, after string) {
		text := before + " key_secret: " + forms[int(form)%len(forms)] + secret + after
		src, problem := newSource("jobs.yaml", []byte(text))
		if problem != nil {
			require.NotContains(t, problem.Error(), secret)
			return
		}
		file, err := loadSource(src, testEnv, Kinds())
		if err != nil {
			require.NotContains(t, err.Error(), secret)
			return
		}
		for _, w := range file.Warnings {
			require.NotContains(t, w.Error(), secret)
		}
	})
}

// A variable is put in as it is; what it holds is never looked at again.
func FuzzVariables(f *testing.F) {
	for _, s := range []string{"${V}", "a${V}b$${V}", "${V:-x}", "${U:-${V}}", "$V", "${", "$", "$$$", "${V}${V}", "${1}", "${V:-}"} {
		f.Add(s, "${V}$${{.x}}\n")
		f.Add(s, "")
	}
	known := regexp.MustCompile(`\$\$|\$\{V(:-[^}]*)?\}`)
	f.Fuzz(func(t *testing.T, text, value string) {
		env := Variables(func(name string) (string, bool) { return value, name == "V" })
		got, wrong := env.expand(text)
		if len(wrong) > 0 {
			for _, w := range wrong {
				require.True(t, len(value) < 8 || strings.Contains(text, value) || !strings.Contains(w, value), "a value in %q", w)
			}
			return
		}
		want := known.ReplaceAllStringFunc(text, func(m string) string {
			fallback, has := strings.CutPrefix(strings.TrimSuffix(m, "}"), "${V:-")
			switch {
			case m == "$$":
				return "$"
			case has && value == "":
				return fallback
			}
			return value
		})
		unset := regexp.MustCompile(`\$\{(?:[A-UW-Za-z_][A-Za-z0-9_]*|V[A-Za-z0-9_]+):-[^}]*\}`)
		if unset.MatchString(text) {
			return // of other variables the default is put in
		}
		require.Equal(t, want, got)
	})
}

// The value of a column arrives exactly, in every place that takes one.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"", "{{.y}}", `"`, `\`, "${HOME}", "\x00\x1f\x7f", "\u2028<&>", "\xff", "👩‍🚀", "a\xc3", "'; DROP TABLE runs; --"} {
		f.Add(s, "y")
	}
	request := "a: '{{.x}}'\nb: '<{{.x}}>'\nc: ['{{with .y}}{{.}}{{end}}', \"{{.x | print}}\"]\n'd{': {e: '{{.y}}', f: [~, {g: '{{.y}}'}]}"
	src, _ := newSource("jobs.yaml", []byte(request))
	tree, _ := readTree(src)
	compiled, problems := compileRequest(tree.root, testEnv, jobPlace{src: src})
	require.Empty(f, problems)
	bound, err := compiled.Bind(columns("x", "y"))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, x, y string) {
		body, err := bound.Render(nil, sources.Row{Values: []string{x, y}})
		if !utf8.ValidString(x) || !utf8.ValidString(y) {
			require.ErrorIs(t, err, errNotUTF8)
			return
		}
		require.NoError(t, err)
		inner := map[string]any{"f": []any{nil, map[string]any{}}}
		want := map[string]any{"b": "<" + x + ">", "c": []any{}, "d{": inner}
		if x != "" {
			want["a"] = x
		}
		if y != "" {
			want["c"] = append(want["c"].([]any), y)
			inner["e"], inner["f"] = y, []any{nil, map[string]any{"g": y}}
		}
		if x != "" {
			want["c"] = append(want["c"].([]any), x)
		}
		var got map[string]any
		require.NoError(t, json.Unmarshal(body, &got), "%q", body)
		require.Equal(t, want, got)
	})
}

// A message that is archived has an id and a time, lies in the folder of its
// day, and is kept byte for byte; its columns are what the message says.
func FuzzParseMessage(f *testing.F) {
	f.Add(`{"id":"1","accept_time":"2026-03-01T00:00:00Z","app_message":{"text_message":{"text":"x"}}}`)
	f.Add(`{"id":"1","accept_time":"2026-03-01T00:00:00Z","app_message":{"carousel_message":{"cards":[{"cards":[]}]}}}`)
	f.Add(`{"id":"é\"","accept_time":"2026-03-01T23:59:59.999999999+14:00","metadata":"\ud83d\ude00","channel_identity":{"channel":"SMS","identity":"46"},"contact_message":{"reply_to":{},"media_message":{"url":"u"}}}`)
	f.Add(`{"id":7,"accept_time":"0000-01-01T00:00:00+23:59","injected":"true"}`)
	day := regexp.MustCompile(`^date=\d{4}-\d{2}-\d{2}$`)
	f.Fuzz(func(t *testing.T, body string) {
		m, err := parseMessage(body)
		require.Equal(t, body, m.Body)
		if err != nil {
			return
		}
		require.NotEmpty(t, m.ID)
		require.Equal(t, time.UTC, m.AcceptTime.Location())
		require.Regexp(t, day, m.record(new(partition)).Partition)
		require.Positive(t, m.record(new(partition)).Size)
		if !gjson.Valid(body) {
			return // as it came in a list, it is
		}
		var object map[string]any
		if json.Unmarshal([]byte(body), &object) != nil || !utf8.ValidString(body) {
			return // which encoding/json mends
		}
		for key, got := range map[string]string{
			"id": m.ID, "conversation_id": m.ConversationID, "contact_id": m.ContactID, "direction": m.Direction,
			"sender_id": m.SenderID, "metadata": m.Metadata, "processing_mode": m.ProcessingMode,
		} {
			if want, isText := object[key].(string); isText {
				require.Equal(t, want, got, key)
			}
		}
		if at, err := time.Parse(time.RFC3339Nano, object["accept_time"].(string)); err == nil {
			require.True(t, at.Equal(m.AcceptTime))
		}
	})
}
