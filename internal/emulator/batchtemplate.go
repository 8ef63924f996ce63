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

// missing names a parameter that the message needs and that is not there.
// Parameters that the message does not use may be there.
func (t *template) missing(parameters value) (name string, isMissing bool) {
	for _, name := range t.names {
		if !parameters.hasText(name) {
			return name, true
		}
	}
	return "", false
}

// fill makes the message of one recipient, none of whose parameters is missing.
func (t *template) fill(parameters gjson.Result) string {
	if len(t.slots) == 0 {
		return t.literals[0]
	}
	values := make([]string, len(t.names))
	parameters.ForEach(func(key, value gjson.Result) bool {
		if i := slices.Index(t.names, key.Str); i >= 0 && value.Type == gjson.String {
			values[i] = value.Raw
		}
		return true
	})
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
	return b.String()
}

// wording makes what the messages of a batch say, when somebody reads them: most
// are never read.
type wording struct {
	message template
	tagger  tagger
}

func newWording(shared sending, id string) *wording {
	return &wording{newTemplate(shared.content), newTagger(shared.metadata, id)}
}

// content is the message to the recipient of a part of the request.
func (w *wording) content(part string) string { return w.message.fill(lastField(part, "parameters")) }

// tags are the metadata of that message.
func (w *wording) tags(part string) string { return w.tagger.tag(lastField(part, "message_metadata")) }

// lastField is the field of an object with a name, the last if there are more.
func lastField(object, name string) (field gjson.Result) {
	gjson.Parse(object).ForEach(func(key, value gjson.Result) bool {
		if key.Str == name {
			field = value
		}
		return true
	})
	return field
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
	return t.join(tagsOf(nil, own))
}

func (t *tagger) join(own []tag) string {
	b := []byte{'{'}
	for _, x := range t.shared {
		if !slices.ContainsFunc(own, func(y tag) bool { return y.name == x.name }) {
			b = x.append(b)
		}
	}
	for _, x := range own {
		b = x.append(b)
	}
	b = append(b, t.last...)
	return string(appendQuoted(nil, string(b)))
}

func (t tag) append(b []byte) []byte {
	b = append(append(b, t.key...), ':')
	return append(append(b, t.value...), ',')
}
