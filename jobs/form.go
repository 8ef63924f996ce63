package jobs

import (
	"fmt"
	"reflect"
	"time"

	"convbatch/client"
)

// form is how the values of a type are written in a job file.
type form struct {
	words  string
	schema func(Key) *schema // of the value of a key; nil where it has keys that are known
	plain  bool              // the value is no text: true, or a number
}

// forms are those of the types of which more is known than what Go makes of them.
var forms = map[reflect.Type]form{
	reflect.TypeFor[Duration]():      {words: "duration", schema: matching(wholeDuration.String())},
	reflect.TypeFor[time.Duration](): {words: "duration", schema: matching(wholeDuration.String())},
	reflect.TypeFor[Rate]():          {words: "rate", schema: matching("^unlimited$|" + rateForm.String())},
	reflect.TypeFor[Suppress]():      {words: "true, false or a query", schema: suppressSchema, plain: true},
	reflect.TypeFor[Share]():         {words: "share", schema: shareSchema},
	reflect.TypeFor[Clock]():         {words: "time of day", schema: matching(clockForm.String())},
	reflect.TypeFor[Zone]():          {words: "time zone", schema: textSchema},
	reflect.TypeFor[Instant]():       {words: "instant", schema: matching(`^\d{4}-\d\d-\d\d[Tt]`)},
	reflect.TypeFor[client.Secret](): {words: "secret", schema: secretSchema},
	reflect.TypeFor[Text]():          {words: "template", schema: textSchema},
	reflect.TypeFor[RequestNode]():   {words: "request", schema: requestSchema},
	reflect.TypeFor[Jobs]():          {words: "jobs by name", schema: jobsSchema},
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
		return form{words: "true or false", schema: boolSchema, plain: true}
	case reflect.Int, reflect.Int64:
		return form{words: "whole number", schema: numberSchema, plain: true}
	case reflect.String:
		return form{words: "text", schema: textSchema}
	case reflect.Slice:
		item := formOf(t.Elem())
		return form{words: "list of " + item.words + "s", schema: func(Key) *schema {
			return &schema{Type: "array", Items: item.schema(Key{})}
		}}
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
	if k.Enum != nil {
		return orVariable(&schema{Enum: k.Enum})
	}
	s := &schema{Type: []string{"string", "number", "boolean"}}
	if k.Required {
		s.MinLength = 1
	}
	return s
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
