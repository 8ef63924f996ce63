package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"convbatch/sources"
)

// compile compiles the YAML of a request.
func compile(text string) (*Request, Problems) {
	src, problem := newSource("jobs.yaml", []byte(text))
	if problem != nil {
		return nil, Problems{*problem}
	}
	tree, problems := readTree(src)
	if len(problems) > 0 {
		return nil, problems
	}
	return compileRequest(tree.root, testEnv, jobPlace{src: src, path: "jobs.test"})
}

func mustCompile(t require.TestingT, text string) *Request {
	r, problems := compile(text)
	require.Empty(t, problems)
	return r
}

// columns returns text columns, and columns of JSON for names that end in "!".
func columns(names ...string) []sources.Column {
	cs := make([]sources.Column, len(names))
	for i, name := range names {
		cs[i].Name, cs[i].JSON = strings.CutSuffix(name, "!")
	}
	return cs
}

func mustBind(t require.TestingT, r *Request, names ...string) *Bound {
	b, err := r.Bind(columns(names...))
	require.NoError(t, err)
	return b
}

// mustRender renders one request for one row of name, value, name, value.
func mustRender(t require.TestingT, text string, row ...string) string {
	body, err := render(t, text, row...)
	require.NoError(t, err)
	require.True(t, json.Valid(body), "%s", body)
	return string(body)
}

func render(t require.TestingT, text string, row ...string) ([]byte, error) {
	var names, values []string
	for i := 0; i < len(row); i += 2 {
		names, values = append(names, row[i]), append(values, row[i+1])
	}
	return mustBind(t, mustCompile(t, text), names...).Render(nil, sources.Row{Values: values})
}

func TestARequestIsRenderedInTheOrderAndTheFormOfTheFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"b: 1\na: 2":   `{"b":1,"a":2}`,
		"a: {}\nb: []": `{"a":{},"b":[]}`,
		"n: [1.50, -0, 1e3, 12345678901234567890]":      `{"n":[1.50,-0,1e3,12345678901234567890]}`,
		"v: [true, False, ~, null]":                     `{"v":[true,false,null,null]}`,
		"s: ['1', \"true\", yes, 2026-01-02, !!str 12]": `{"s":["1","true","yes","2026-01-02","12"]}`,
		`s: "<b>&\"é\u2028\ufeff"`:                      "{\"s\":\"<b>&\\\"é\u2028\ufeff\"}",
		"s: |\n  two\n  lines":                          `{"s":"two\nlines"}`,
		"'q\"k': x":                                     `{"q\"k":"x"}`,
		"s: Hi {{.name}}!":                              `{"s":"Hi Ada!"}`,
		"s: '{{.name}}{{$.name}}'":                      `{"s":"AdaAda"}`,
		"s: '{{index . \"first name\"}}'":               `{"s":"A."}`,
		"s: '{{index . \"${COLUMN}\"}}'":                `{"s":"A."}`,
		"l: [[['{{.name}}']]]":                          `{"l":[[["Ada"]]]}`,
		"s: '{{\"{{\"}} {{`}}`}}'":                      `{"s":"{{ }}"}`,
		"s: '{{/* a note */}}{{.name}}'":                `{"s":"Ada"}`,
		"s: '{{- .name -}}  '":                          `{"s":"Ada"}`,
	} {
		assert.Equal(t, want, mustRender(t, text, "name", "Ada", "first name", "A."), text)
	}
}

