package jobs

import (
	yaml "go.yaml.in/yaml/v4"
)

// Text is a text of a job that is a template over the columns of a row, such
// as contact: "{{.id}}". Checker.Texts compiles it.
type Text struct{ node *yaml.Node }

func (t *Text) decodeNode(d *decoder, n *yaml.Node, at *trail) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.mismatch(n, at, "a text")
		return
	}
	t.node = n
}

// given says whether the job has the text.
func (t Text) given() bool { return t.node != nil }

// keyed is a text of a job with its key.
type keyed struct {
	key  string
	text Text
}

// Texts compiles texts of the job and reports what is wrong with them. What
// comes of a row is an object of their keys; one that yields nothing is left
// out. It returns nil when there is none, or when one is not sound.
func (c *Checker) Texts(texts ...keyed) *Request {
	object := &yaml.Node{Kind: yaml.MappingNode, Line: c.place.job.Line, Column: c.place.job.Column}
	for _, t := range texts {
		if !t.text.given() {
			continue
		}
		if c.d.said(c.place.path, join(c.place.path, t.key)) {
			return nil
		}
		object.Content = append(object.Content, scalarAt(t.text.node, t.key), t.text.node)
	}
	if len(object.Content) == 0 {
		return nil
	}
	return c.compile(object, c.place)
}

// scalarAt is a text that stands where n does.
func scalarAt(n *yaml.Node, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Line: n.Line, Column: n.Column}
}
