package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// functions are those that a template may call besides the builtins below.
// They are safe with any value of a row, and their errors do not repeat one.
var functions = template.FuncMap{
	"lower":   func(v any) string { return strings.ToLower(textOf(v)) },
	"upper":   func(v any) string { return strings.ToUpper(textOf(v)) },
	"trim":    func(v any) string { return strings.TrimSpace(textOf(v)) },
	"default": orDefault,
	"replace": replace,
	"e164":    e164,
	"print":   func(vs ...any) (string, error) { return bounded(fmt.Sprint(texts(vs)...)) },
	"println": func(vs ...any) (string, error) { return bounded(fmt.Sprintln(texts(vs)...)) },
	"printf":  printf,

	textFunction: textOf,
}

// textFunction ends every pipeline whose value is put out. It is not for
// templates to call.
const textFunction = "_text"

// builtins are the functions of text/template that a template may call. The
// others call into values or escape for something that is not JSON.
var builtins = []string{
	"and", "or", "not", "len", "index", "slice", "eq", "ne", "lt", "le", "gt", "ge",
}

func knownFunction(name string) bool {
	return functions[name] != nil && name != textFunction || slices.Contains(builtins, name)
}

func functionNames() []string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(functions)), func(s string) bool { return s == textFunction })
	return slices.Sorted(slices.Values(append(names, builtins...)))
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