func TestAStringThatIsOneTemplateAndYieldsNothingDropsItsKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: '{{.x}}'":                       `{}`,
		"a: '{{.x}}'\nb: 1":                 `{"b":1}`,
		"b: 1\na: '{{.x}}'":                 `{"b":1}`,
		"b: 1\na: '{{.x}}'\nc: 2":           `{"b":1,"c":2}`,
		"a: '{{.x}}'\nb: '{{.x}}'":          `{}`,
		"a: '{{.y}}'\nb: '{{.x}}'":          `{"a":"Y"}`,
		"a: '{{.x}}'\nb: '{{.y}}'":          `{"b":"Y"}`,
		"a: ['{{.x}}', '{{.y}}', '{{.x}}']": `{"a":["Y"]}`,
		"a: ['{{.x}}']":                     `{"a":[]}`,
		"a: {b: {c: '{{.x}}'}}":             `{"a":{"b":{}}}`,
		"a: '{{if .x}}{{.y}}{{end}}'":       `{}`, // one construct, whatever it consists of
		"a: '{{.x | trim}}'":                `{}`,
		"a: '{{.x}}{{.x}}'":                 `{"a":""}`, // two
		"a: ' {{.x}}'":                      `{"a":" "}`,
		"a: ''":                             `{"a":""}`, // no template
		"a: '${EMPTY}'":                     `{"a":""}`,
	} {
		assert.Equal(t, want, mustRender(t, text, "x", "", "y", "Y"), text)
	}
}

// Whatever a value is, it arrives as it is and changes nothing else.
func TestAnyValueArrivesExactly(t *testing.T) {
	t.Parallel()
	quick := mustBind(t, mustCompile(t, "a: '{{.x}}'\nb: '<{{.x}}>'\nc: ['{{.y}}']\nd: end"), "x", "y")
	slow := mustBind(t, mustCompile(t, "a: '{{if true}}{{.x}}{{end}}'\nb: '<{{print .x}}>'\nc: ['{{with .y}}{{.}}{{end}}']\nd: end"), "x", "y")
	special := rapid.SampledFrom([]string{`"`, `\`, "{{", "}}", "{{.y}}", "${APP}", "$$", "\n", "\r", "\t", "\x00", "\x1f", "\x7f", "<", "&", ",", "]", "}", "👩‍🚀", "\u2028", "\ufeff", "\uFFFD"})
	value := rapid.Map(rapid.SliceOf(rapid.OneOf(special, rapid.String())), func(parts []string) string { return strings.Join(parts, "") })
	rapid.Check(t, func(t *rapid.T) {
		row := sources.Row{Values: []string{value.Draw(t, "x"), value.Draw(t, "y")}}
		x, y := row.Values[0], row.Values[1]
		want := map[string]any{"b": "<" + x + ">", "c": []any{}, "d": "end"}
		if x != "" {
			want["a"] = x
		}
		if y != "" {
			want["c"] = []any{y}
		}
		for _, b := range []*Bound{quick, slow} {
			body, err := b.Render([]byte("before"), row)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(body), "before"))
			var got map[string]any
			require.NoError(t, json.Unmarshal(body[len("before"):], &got))
			require.Equal(t, want, got)
		}
	})
}

// Any structure is rendered as encoding/json would read it back.
func TestAnyStructureArrivesExactly(t *testing.T) {
	t.Parallel()
	var node func(depth int) *rapid.Generator[any]
	node = func(depth int) *rapid.Generator[any] {
		leaf := rapid.OneOf(
			rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.IntRange(-1000, 1000), func(i int) any { return float64(i) }),
			rapid.Map(rapid.StringMatching(`[a-z<>"\\\n é]{0,6}`), func(s string) any { return s }),
			rapid.Just[any]("{{.full}}"), rapid.Just[any]("{{.empty}}"), rapid.Just[any]("x{{.empty}}"),
		)
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(node(depth-1), 0, 4), func(l []any) any { return append([]any{}, l...) }),
			rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), node(depth-1), 0, 4), func(m map[string]any) any { return m }))
	}
	rapid.Check(t, func(t *rapid.T) {
		in := map[string]any{"root": node(4).Draw(t, "node")}
		text, err := json.Marshal(in) // JSON is YAML
		require.NoError(t, err)
		body := mustRender(t, string(text), "full", "F", "empty", "")
		want, err := json.Marshal(rendered(in))
		require.NoError(t, err)
		require.JSONEq(t, string(want), body)
	})
}

