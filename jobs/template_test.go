package jobs

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/sources"
)

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

// The documents show what each function gives.
func TestTheExamplesOfFunctionsAreTrue(t *testing.T) {
	t.Parallel()
	var values map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(FunctionRow), &values))
	var row []string
	for name, value := range values {
		row = append(row, name+"!", string(value))
	}
	for _, f := range Functions() {
		assert.Contains(t, f.Example, f.Name)
		text, err := json.Marshal(map[string]string{"s": f.Example})
		require.NoError(t, err)
		want, err := json.Marshal(map[string]string{"s": f.Gives})
		require.NoError(t, err)
		assert.JSONEq(t, string(want), mustRender(t, string(text), row...), f.Example)
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
