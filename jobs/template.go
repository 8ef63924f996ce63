package jobs

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	yaml "go.yaml.in/yaml/v4"
)

const (
	maxTemplate = 64 << 10 // bytes of one template
	maxSteps    = 100_000  // that putting out one text may take, turns of a range among them
)

var (
	errTooManySteps = errors.New("takes too many steps; a range goes over too much")

	parseError = regexp.MustCompile(`^template: [^:]*:([0-9]+): `)
	execError  = regexp.MustCompile(`^template: .*? executing "[^"]*" at (<(?s:.*?)>): `)
)

// text is one string of a request. Most are literals and columns side by side,
// which need no interpreter: those are its parts. The others are a template.
type text struct {
	path  string
	parts []part
	slow  *template.Template
	sole  bool // one action and nothing else: when it yields nothing, its key is dropped
}

// part is a literal, escaped for JSON, or the column of an index in
// Request.columns.
type part struct {
	literal string
	column  int
}

const noColumn = -1

// textCompiler turns strings into texts. Variables are put in after parsing,
// and only into literals, so nothing that comes out of one is ever a template.
type textCompiler struct {
	env    Variables
	column func(name string, n *yaml.Node, path string) int
	fail   func(n *yaml.Node, path, message, hint string)
}

// text compiles a string that holds a template. Problems are at the string; of
// a literal block (|) at the line of it.
func (c *textCompiler) text(n *yaml.Node, path string) text {
	t := text{path: path}
	if len(n.Value) > maxTemplate {
		c.fail(n, path, fmt.Sprintf("a template is longer than %d KiB", maxTemplate>>10), "")
		return t
	}
	tree, trees := parse.New("request"), make(map[string]*parse.Tree)
	tree.Mode = parse.SkipFuncCheck // the walker names every unknown function, not only the first
	if _, err := tree.Parse(n.Value, "", "", trees); err != nil {
		c.syntax(n, path, err)
		return t
	}
	w := walker{
		env:  c.env,
		col:  func(name string) { c.column(name, n, path) },
		fail: func(message, hint string) { c.fail(n, path, message, hint) },
	}
	if len(trees) > 1 {
		w.fail("a template can not define another one", "")
	}
	w.list(tree.Root, true)
	t.sole = len(tree.Root.Nodes) == 1 && tree.Root.Nodes[0].Type() != parse.NodeText
	if parts, ok := c.parts(tree.Root, n, path); ok {
		t.parts = parts
		return t
	}
	var err error
	t.slow, err = template.New("request").Funcs(functions).AddParseTree("request", tree)
	if err != nil {
		c.fail(n, path, "bad template: "+err.Error(), "")
	}
	return t
}

// parts returns what a template consists of when that is literals and columns
// only.
func (c *textCompiler) parts(root *parse.ListNode, n *yaml.Node, path string) ([]part, bool) {
	var parts []part
	for _, node := range root.Nodes {
		switch node := node.(type) {
		case *parse.TextNode:
			literal, err := appendEscaped(nil, node.Text)
			if err != nil {
				c.fail(n, path, err.Error(), "")
			}
			parts = append(parts, part{string(literal), noColumn})
		case *parse.ActionNode:
			name, ok := soleColumn(node)
			if !ok {
				return nil, false
			}
			parts = append(parts, part{"", c.column(name, n, path)})
		default:
			return nil, false
		}
	}
	return parts, true
}

// syntax reports what the parser says of a template.
func (c *textCompiler) syntax(n *yaml.Node, path string, err error) {
	message, at := err.Error(), *n
	if m := parseError.FindStringSubmatch(message); m != nil {
		message = strings.TrimPrefix(message, m[0])
		line, err := strconv.Atoi(m[1])
		if err == nil && n.Style&yaml.LiteralStyle != 0 { // its lines are those of the file
			at.Line, at.Column = n.Line+line, 0
		}
	}
	hint := ""
	if strings.Contains(message, "bad character") && !strings.Contains(message, "U+007D") {
		hint = `a column whose name is not a word is written {{index . "first-name"}}`
	}
	c.fail(&at, path, "bad template: "+message, hint)
}

// output takes what a template puts out, within bounds.
type output struct {
	buf   []byte
	steps int
}

func (o *output) Write(p []byte) (int, error) {
	o.steps++
	switch {
	case o.steps > maxSteps:
		return 0, errTooManySteps
	case len(o.buf)+len(p) > maxText:
		return 0, errTooLong
	}
	o.buf = append(o.buf, p...)
	return len(p), nil
}

// execute puts a template out into o. The error is for people, and repeats
// nothing of the row.
func (o *output) execute(t *template.Template, row map[string]any) error {
	o.buf, o.steps = o.buf[:0], 0
	err := t.Execute(o, row)
	for _, known := range []error{errTooManySteps, errTooLong} {
		if errors.Is(err, known) {
			return known
		}
	}
	if err == nil {
		return nil
	}
	message := err.Error()
	m := execError.FindStringSubmatch(message)
	if m == nil {
		return errors.New("the template fails")
	}
	message = strings.TrimPrefix(message, m[0])
	switch { // these hold values of the row
	case strings.Contains(message, "iterate over"):
		message = "range needs a list or an object"
	case strings.Contains(message, "parsing"):
		message = "not a number"
	}
	return fmt.Errorf("the template fails at %s: %s", m[1], message)
}
