package jobs

import (
	"fmt"
	"reflect"
	"slices"
)

// Key is a key of a job file, as its schema and its documents show it.
type Key struct {
	Name     string
	Type     string // what its value is, in words
	Required bool
	Default  string   // the value of a key that is not there, as it would be written; "" for none
	Enum     []string // the texts that are allowed; nil for any
	Doc      string   // what it is, in a sentence
	Keys     []Key    // that its value has, where these are known

	min, max int64  // what a whole number may be; 0, 0 for any
	example  string // a value, "" for one of the form
	known    string // the list that a text is from, "" for none
	instead  string // the key that it stands in place of, "" for none
	form     form
}

// FileKeys are the keys of a job file.
func FileKeys() []Key { return keysOf(File{}) }

// CommonKeys are the keys that every job has.
func CommonKeys() []Key { return keysOf(Common{}) }

// SourceKeys are the keys that say where rows come from.
func SourceKeys() []Key {
	for _, key := range keysOf(EachRow{}) {
		if key.Name == "from" {
			return key.Keys
		}
	}
	return nil
}

// Keys are the keys of the kind, besides those that every job has.
func (k Kind) Keys() []Key {
	keys := keysOf(reflect.ValueOf(k.New()).Elem().Interface())
	if k.keeps() {
		keys = append(keys, k.keepKeys()...)
	}
	return keys
}

// keysOf describes the keys of a struct.
func keysOf(s any) []Key {
	var keys []Key
	for _, f := range fieldsOf(reflect.ValueOf(s)) {
		t := f.value.Type()
		form := formOf(t)
		key := Key{
			Name: f.key, Type: form.words, Required: f.required, Default: f.fallback, Enum: slices.Clone(f.enum), Doc: f.doc,
			min: f.min, max: f.max, example: f.example, known: f.known, instead: f.instead, form: form,
		}
		if f.max > 0 {
			key.Type += fmt.Sprintf(", %d to %d", f.min, f.max)
		}
		if form.schema == nil {
			key.Keys = keysOf(reflect.Zero(element(t)).Interface())
		}
		keys = append(keys, key)
	}
	return keys
}
