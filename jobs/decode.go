package jobs

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"convbatch/client"
)

// decoder puts nodes into structs whose yaml tags are the keys, as the YAML
// library would with KnownFields, but names the path and the column of
// everything that is wrong, and expands variables in the values. The tags
// required, default, enum, min and max are checked on the way.
type decoder struct {
	report
	root    *yaml.Node
	partial map[*yaml.Node]bool // mappings of which a key was refused
	file    *File
	kinds   []Kind
	env     Variables

	given map[string]bool // paths that a problem was reported for
	below map[string]bool // paths with such a path below them
}

// selfDecoder is a type that is more than a value or a struct.
type selfDecoder interface {
	decodeNode(d *decoder, n *yaml.Node, at *trail)
}

func (d *decoder) fail(n *yaml.Node, at *trail, message, hint string) {
	d.note(at.String())
	d.problem(n, at, message, hint)
}

// note keeps in mind that a problem was reported for a path.
func (d *decoder) note(path string) {
	d.given[path] = true
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			d.below[path[:i]] = true
		}
	}
}

// said says whether a problem was reported for a path, for one below it, or for
// one above it that is below top.
func (d *decoder) said(top, path string) bool {
	if d.given[path] || d.below[path] {
		return true
	}
	for i := len(path) - 1; i > len(top); i-- {
		if (path[i] == '.' || path[i] == '[') && d.given[path[:i]] {
			return true
		}
	}
	return false
}

// structs decodes a mapping into one or more structs, which together know all
// of its keys; a key that several of them know goes into each. With open, keys
// that none of them knows are passed over.
func (d *decoder) structs(n *yaml.Node, at *trail, open bool, into ...reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, at, "keys and values")
		return
	}
	known := make(map[string][]field)
	for _, v := range into {
		for _, f := range fieldsOf(v) {
			known[f.key] = append(known[f.key], f)
		}
	}
	names := slices.Sorted(maps.Keys(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		fields, ok := known[key.Value]
		if !ok && !open && len(d.problems) < maxProblems {
			d.problem(key, at, "unknown key"+d.src.named(key), orList(key.Value, names))
			if meant, near := Nearest(key.Value, names); near && !has(n, meant) {
				d.note(at.at(meant).String()) // it is misspelt, so it is not missing too
			}
		}
		for _, f := range fields {
			d.field(f, key, value, at.at(f.key))
		}
	}
	for _, name := range names {
		if !has(n, name) {
			d.absent(known[name], n, at)
		}
	}
}

func (d *decoder) field(f field, key, value *yaml.Node, at *trail) {
	switch {
	case d.given[at.String()]: // said once is enough
		return
	case isBroken(value):
		d.note(at.String())
		return
	case isNull(value):
		d.fail(key, at, "has no value", "give it one, or remove the key")
		return
	}
	d.value(f.value, value, at)
	if path := at.String(); !d.given[path] && !d.below[path] {
		d.checkTags(f, value, at)
	}
}

// absent fills in the default of a key that is not there.
func (d *decoder) absent(fields []field, n *yaml.Node, at *trail) {
	for _, f := range fields {
		path := at.at(f.key).String()
		switch {
		case f.required && (d.given[path] || d.partial[n]):
		case f.required:
			d.note(path)
			hint := ""
			if f.enum != nil {
				hint = "it is one of " + strings.Join(f.enum, ", ")
			}
			d.problem(d.named(n, at), at, fmt.Sprintf("missing key %q", f.key), hint)
		case f.fallback != "":
			node := &yaml.Node{Kind: yaml.ScalarNode, Value: f.fallback}
			d.value(f.value, node, at.at(f.key))
		case f.value.Kind() == reflect.Struct && len(fieldsOf(f.value)) > 0:
			for _, inner := range fieldsOf(f.value) {
				if !inner.required {
					d.absent([]field{inner}, n, at.at(f.key))
				}
			}
		}
	}
}