// rendered is what a request becomes, the slow way.
func rendered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			if e != "{{.empty}}" {
				m[k] = rendered(e)
			}
		}
		return m
	case []any:
		l := []any{}
		for _, e := range v {
			if e != "{{.empty}}" {
				l = append(l, rendered(e))
			}
		}
		return l
	case string:
		return strings.NewReplacer("{{.full}}", "F", "{{.empty}}", "").Replace(v)
	}
	return v
}

func TestVariablesAreNeverTemplates(t *testing.T) {
	t.Parallel()
	yaml := "{requests: 1/s} # ${KEY_SECRET} {{.name}}"
	want, err := json.Marshal(yaml)
	require.NoError(t, err)
	assert.Equal(t, `{"a":`+string(want)+`}`, mustRender(t, "a: ${YAML}"))
	r := mustCompile(t, "a: ${YAML}{{.x}}\nb: '{{.x | default \"${YAML}\"}}'\nc: '{{$y := .x}}{{$y}}$$'")
	assert.Equal(t, []string{"x"}, r.Columns(), "what a variable holds uses no column")
	body, err := mustBind(t, r, "x").Render(nil, sources.Row{Values: []string{""}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"a":`+string(want)+`,"b":`+string(want)+`,"c":"$"}`, string(body))
}

func TestColumnsOfTypesAreRenderedAsTheyStand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ template, value, want string }{
		{"{{.v}}", `1.10`, "1.10"},       // the digits that it was written with
		{"{{print .v}}", `1.10`, "1.10"}, // for the interpreter too
		{"{{.v | upper}}", `12345678901234567890`, "12345678901234567890"},
		{"{{.v}}", `"a\"b"`, `a"b`}, // the text, not its JSON
		{"{{.v}}", `true`, "true"},
		{"x{{.v}}", `null`, "x"}, // nothing
		{"x{{print .v}}", `null`, "x"},
		{"{{if .v}}yes{{else}}no{{end}}", `false`, "no"},
		{"{{if eq .v \"\"}}none{{end}}", `null`, "none"},
		{"{{.v.a.b}}", `{"a":{"b":7}}`, "7"},
		{"x{{.v.a}}", `{"a":null}`, "x"},
		{"x{{.v.none}}", `{"a":1}`, "x"},
		{"{{range .v}}<{{.}}>{{end}}", `["a",1,null]`, "<a><1><>"},
		{"{{range .v}}<{{.}}>{{else}}none{{end}}", `[]`, "none"},
		{"{{range $i, $e := .v}}{{$i}}{{$e}}{{end}}", `["a","b"]`, "0a1b"},
		{"{{range .v}}{{.n}}{{$.w}}{{end}}", `[{"n":"a"},{"n":"b"}]`, "aWbW"}, // $ is the row
		{"{{with .v}}{{.a}}{{else}}{{.w}}{{end}}", `null`, "W"},               // so is the dot of else
		{"{{index .v 1}}", `["a","b"]`, "b"},
		{"{{.v | print}}", `{"b":[1,"<"],"a":null}`, `{"a":null,"b":[1,"<"]}`},
		{"{{len .v}}", `[1,2,3]`, "3"},
		{"{{if gt .v.Float64 1.5}}more{{end}}", `2`, "more"},
	} {
		text, err := json.Marshal(map[string]string{"s": c.template})
		require.NoError(t, err)
		want, err := json.Marshal(map[string]string{"s": c.want})
		require.NoError(t, err)
		assert.JSONEq(t, string(want), mustRender(t, string(text), "v!", c.value, "w", "W"), "%s of %s", c.template, c.value)
	}
}

