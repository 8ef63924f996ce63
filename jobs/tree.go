package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxDepth = 64      // of nesting
	maxNodes = 200_000 // once aliases are written out
	maxKey   = 256     // bytes of a key
)

// trail is the way from the root of the file to a value. It becomes text only
// when a problem needs it.
type trail struct {
	up  *trail
	key string // ".name" or "[3]"
}

func (t *trail) at(key string) *trail { return &trail{t, "." + key} }
func (t *trail) nth(i int) *trail     { return &trail{t, "[" + strconv.Itoa(i) + "]"} }

// String returns the keys joined, as in jobs.spring-offer.request.
func (t *trail) String() string {
	if t == nil {
		return ""
	}
	return strings.TrimPrefix(t.up.String()+t.key, ".")
}

// readTree returns the one document of a job file as nodes: aliases written out,
// keys plain and each once. What is not so is a problem and left out. It
// returns nil when there is nothing to go on with.
func readTree(src *source) (*tree, Problems) {
	loader, err := yaml.NewLoader(bytes.NewReader(src.text),
		yaml.WithUniqueKeys(false), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, Problems{src.problem(0, 0, "", err.Error())}
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		p := src.problem(0, 0, "", "is empty")
		p.Hint = "jobs.example.yaml shows how to write one"
		return nil, Problems{p}
	case err != nil:
		return nil, Problems{src.syntax(err)}
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, Problems{src.problem(second.Line, second.Column, "",
			`a second document begins here; a job file is one, so remove the "---"`)}
	case !errors.Is(err, io.EOF):
		return nil, Problems{src.syntax(err)}
	}
	t := tree{report: report{src: src}, open: make(map[*yaml.Node]bool), partial: make(map[*yaml.Node]bool)}
	root := t.copy(doc.Content[0], nil)
	if root.Kind != yaml.MappingNode && !isBroken(root) {
		t.problem(root, nil, "a job file is keys and values, this one is "+describeNode(root), "")
	}
	if root.Kind != yaml.MappingNode {
		return nil, t.problems
	}
	t.root = root
	return &t, t.problems
}

// syntax puts an error of the YAML library into a problem.
func (s *source) syntax(err error) Problem {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return s.problem(0, 0, "", "is not YAML: "+err.Error())
	}
	line, column := e.Mark.Line, e.Mark.Column
	if line >= len(s.lines) { // the end of the file: show the last line that says something
		for line = len(s.lines); line > 1 && strings.TrimSpace(s.lines[line-1]) == ""; {
			line--
		}
		if line < e.Mark.Line {
			column = len([]rune(s.lines[line-1])) + 1
		}
	}
	p := s.problem(line, column, "", "is not YAML: "+e.Message)
	if e.ContextMsg != "" {
		p.Message += " " + e.ContextMsg
		if from := e.ContextMark.Line; from > 0 && from != line {
			p.Message += fmt.Sprintf(" that begins in line %d", from)
		}
	}
	switch {
	case s.masked(line, maxFile) || s.masked(e.ContextMark.Line, maxFile):
		p.Message = "is not YAML" // the library's words may repeat a part of the line
		p.Hint = "put the value in quotes"
	case line > 0 && strings.Contains(s.lines[line-1][:indent(s.lines[line-1])], "\t"):
		p.Hint = "indent with spaces, never with tabs"
	case line > 0 && strings.Contains(s.lines[line-1], "{{"):
		p.Hint = "put a text with {{ }} in quotes"
	}
	return p
}

// maxProblems bounds what is said about one file.
const maxProblems = 200

// report collects what is wrong with a file.
type report struct {
	src      *source
	problems Problems
}

func (r *report) problem(n *yaml.Node, at *trail, message, hint string) {
	if len(r.problems) >= maxProblems {
		return
	}
	p := r.src.problem(n.Line, n.Column, at.String(), message)
	p.Hint = hint
	r.problems = append(r.problems, p)
}

// tree copies nodes and collects what is wrong with them.
type tree struct {
	report
	root         *yaml.Node
	nodes, depth int
	open         map[*yaml.Node]bool // anchors that are being written out
	partial      map[*yaml.Node]bool // mappings of which a key was refused
}

