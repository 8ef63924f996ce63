package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	yaml "go.yaml.in/yaml/v4"
)

// constant checks a value that is the same for all messages of a batch.
func (s *batchSplit) constant(n *yaml.Node, path string) {
	s.each(n, path, func(n *yaml.Node, path string) *yaml.Node {
		if isTemplate(n) {
			s.refuse(path, "can not be a template in mode: batch: a batch has one for all of its messages")
		}
		return n
	})
}

// message returns the message with ${p1} and so on where a template was.
func (s *batchSplit) message(n *yaml.Node, path string) *yaml.Node {
	return s.each(n, path, func(n *yaml.Node, path string) *yaml.Node {
		if isTemplate(n) {
			return s.text(n, path)
		}
		if isText(n) {
			s.literal(n.Value, path)
		}
		return n
	})
}

// isTemplate says what requestCompiler.element takes for one.
func isTemplate(n *yaml.Node) bool { return isText(n) && strings.Contains(n.Value, "{{") }

func holdsTemplate(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && isTemplate(n) || slices.ContainsFunc(n.Content, holdsTemplate)
}

// each returns a copy of n in which each scalar is what f makes of it.
func (s *batchSplit) each(n *yaml.Node, path string, f func(n *yaml.Node, path string) *yaml.Node) *yaml.Node {
	if n.Kind == yaml.ScalarNode {
		return f(n, path)
	}
	made := *n
	made.Content = make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			made.Content[i] = s.each(item, fmt.Sprintf("%s[%d]", path, i), f)
		case i%2 == 0:
			made.Content[i] = item
			if strings.Contains(item.Value, "${") {
				s.refuse(join(path, item.Value), dollarBrace)
			}
		default:
			made.Content[i] = s.each(item, join(path, n.Content[i-1].Value), f)
		}
	}
	return &made
}

const dollarBrace = `holds "${", which the Batch API takes for a parameter: it can be sent with mode: single`

// literal refuses a text that the API would take for one with parameters. It
// returns what the text says once its variables are in place.
func (s *batchSplit) literal(raw, path string) string {
	said, _ := s.c.d.env.expand(raw) // what is wrong with it was reported
	if strings.Contains(said, "${") {
		s.refuse(path, dollarBrace)
	}
	return said
}

// text returns a template as a text with parameters: one for each action, or
// for each if, with and range as a whole.
func (s *batchSplit) text(n *yaml.Node, path string) *yaml.Node {
	pieces := piecesOf(n.Value)
	var b strings.Builder
	before := "" // literal text in front of the next action
	for _, p := range pieces {
		if p.literal {
			before = p.source
			continue
		}
		// "$${p1}" might be an escape: such a dollar goes into the parameter.
		if strings.HasSuffix(s.literal(before, path), "$") {
			p.source, before = before+p.source, ""
		}
		name := s.parameter(n, p.source)
		b.WriteString(before + "$${" + name + "}") // $$ is a dollar
		before = ""
		if len(pieces) == 1 && p.sole {
			s.sole = append(s.sole, soleParameter{name, path})
		}
	}
	s.literal(before, path)
	return scalarAt(n, b.String()+before)
}

// parameter returns the name of the parameter that a template becomes: the
// same template, the same parameter.
func (s *batchSplit) parameter(n *yaml.Node, source string) string {
	name, known := s.names[source]
	if !known {
		name = "p" + strconv.Itoa(len(s.names)+1)
		s.names[source] = name
		s.parameters = append(s.parameters, scalarAt(n, source))
	}
	return name
}

// templatePiece is a part of a template that can be put out by itself.
type templatePiece struct {
	source  string
	literal bool
	sole    bool // all of its template, which has one node
}

// piecesOf cuts a template into literals, no two in a row, and the rest. One
// whose actions depend on each other, by a variable, is a single piece.
func piecesOf(template string) []templatePiece {
	tree := parse.New("request")
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(template, "", "", map[string]*parse.Tree{}); err != nil {
		return []templatePiece{{source: template}} // was reported
	}
	nodes := tree.Root.Nodes
	whole := []templatePiece{{source: template, sole: len(nodes) == 1 && nodes[0].Type() != parse.NodeText}}
	if len(nodes) == 1 {
		return whole
	}
	var pieces []templatePiece
	for _, node := range nodes {
		action, isAction := node.(*parse.ActionNode)
		if isAction && len(action.Pipe.Decl) > 0 {
			return whole
		}
		p := templatePiece{source: node.String(), literal: node.Type() == parse.NodeText}
		if n := len(pieces); n > 0 && p.literal && pieces[n-1].literal { // a comment was in between
			pieces[n-1].source += p.source
			p.source = pieces[n-1].source
		} else {
			pieces = append(pieces, p)
		}
		if p.literal && strings.Contains(p.source, "{{") {
			return whole
		}
	}
	return pieces
}
