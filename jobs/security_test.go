package jobs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The list is fixed: what is added to it must have no way to a file, to the
// environment, to a process or to the network.
func TestTemplatesCallNothingButTheseFunctions(t *testing.T) {
	t.Parallel()
	assert.Equal(t, strings.Fields("and default e164 eq ge gt index le len lower lt ne not or print printf println replace slice trim upper"), functionNames())
	for _, name := range []string{
		"call", "html", "js", "urlquery", // of text/template
		"env", "expandenv", "getenv", "readFile", "file", "include", "tpl", "exec", "shell", "lookup", "getHostByName", "fail", // of others
		"_text",
	} {
		text, err := json.Marshal(map[string]string{"s": "{{" + name + " .x}}"})
		require.NoError(t, err)
		_, problems := compile(string(text))
		require.Len(t, problems, 1, name)
		assert.Equal(t, `unknown function "`+name+`"`, problems[0].Message)
	}
	for _, template := range []string{`{{template "x"}}`, `{{define "x"}}{{end}}`, `{{block "x" .}}{{end}}`, `{{.}}`, `{{$}}`} {
		text, err := json.Marshal(map[string]string{"s": template})
		require.NoError(t, err)
		_, problems := compile(string(text))
		assert.NotEmpty(t, problems, template)
	}
}

// A value has no methods but those of a number, which read it.
func TestTemplatesReachNoMethodOfAValue(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`"text"`, `1`, `true`, `null`, `[1]`, `{"a":1}`} {
		for _, method := range []string{"UnmarshalJSON", "MarshalJSON", "GoString", "Format", "Error", "Close", "Write"} {
			text, err := json.Marshal(map[string]string{"s": "<{{.v." + method + "}}>"})
			require.NoError(t, err)
			body, err := render(t, string(text), "v!", value)
			if err == nil {
				assert.Equal(t, `{"s":"<>"}`, string(body), "%s of %s", method, value)
			}
		}
	}
}

// A variable is one that is named, and in a value: nothing else is looked up.
func TestVariablesAreLookedUpByTheirNameAlone(t *testing.T) {
	t.Parallel()
	var asked []string
	env := Variables(func(name string) (string, bool) {
		asked = append(asked, name)
		return "${SECOND} $(id) {{.x}}", true
	})
	got, wrong := env.expand("a ${FIRST} `id` {file: /etc/passwd} ~ %HOME%")
	require.Empty(t, wrong)
	assert.Equal(t, "a ${SECOND} $(id) {{.x}} `id` {file: /etc/passwd} ~ %HOME%", got)
	assert.Equal(t, []string{"FIRST"}, asked, "what a variable holds is not looked at again")
	for _, text := range []string{"$(id)", "$HOME", "${/etc/passwd}", "${file:/etc/passwd}", "${!FIRST}", "${FIRST:+x}", "${FIRST:?x}", "${FIRST:0:1}", "${FIRST//a/b}", "$((1))"} {
		asked = nil
		_, wrong := env.expand(text)
		assert.NotEmpty(t, wrong, text)
		assert.Empty(t, asked, text)
	}
	asked = nil
	src, problem := newSource("jobs.yaml", []byte(goodFile))
	require.Nil(t, problem)
	_, err := loadSource(src, func(name string) (string, bool) {
		asked = append(asked, name)
		return testEnv(name)
	}, Kinds())
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"PROJECT", "KEY_SECRET", "APP", "COUNT"}, asked, "a file asks for what it names")
}

// Text that means something elsewhere means nothing in a row.
func TestARowThatLooksLikeCodeStaysText(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"{{.phone}}", `{{printf "%s" .x}}`, "${HOME}", "$HOME", "$(id)", "`id`", "'; DROP TABLE runs; --", `"}, "app_id": "other`, `\"`, "{file: /etc/passwd}", "!!binary x", "&a *a",
	} {
		want, err := json.Marshal(map[string]string{"s": value, "t": "<" + value + ">", "u": strings.ToUpper(value)})
		require.NoError(t, err)
		assert.JSONEq(t, string(want), mustRender(t, "s: '{{.x}}'\nt: '<{{.x}}>'\nu: '{{.x | upper}}'", "x", value))
	}
}

// A secret that the syntax makes a key of is not shown as one either.
func TestASecretThatIsTakenForAKeyIsNotShown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"!key_secret: hunter2", "{!key_secret: hunter2}", "!key_secret: hunter2: 1\n!key_secret: hunter2: 2", "? !key_secret: hunter2\n: 1",
	} {
		src, problem := newSource("jobs.yaml", []byte(text))
		require.Nil(t, problem)
		_, err := loadSource(src, testEnv, Kinds())
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2", text)
	}
}
