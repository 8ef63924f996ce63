package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// maxText bounds what one string of a request can become, in bytes. It is far
// above what the API takes, and keeps a template from eating the machine.
const maxText = 1 << 20

var errTooLong = errors.New("becomes longer than 1 MiB")

// Function is a function that templates may call.
type Function struct {
	Name    string
	Doc     string // what it gives, in a few words
	Example string // a template over FunctionRow
	Gives   string // what that puts out

	call any // nil where it is text/template's
}

// FunctionRow is the row that the examples of functions are over, as JSON.
const FunctionRow = `{"name": "Ada", "phone": "070-174 06 05", "city": "", "tags": ["new", "vip"]}`

// Functions lists what templates may call. Ours are safe with any value of a
// row, and their errors do not repeat one. Those of text/template that are not
// here call into values, or escape for something that is not JSON.
func Functions() []Function { return slices.Clone(templateFunctions) }

var templateFunctions = []Function{
	{"e164", "a phone number in international form; one without a country code is of that country", `{{.phone | e164 "SE"}}`, "+46701740605", e164},
	{"default", "another value in place of an empty one", `Hi {{.city | default "friend"}}`, "Hi friend", orDefault},
	{"lower", "small letters", `{{.name | lower}}`, "ada", func(v any) string { return strings.ToLower(textOf(v)) }},
	{"upper", "capital letters", `{{.name | upper}}`, "ADA", func(v any) string { return strings.ToUpper(textOf(v)) }},
	{"trim", "without the space around it", `{{trim " x "}}`, "x", func(v any) string { return strings.TrimSpace(textOf(v)) }},
	{"replace", "one text in place of another, wherever it stands", `{{.phone | replace " " ""}}`, "070-1740605", replace},
	{"print", "its values side by side", `{{print .name "!"}}`, "Ada!", func(vs ...any) (string, error) { return bounded(fmt.Sprint(texts(vs)...)) }},
	{"println", "its values with spaces, and a line end", `{{println .name 1 | trim}}`, "Ada 1", func(vs ...any) (string, error) { return bounded(fmt.Sprintln(texts(vs)...)) }},
	{"printf", "its values in a format, as Go's `fmt` knows it", `{{printf "%s-%03d" .name 7}}`, "Ada-007", printf},

	{Name: "eq", Doc: "equal, to one of several", Example: `{{if eq .name "Ada" "Eve"}}yes{{end}}`, Gives: "yes"},
	{Name: "ne", Doc: "not equal", Example: `{{if ne .city "Lund"}}yes{{end}}`, Gives: "yes"},
	{Name: "lt", Doc: "less: texts by their letters, numbers by size", Example: `{{if lt .name "B"}}A{{end}}`, Gives: "A"},
	{Name: "le", Doc: "less or equal", Example: `{{if le (len .tags) 2}}few{{end}}`, Gives: "few"},
	{Name: "gt", Doc: "greater", Example: `{{if gt (len .tags) 1}}many{{end}}`, Gives: "many"},
	{Name: "ge", Doc: "greater or equal", Example: `{{if ge .name "B"}}no{{else}}A{{end}}`, Gives: "A"},
	{Name: "and", Doc: "the first empty value, else the last", Example: `{{if and .name .phone}}both{{end}}`, Gives: "both"},
	{Name: "or", Doc: "the first value that is not empty, else the last", Example: `{{or .city .name}}`, Gives: "Ada"},
	{Name: "not", Doc: "whether a value is empty", Example: `{{if not .city}}nowhere{{end}}`, Gives: "nowhere"},
	{Name: "len", Doc: "how long a list or a text (in bytes) is", Example: `{{len .tags}}`, Gives: "2"},
	{Name: "index", Doc: "one of a list; a column whose name is no word", Example: `{{index .tags 0}}{{index . "name"}}`, Gives: "newAda"},
	{Name: "slice", Doc: "a part of a text or a list, by bytes", Example: `{{slice .name 0 1}}.`, Gives: "A."},
}

// textFunction ends every pipeline whose value is put out. It is not for
// templates to call.
const textFunction = "_text"

// functions are what text/template has to be given.
var functions = func() template.FuncMap {
	given := template.FuncMap{textFunction: textOf}
	for _, f := range templateFunctions {
		if f.call != nil {
			given[f.Name] = f.call
		}
	}
	return given
}()

func knownFunction(name string) bool { return slices.Contains(functionNames(), name) }

// functionNames are the names of what templates may call, in order.
func functionNames() []string {
	var names []string
	for _, f := range templateFunctions {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// textOf is how a value is put out: nothing for null, a number with the digits
// that it was written with, a list or an object as JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case map[string]any, []any:
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(v) == nil { // it came from JSON, so it becomes JSON
			return strings.TrimSuffix(b.String(), "\n")
		}
	}
	return fmt.Sprint(v)
}

// texts puts what fmt would print as Go into words of JSON.
func texts(vs []any) []any {
	for i, v := range vs {
		switch v.(type) {
		case nil, json.Number, map[string]any, []any:
			vs[i] = textOf(v)
		}
	}
	return vs
}

func orDefault(fallback, v any) any {
	if truth, _ := template.IsTrue(v); truth {
		return v
	}
	return fallback
}

func replace(from, to string, v any) (string, error) {
	s := textOf(v)
	if n := strings.Count(s, from); len(s)+n*max(0, len(to)-len(from)) > maxText {
		return "", errTooLong
	}
	return strings.ReplaceAll(s, from, to), nil
}

// hugeWidth finds a width or precision that could make a text of any length.
var hugeWidth = regexp.MustCompile(`[0-9]{4}|\*`)

func printf(format string, vs ...any) (string, error) {
	if len(format) > 4096 || hugeWidth.MatchString(format) {
		return "", errors.New("printf: the format is too long, or has a width of four digits or *")
	}
	return bounded(fmt.Sprintf(format, texts(vs)...))
}

func bounded(s string) (string, error) {
	if len(s) > maxText {
		return "", errTooLong
	}
	return s, nil
}
