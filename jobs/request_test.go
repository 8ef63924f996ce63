package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

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

func TestNullIsNothing(t *testing.T) {
	t.Parallel()
	b := mustBind(t, mustCompile(t, "a: '{{.x}}'\nb: 'x{{.x}}'\nc: '{{.x | default \"d\"}}'"), "x")
	body, err := b.Render(nil, sources.Row{Values: []string{""}, Null: []bool{true}})
	require.NoError(t, err)
	assert.Equal(t, `{"b":"x","c":"d"}`, string(body))
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
