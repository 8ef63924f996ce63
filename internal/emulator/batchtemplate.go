package emulator

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// template is a message with ${name} in its strings, cut at those places once
// for a whole batch. Parameters are put in as they were written in the
// request, escapes and all.
type template struct {
	literals []string // JSON, one more than slots
	slots    []int    // which parameter comes between two literals
	names    []string // of the parameters
}

func newTemplate(message string) template {
	var t template
	j := compact()
	t.cut(&j, gjson.Parse(message))
	t.literals = append(t.literals, string(j.b))
	if len(t.slots) == 0 {
		t.literals[0] = message
	}
	return t
}

func (t *template) cut(j *writer, v gjson.Result) {
	switch {
	case v.IsObject():
		j.open()
		v.ForEach(func(key, value gjson.Result) bool {
			j.item().raw(key.Raw + ":")
			t.cut(j, value)
			return true
		})
		j.close()
	case v.IsArray():
		j.openList()
		v.ForEach(func(_, value gjson.Result) bool {
			t.cut(j.item(), value)
			return true
		})
		j.closeList()
	case v.Type == gjson.String:
		t.cutText(j, v.Str)
	default:
		j.raw(v.Raw)
	}
}

// cutText cuts one string. A "${" without its "}" is text like any other.
func (t *template) cutText(j *writer, s string) {
	j.raw(`"`)
	for {
		before, rest, found := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			break
		}
		j.inner(before)
		t.literals = append(t.literals, string(j.b))
		j.b = j.b[:0]
		t.slots = append(t.slots, t.slot(name))
		s = after
	}
	j.inner(s)
	j.raw(`"`)
}

// inner appends a part of a string.
func (j *writer) inner(s string) {
	for i := range len(s) {
		j.b = appendByte(j.b, s[i])
	}
}

func (t *template) slot(name string) int {
	if i := slices.Index(t.names, name); i >= 0 {
		return i
	}
	t.names = append(t.names, name)
	return len(t.names) - 1
}

// fill makes the message of one recipient, or names a parameter that is
// missing. Parameters that the message does not use may be there.
func (t *template) fill(parameters gjson.Result) (message, missing string) {
	if len(t.slots) == 0 {
		return t.literals[0], ""
	}
	var room [8]string
	values := append(room[:0], make([]string, len(t.names))...)
	parameters.ForEach(func(key, value gjson.Result) bool {
		if i := slices.Index(t.names, key.Str); i >= 0 && value.Type == gjson.String {
			values[i] = value.Raw
		}
		return true
	})
	if i := slices.Index(values, ""); i >= 0 {
		return "", or(t.names[i], "${}")
	}
	size := len(t.literals[len(t.slots)])
	for i, slot := range t.slots {
		size += len(t.literals[i]) + len(values[slot])
	}
	var b strings.Builder
	b.Grow(size)
	for i, slot := range t.slots {
		b.WriteString(t.literals[i])
		b.WriteString(values[slot][1 : len(values[slot])-1])
	}
	b.WriteString(t.literals[len(t.slots)])
	return b.String(), ""
}

// tagger makes the metadata of a batch's messages: what the batch gives all of
// them, under what the recipient's has of its own, and the batch's id.
type tagger struct {
	shared []tag
	last   string // that with the id, and what closes the object
	common string // of recipients that have nothing of their own
}

// tag is one field of an object: its name, and both parts as written.
type tag struct{ name, key, value string }

const batchIDKey = "_batch_id"

func newTagger(metadata, id string) tagger {
	t := tagger{shared: tagsOf(nil, gjson.Parse(metadata)), last: `"` + batchIDKey + `":"` + id + `"}`}
	t.common = t.join(nil)
	return t
}

func tagsOf(tags []tag, v gjson.Result) []tag {
	v.ForEach(func(key, value gjson.Result) bool {
		tags = append(tags, tag{key.Str, key.Raw, value.Raw})
		return true
	})
	return tags
}

// tag is the metadata of one recipient: a string of JSON that holds JSON.
func (t *tagger) tag(own gjson.Result) string {
	if !own.IsObject() {
		return t.common
	}
	var room [8]tag
	return t.join(tagsOf(room[:0], own))
}

func (t *tagger) join(own []tag) string {
	var room [256]byte
	b := append(room[:0], '{')
	for _, x := range t.shared {
		if !slices.ContainsFunc(own, func(y tag) bool { return y.name == x.name }) {
			b = x.append(b)
		}
	}
	for _, x := range own {
		b = x.append(b)
	}
	b = append(b, t.last...)
	var quoted [384]byte
	return string(appendQuoted(quoted[:0], string(b)))
}

func (t tag) append(b []byte) []byte {
	b = append(append(b, t.key...), ':')
	return append(append(b, t.value...), ',')
}