func TestNullIsNothing(t *testing.T) {
	t.Parallel()
	b := mustBind(t, mustCompile(t, "a: '{{.x}}'\nb: 'x{{.x}}'\nc: '{{.x | default \"d\"}}'"), "x")
	body, err := b.Render(nil, sources.Row{Values: []string{""}, Null: []bool{true}})
	require.NoError(t, err)
	assert.Equal(t, `{"b":"x","c":"d"}`, string(body))
}

func TestFunctionsOfTemplates(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"{{.x | lower}}":                                  " ada ",
		"{{.x | upper | trim}}":                           "ADA",
		"{{trim .x}}":                                     "Ada",
		"{{.none | default \"friend\"}}":                  "friend",
		"{{.x | trim | default \"friend\"}}":              "Ada",
		"{{.x | replace \" \" \"_\"}}":                    "_Ada_",
		"{{printf \"%s-%05d\" (trim .x) (len .x)}}":       "Ada-00005",
		"{{print .x 1 2}}":                                " Ada 1 2",
		"{{if and .x (not .none)}}y{{end}}":               "y",
		"{{if or (eq .x \"a\" \" Ada \") .none}}y{{end}}": "y",
		"{{slice .x 1 4}}":                                "Ada",
		"{{len .none}}":                                   "0",
	} {
		text, err := json.Marshal(map[string]string{"s": template})
		require.NoError(t, err)
		assert.Equal(t, `{"s":"`+want+`"}`, mustRender(t, string(text), "x", " Ada ", "none", ""), template)
	}
}

func TestARowThatATemplateCanNotTakeIsInvalidWithAReason(t *testing.T) {
	t.Parallel()
	const private = "+491701234567"
	for _, c := range []struct{ template, value, want string }{
		{"{{range .v}}x{{end}}", `"` + private + `"`, "s: the template fails at <.v>: range needs a list or an object"},
		{"{{index .v 3}}", `[1]`, "s: the template fails at <index .v 3>: error calling index: index out of range: 3"},
		{"{{.v.a}}", `"` + private + `"`, "s: the template fails at <.v.a>: can't evaluate field a in type interface {}"},
		{"{{.v.Int64}}", `1.5`, "s: the template fails at <.v.Int64>: not a number"},
		{"{{gt .v 5}}", `"` + private + `"`, "s: the template fails at <gt .v 5>: error calling gt: incompatible types for comparison"},
		// What would never end, or fill the memory.
		{"{{range 1000000000000}}{{end}}", `1`, "s: takes too many steps"},
		{"{{range 1000000}}{{range 1000000}}{{continue}}{{end}}{{end}}", `1`, "s: takes too many steps"},
		{"{{range .v}}{{range $.v}}{{range $.v}}{{range $.v}}{{end}}{{end}}{{end}}{{end}}", "[" + strings.Repeat("1,", 200) + "1]", "s: takes too many steps"},
		{"{{range 40000}}0123456789abcdef0123456789abcdef{{end}}", `1`, "s: becomes longer than 1 MiB"},
		{"{{$x := \"0123456789\"}}{{range 99}}{{$x = print $x $x}}{{end}}", `1`, "becomes longer than 1 MiB"},
		{"{{printf \"%1000000d\" 1}}", `1`, "the format is too long, or has a width"},
		{"{{printf \"%*d\" 1000000 1}}", `1`, "the format is too long, or has a width"},
		{"{{$x := printf \"%999d\" 1}}{{$y := replace \" \" $x $x}}{{replace \" \" $y $y}}", `1`, "becomes longer than 1 MiB"},
	} {
		text, err := json.Marshal(map[string]string{"s": c.template})
		require.NoError(t, err)
		body, err := render(t, string(text), "v!", c.value)
		if assert.Error(t, err, c.template) {
			assert.Contains(t, err.Error(), c.want, c.template)
			assert.NotContains(t, err.Error(), private, "errors do not repeat values")
		}
		assert.Nil(t, body)
	}
}