// copy returns n as it is to be read. Copies share nothing, so that an alias
// costs what it stands for, and the sum is bounded.
func (t *tree) copy(n *yaml.Node, at *trail) *yaml.Node {
	if t.nodes++; t.nodes >= maxNodes {
		if t.nodes == maxNodes {
			t.problem(n, at, fmt.Sprintf("the file has more than %d values, its aliases written out", maxNodes), "")
		}
		return broken(n)
	}
	if t.depth++; t.depth > 2*maxDepth {
		t.depth--
		t.problem(n, at, "is nested too deep", "")
		return broken(n)
	}
	defer func() { t.depth-- }()
	switch n.Kind {
	case yaml.AliasNode:
		return t.alias(n, at)
	case yaml.MappingNode, yaml.SequenceNode, yaml.ScalarNode:
	default:
		t.problem(n, at, "is nothing that a job file can hold", "")
		return broken(n)
	}
	if n.Style&yaml.TaggedStyle != 0 && (n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str") {
		t.problem(n, at, "a tag (beginning with \"!\") has no meaning here", "put a text that begins with \"!\" in quotes")
		return broken(n)
	}
	if n.Anchor != "" {
		t.open[n] = true
		defer delete(t.open, n)
	}
	c := *n
	c.Anchor, c.Content = "", nil
	switch n.Kind {
	case yaml.MappingNode:
		c.Content = t.pairs(n, at)
		if len(c.Content) < len(n.Content) {
			t.partial[&c] = true
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			c.Content = append(c.Content, t.copy(item, at.nth(i)))
		}
	}
	return &c
}

func (t *tree) alias(n *yaml.Node, at *trail) *yaml.Node {
	if n.Alias == nil || t.open[n.Alias] {
		t.problem(n, at, "an alias can not stand inside of what it stands for", "")
		return broken(n)
	}
	return t.copy(n.Alias, at)
}

func (t *tree) pairs(n *yaml.Node, at *trail) []*yaml.Node {
	var content []*yaml.Node
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		first, twice := lines[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode && key.Kind != yaml.AliasNode && n.Style&yaml.FlowStyle != 0:
			t.problem(n, at, "a key must be a word", "if {{ }} was meant as a template, put it in quotes")
			return nil
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			t.problem(key, at, "a key must be a word", "")
		case key.ShortTag() == "!!merge":
			t.problem(key, at, `merge keys ("<<") are not supported`, "write the keys out, or use an alias for a whole value")
		case len(key.Value) > maxKey:
			t.problem(key, at, fmt.Sprintf("a key is longer than %d bytes", maxKey), "")
		case twice:
			t.problem(key, at, "duplicate key"+t.src.named(key), fmt.Sprintf("it stands in line %d already", first))
		default:
			lines[key.Value] = key.Line
			content = append(content, key, t.copy(value, at.at(key.Value)))
		}
	}
	return content
}

// broken stands for a node whose problem was reported: it is given, and nothing
// more is said about it.
func broken(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Line: n.Line, Column: n.Column}
}

func isBroken(n *yaml.Node) bool { return n.Kind == 0 }

// describeNode says what a value is, in words that need no knowledge of YAML.
func describeNode(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	return "a text"
}

// isNull says whether nothing is given: an empty value, ~ or null.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// pair returns the key and the value of a mapping, nil when it has not got it.
func pair(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func has(n *yaml.Node, key string) bool {
	k, _ := pair(n, key)
	return k != nil
}

// find returns the place of a path of keys below n, or of as much of it as
// there is; nil when there is nothing of it.
func find(n *yaml.Node, path string) *yaml.Node {
	path = strings.TrimPrefix(path, ".")
	if n == nil || path == "" {
		return nil
	}
	if inner, ok := strings.CutPrefix(path, "["); ok && n.Kind == yaml.SequenceNode {
		number, rest, _ := strings.Cut(inner, "]")
		if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(n.Content) {
			if found := find(n.Content[i], rest); found != nil {
				return found
			}
			return n.Content[i]
		}
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		rest, ok := strings.CutPrefix(path, key.Value)
		if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue // a key may hold dots itself
		}
		if found := find(value, rest); found != nil {
			return found
		}
		return place(key, value)
	}
	return nil
}

// place is where a problem with a value is shown: at a value that stands on the
// line of its key or is a text, else at the key.
func place(key, value *yaml.Node) *yaml.Node {
	if value.Kind == yaml.ScalarNode && !isNull(value) || isBroken(value) || value.Line == key.Line && !isNull(value) {
		return value
	}
	return key
}
