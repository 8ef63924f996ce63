package jobs

import (
	"reflect"
	"strconv"
	"strings"
)

// field is a field of a struct that stands for a key, with what its tags say:
//
//	yaml      the key; ",inline" puts the keys of a struct among its parent's
//	required  "true" when the key must be there, and a text not be empty
//	default   the value of a key that is not there, as it would be written
//	enum      the texts that are allowed, separated by commas
//	min, max  what a whole number may be
//	doc       what it is, in a sentence
//	example   a value, as it would be written; needed where the type has none
//	known     the list that a text is from: operations or channels
//	instead   the key that this one stands in place of: one of them is there
type field struct {
	key      string
	value    reflect.Value
	required bool
	fallback string
	enum     []string
	min, max int64
	doc      string
	example  string
	known    string
	instead  string
}

// fieldsOf returns the fields of a struct that stand for keys.
func fieldsOf(v reflect.Value) []field {
	var fields []field
	for i := range v.NumField() {
		t := v.Type().Field(i)
		tag, ok := t.Tag.Lookup("yaml")
		key, options, _ := strings.Cut(tag, ",")
		switch {
		case !ok || key == "-" || !t.IsExported():
			continue
		case options == "inline":
			fields = append(fields, fieldsOf(v.Field(i))...)
			continue
		}
		f := field{
			key: key, value: v.Field(i), required: t.Tag.Get("required") == "true",
			fallback: t.Tag.Get("default"), doc: t.Tag.Get("doc"),
			example: t.Tag.Get("example"), known: t.Tag.Get("known"), instead: t.Tag.Get("instead"),
		}
		if enum := t.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		f.min, _ = strconv.ParseInt(t.Tag.Get("min"), 10, 64) // absent is 0
		f.max, _ = strconv.ParseInt(t.Tag.Get("max"), 10, 64)
		fields = append(fields, f)
	}
	return fields
}