func TestTextThatIsNotUTF8IsInvalid(t *testing.T) {
	t.Parallel()
	for _, template := range []string{"x{{.v}}", "{{print .v}}"} {
		_, err := render(t, "a: {s: '"+template+"'}", "v", "caf\xe9")
		require.ErrorContains(t, err, "is not valid UTF-8; set the encoding of the input")
		assert.Contains(t, err.Error(), "a.s: ")
	}
	_, err := render(t, "s: '{{slice .v 0 4}}'", "v", "café")
	assert.ErrorContains(t, err, "is not valid UTF-8", "cut in the middle of a letter")
	_, err = mustBind(t, mustCompile(t, "s: '{{.v}}'"), "a", "v").Render(nil, sources.Row{Values: []string{"1"}})
	assert.ErrorContains(t, err, `the value of column "v" is missing: the row has 1 columns`)
}

func TestEveryColumnOfARequestIsKnownBeforehand(t *testing.T) {
	t.Parallel()
	r := mustCompile(t, `
a: "{{.a}} {{$.b}} {{index . \"c c\"}} {{index $ \"d\"}}"
b: "{{if .e}}{{.f}}{{else if eq .g 1}}{{.h}}{{else}}{{.i}}{{end}}"
c: "{{with .j}}{{.no}}{{$.k}}{{else}}{{.l}}{{end}}"
d: "{{range $x, $y := .m.no}}{{.no}}{{$y.no}}{{else}}{{.n}}{{end}}"
e: "{{$v := .o}}{{$v.no}}{{(index . \"p\").no}}{{print (lower .q) .a | upper}}"
f: ["{{.a}}", {g: "{{.r}}"}]
`)
	assert.Equal(t, strings.Split("a|b|c c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r", "|"), r.Columns())
}

func TestAColumnThatTheInputHasNotGotIsReportedAtEveryPlace(t *testing.T) {
	t.Parallel()
	r := mustCompile(t, "a: '{{.phne}}'\nb: {c: 'Hi {{.name}} {{.phne}}'}\nd: '{{.nothing}}'")
	_, err := r.Bind(columns("phone", "name"))
	var problems Problems
	require.ErrorAs(t, err, &problems)
	assert.Equal(t, `jobs.yaml:1:4: jobs.test.a: the input has no column "phne"; did you mean "phone"?
    1 | a: '{{.phne}}'
      |    ^
jobs.yaml:2:8: jobs.test.b.c: the input has no column "phne"; did you mean "phone"?
    2 | b: {c: 'Hi {{.name}} {{.phne}}'}
      |        ^
jobs.yaml:3:4: jobs.test.d: the input has no column "nothing"; there are phone, name
    3 | d: '{{.nothing}}'
      |    ^`, problems.Error())
}

func TestTheDigestChangesWithWhatIsSentAndWithNothingElse(t *testing.T) {
	t.Parallel()
	base := "a: 'Hi {{.name}}'\nb: [1, '2']\n"
	digest := func(text string) string { return mustCompile(t, text).Digest() }
	assert.Len(t, digest(base), 32)
	for _, same := range []string{
		base,
		"# a comment\na:   \"Hi {{.name}}\"\nb:\n  - 1\n  - \"2\"\n", // another form
	} {
		assert.Equal(t, digest(base), digest(same), same)
	}
	seen := map[string]string{digest(base): base}
	for _, other := range []string{
		"a: 'Hi {{.nam}}'\nb: [1, '2']\n",  // another column
		"a: 'Hi {{.name}}'\nb: ['1', '2']", // a text, not a number
		"a: 'Hi {{.name}}'\nb: [1]\nc: '2'",
		"a: 'Hi {{.name}}'\nb: [[1], '2']",
		"b: [1, '2']\na: 'Hi {{.name}}'",
		"a: 'Hi {{.name}}'\nb: [1, '2', ~]",
		"a: 'Hi {{.name}}${APP}'\nb: [1, '2']",
		"a: 'Hi {{.name}}${COUNT}'\nb: [1, '2']",
		"a: 'Hi {{.name}}01HAPP00000000000000000001'\nb: [1, '2']",
	} {
		d := digest(other)
		assert.NotContains(t, seen, d, other)
		seen[d] = other
	}
	// What a variable holds counts, not only its name.
	for _, text := range []string{"a: ${V}", "a: '${V}{{.x}}'", "a: '{{.x | default \"${V}\"}}'"} {
		with := func(value string) string {
			src, _ := newSource("f", []byte(text))
			tree, _ := readTree(src)
			r, _ := compileRequest(tree.root, func(string) (string, bool) { return value, true }, jobPlace{src: src})
			return r.Digest()
		}
		assert.NotEqual(t, with("1"), with("2"), text)
	}
}

