package jobs

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"convbatch/client"
	"convbatch/sources"
)

// form is how the values of a type are written in a job file.
type form struct {
	words    string
	schema   func(Key) *schema // of the value of a key; nil where it has keys that are known
	refine   func(*schema)     // says more of a value with keys; may be nil
	plain    bool              // the value is no text: true, or a number
	examples []any
}

// forms are those of the types of which more is known than what Go makes of them.
var forms = map[reflect.Type]form{
	reflect.TypeFor[Duration]():      {words: "duration", schema: matching(wholeDuration.String()), examples: []any{"500ms", "30s", "12h", "180d"}},
	reflect.TypeFor[time.Duration](): {words: "duration", schema: matching(wholeDuration.String()), examples: []any{"500ms", "30s", "12h", "180d"}},
	reflect.TypeFor[Rate]():          {words: "rate", schema: matching("^unlimited$|" + rateForm.String()), examples: []any{"20/s", "600/m", "unlimited"}},
	reflect.TypeFor[Suppress](): {words: "true, false or a query", schema: suppressSchema, plain: true,
		examples: []any{true, "select identity, channel from consents where state = 'out'"}},
	reflect.TypeFor[Share]():         {words: "share", schema: shareSchema, examples: []any{"5%", 100}},
	reflect.TypeFor[Clock]():         {words: "time of day", schema: matching(clockForm.String()), examples: []any{"08:00", "24:00"}},
	reflect.TypeFor[Zone]():          {words: "time zone", schema: textSchema, examples: []any{"Europe/Stockholm", "UTC"}},
	reflect.TypeFor[Instant]():       {words: "instant", schema: matching(`^\d{4}-\d\d-\d\d[Tt]`), examples: []any{"2026-03-01T08:00:00Z"}},
	reflect.TypeFor[client.Secret](): {words: "secret", schema: secretSchema, examples: []any{"${SINCH_KEY_SECRET}", map[string]string{"file": "/run/secrets/sinch-key"}}},
	reflect.TypeFor[Text]():          {words: "template", schema: textSchema, examples: []any{"{{.id}}"}},
	reflect.TypeFor[RequestNode]():   {words: "request", schema: requestSchema, examples: []any{map[string]string{"name": "{{.name}}"}}},
	reflect.TypeFor[ColumnNames]():   {words: "list of columns", schema: columnsSchema, examples: []any{[]string{"body"}}},
	reflect.TypeFor[sources.Spec]():  {words: "keys", refine: oneSource},
	reflect.TypeFor[Jobs](): {words: "jobs by name", schema: jobsSchema,
		examples: []any{map[string]any{"contacts": map[string]string{"kind": "contact_export"}}}},
}

// formOf returns how values of a type are written. A type that the loader can
// not read is a mistake of the program, which every test of its kind sees.
func formOf(t reflect.Type) form {
	if f, known := forms[t]; known {
		return f
	}
	switch t := element(t); t.Kind() {
	case reflect.Struct:
		return form{words: "keys"}
	case reflect.Bool:
		return form{words: "true or false", schema: boolSchema, plain: true, examples: []any{true}}
	case reflect.Int, reflect.Int64:
		return form{words: "whole number", schema: numberSchema, plain: true}
	case reflect.String:
		return form{words: "text", schema: textSchema}
	case reflect.Slice:
		item := formOf(t.Elem())
		return form{words: "list of " + item.words + "s", schema: func(Key) *schema {
			return &schema{Type: "array", Items: item.schema(Key{})}
		}, examples: []any{[]string{"phone", "name"}}}
	}
	panic(fmt.Sprintf("no job file can hold a %s", t))
}

// element is what a pointer points to, and any other type itself.
func element(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// orVariable is a value, or a text with a variable, which stands for any value.
func orVariable(s *schema) *schema {
	return &schema{AnyOf: []*schema{s, {Type: "string", Pattern: `\$\{`}}}
}

// matching is a text of a certain form.
func matching(pattern string) func(Key) *schema {
	return func(Key) *schema { return orVariable(&schema{Type: "string", Pattern: pattern}) }
}

// textSchema is any text; one that is written without quotes may look like
// something else.
func textSchema(k Key) *schema {
	if enum := slices.Concat(k.Enum, knownTexts(k.known)); enum != nil {
		return orVariable(&schema{Enum: enum})
	}
	s := &schema{Type: []string{"string", "number", "boolean"}}
	if k.Required {
		s.MinLength = 1
	}
	return s
}

// knownTexts are the texts of a list that the tag known names.
func knownTexts(list string) []string {
	switch list {
	case "operations":
		return operationIDs()
	case "channels":
		return channels
	}
	return nil
}

// columnsSchema is a list of the columns that a kind has a say about.
func columnsSchema(k Key) *schema {
	column := &schema{Type: "string"}
	if k.Enum != nil {
		column = orVariable(&schema{Enum: k.Enum})
	}
	return &schema{Type: "array", Items: column, MinItems: 1}
}

// oneSource says of an input that rows come from one place.
func oneSource(o *schema) {
	for _, source := range sources.Places() {
		given := map[string]*schema{source: {Pattern: `\S`}}
		o.OneOf = append(o.OneOf, &schema{Required: []string{source}, Properties: given})
	}
}

func boolSchema(Key) *schema { return orVariable(&schema{Type: "boolean"}) }

func numberSchema(k Key) *schema {
	s := &schema{Type: "integer"}
	if k.max > 0 {
		s.Minimum, s.Maximum = &k.min, &k.max
	}
	return orVariable(s)
}

func shareSchema(Key) *schema {
	one := int64(1)
	return orVariable(&schema{AnyOf: []*schema{
		{Type: "integer", Minimum: &one},
		{Type: "string", Pattern: percentForm.String() + "|" + countForm.String()},
	}})
}

func suppressSchema(Key) *schema {
	return &schema{AnyOf: []*schema{{Type: "boolean"}, {Type: "string", Pattern: `\s|\$\{`}}}
}

func secretSchema(k Key) *schema {
	file := Key{Name: "file", Required: true, Doc: "The file that holds the secret.", form: form{schema: textSchema}}
	return &schema{AnyOf: []*schema{textSchema(k), objectOf([]Key{file})}}
}

// requestSchema leaves it to the loader what a request may hold.
func requestSchema(Key) *schema { return &schema{Type: "object"} }

func jobsSchema(Key) *schema {
	return &schema{
		Type: "object", MinProperties: 1, PropertyNames: &schema{Pattern: jobName.String()},
		AdditionalProperties: &schema{Ref: refTo(jobDefinition)},
	}
}
