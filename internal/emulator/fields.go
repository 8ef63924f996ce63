package emulator

import (
	"reflect"
	"slices"

	"github.com/tidwall/gjson"
)

// written is what was written of an object: JSON by name.
type written map[string]string

// set changes the named fields to what a body says of them. One that it does
// not have, or has as null, is emptied.
func (w written) set(body string, names []string) {
	for _, name := range names {
		if v := gjson.Get(body, name); v.Exists() && v.Type != gjson.Null {
			w[name] = v.Raw
			continue
		}
		delete(w, name)
	}
}

// write writes the fields that there are, in the order of names.
func (w written) write(j *writer, names []string) {
	for _, name := range names {
		if raw := w[name]; raw != "" {
			j.key(name).raw(raw)
		}
	}
}

// emptied says which required fields a PATCH of these names would take away.
func emptied(body string, names, required []string) violations {
	var wrong violations
	for _, name := range required {
		if v := gjson.Get(body, name); slices.Contains(names, name) && (!v.Exists() || v.Type == gjson.Null) {
			wrong.add(name, "can not be emptied")
		}
	}
	return wrong
}

// extraField is what Options.ExtraFields adds to an object, and extraValue
// what it holds: something of each sort, with a number that a float64 lacks
// the digits for.
const (
	extraField = "of_a_later_version"
	extraValue = `{"level":9007199254740993,"tags":["å",null,{"deep":[]}],"on":true}`
)

// extraShape takes the extra field back as it was answered.
var extraShape = &shape{check: func(v gjson.Result) string {
	if !reflect.DeepEqual(decoded(v.Raw), decoded(extraValue)) {
		return "is not what was read"
	}
	return ""
}}

// writeExtra ends an object with the field that nobody knows, if there is to
// be one.
func (w *world) writeExtra(j *writer) {
	if w.extra {
		j.key(extraField).raw(extraValue)
	}
}