func TestManyGoroutinesMayRenderAtOnce(t *testing.T) {
	t.Parallel()
	b := mustBind(t, mustCompile(t, "a: '{{.x}}'\nb: '{{.x | upper}}'"), "x")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				body, err := b.Render(nil, sources.Row{Values: []string{fmt.Sprintf("v%d-%d", g, i)}})
				assert.NoError(t, err)
				assert.Equal(t, fmt.Sprintf(`{"a":"v%d-%d","b":"V%d-%d"}`, g, i, g, i), string(body))
			}
		})
	}
	wg.Wait()
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"{{.x}}", "a{{.x}}b", "{{if .x}}{{.y}}{{else}}{{end}}", "{{range 5}}{{.}}{{break}}{{end}}", "{{with $v := .x}}{{$v}}{{end}}",
		"{{index . \"x\"}}", "{{printf \"%q\" .x}}", "{{.x | replace \"a\" \"b\" | default \"c\"}}", "${APP}$${{.x}}", "{{/* */}}", "{{- .x -}}",
		"{{slice .x 1 2}}", "{{(index . \"y\").z}}", "{{define \"t\"}}{{end}}", "{{$x := 1}}{{range $x}}{{$x}}{{end}}", "{{and}}", "{{len .x.y}}",
	} {
		f.Add(s, "value", `{"z":[1,null,"é"]}`)
	}
	f.Fuzz(func(t *testing.T, template, x, y string) {
		text, err := json.Marshal(map[string]any{"s": template, "l": []string{template}, "x": "{{.x}}"})
		require.NoError(t, err)
		r, problems := compile(string(text))
		if len(problems) > 0 {
			require.NotEmpty(t, problems.Error())
			return
		}
		names := r.Columns()
		values := make([]string, len(names))
		for i := range names {
			if values[i] = x; names[i] == "y" && json.Valid([]byte(y)) {
				values[i], names[i] = y, "y!"
			}
		}
		b, err := r.Bind(columns(names...))
		if err != nil {
			return // a column whose name ends in "!"
		}
		body, err := b.Render(nil, sources.Row{Values: values})
		if err != nil {
			return
		}
		require.True(t, json.Valid(body), "%q", body)
		if utf8.ValidString(x) && x != "" {
			var got struct{ X string }
			require.NoError(t, json.Unmarshal(body, &got))
			require.Equal(t, x, got.X)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	const request = `
recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
message: {text_message: {text: "%s"}}
correlation_id: "{{.id}}"
`
	for name, text := range map[string]string{
		"columns":  "Hi {{.name}}, spring is here.",
		"template": "Hi {{.name | default \\\"friend\\\"}}, {{if .offer}}{{.offer}}{{end}} is here.",
	} {
		b.Run(name, func(b *testing.B) {
			bound := mustBind(b, mustCompile(b, fmt.Sprintf(request, text)), "id", "phone", "name", "offer")
			row := sources.Row{Values: []string{"17", "+491701234567", "Ada \"the first\" Lovelace", "spring"}}
			var buf []byte
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = bound.Render(buf[:0], row); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