// named returns where a mapping is named: the key that it stands at.
func (d *decoder) named(n *yaml.Node, at *trail) *yaml.Node {
	if len(d.problems) >= maxProblems {
		return n // it is not shown, so it need not be looked for
	}
	if key := find(d.root, at.String()); key != nil {
		return key
	}
	return n
}

func (d *decoder) value(v reflect.Value, n *yaml.Node, at *trail) {
	if isBroken(n) {
		d.note(at.String())
		return
	}
	switch into := v.Addr().Interface().(type) {
	case selfDecoder:
		into.decodeNode(d, n, at)
		return
	case *client.Secret:
		d.secret(into, n, at)
		return
	case *time.Duration:
		d.value(reflect.ValueOf((*Duration)(into)).Elem(), n, at)
		return
	case encoding.TextUnmarshaler:
		if text, ok := d.text(n, at); ok {
			if err := into.UnmarshalText([]byte(text)); err != nil {
				d.fail(n, at, d.shown(n)+" "+err.Error(), "")
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structs(n, at, false, v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(v.Elem(), n, at)
	case reflect.Slice:
		d.list(v, n, at)
	default:
		d.scalar(v, n, at)
	}
}

func (d *decoder) list(v reflect.Value, n *yaml.Node, at *trail) {
	if n.Kind != yaml.SequenceNode {
		d.mismatch(n, at, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(v.Index(i), item, at.nth(i))
	}
}

func (d *decoder) scalar(v reflect.Value, n *yaml.Node, at *trail) {
	text, ok := d.text(n, at)
	if !ok {
		return
	}
	// A quoted number is a text, unless it came out of a variable.
	written := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 ||
		strings.Contains(n.Value, "${")
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if !written || text != "true" && text != "false" {
			d.mismatch(n, at, "true or false")
			return
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		number, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if !written || err != nil {
			d.mismatch(n, at, "a whole number")
			return
		}
		v.SetInt(number)
	default:
		// Reached by no job file, only by a kind with a field of another type;
		// the test over all kinds would see it.
		d.fail(n, at, fmt.Sprintf("can not be read into a %s", v.Type()), "")
	}
}

// text returns the text of a scalar, as written and with variables put in.
func (d *decoder) text(n *yaml.Node, at *trail) (string, bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.mismatch(n, at, "a text")
		return "", false
	}
	text, wrong := d.env.expand(n.Value)
	for _, w := range wrong {
		d.fail(n, at, w, "")
	}
	return text, len(wrong) == 0
}

func (d *decoder) mismatch(n *yaml.Node, at *trail, want string) {
	d.fail(n, at, fmt.Sprintf("must be %s, and is %s", want, d.shown(n)), "")
}

// shown is a value in words. Of a text it is what stands in the file, never
// what came out of a variable, and never what may be a secret.
func (d *decoder) shown(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || isNull(n) || d.src.masked(n.Line, n.Column+len(n.Value)+len(`""`)) {
		return describeNode(n)
	}
	const most = 40
	text := []rune(n.Value)
	if len(text) > most {
		text = append(text[:most:most], '…')
	}
	return strconv.Quote(string(text))
}

// checkTags holds a value against what the tags of its field say.
func (d *decoder) checkTags(f field, n *yaml.Node, at *trail) {
	switch {
	case f.value.Kind() == reflect.String && f.value.Len() == 0 && (f.required || f.enum != nil):
		hint := ""
		if strings.Contains(n.Value, "${") {
			hint = "the variable is set to nothing: give it a value"
		}
		d.fail(n, at, "is empty", hint)
	case f.required && n.Value == "" && f.value.Type() == reflect.TypeFor[Text]():
		d.fail(n, at, "is empty", "")
	case f.enum != nil && !slices.Contains(f.enum, f.value.String()):
		d.fail(n, at, d.shown(n)+" is not one of "+strings.Join(f.enum, ", "), didYouMean(n.Value, f.enum))
	case f.value.CanInt() && f.max > 0 && (f.value.Int() < f.min || f.value.Int() > f.max):
		d.fail(n, at, fmt.Sprintf("must be from %d to %d, and is %s", f.min, f.max, d.shown(n)), "")
	}
}
