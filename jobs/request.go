package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"convbatch/sources"
)

// RequestNode is the body of an API call as it stands in a job file: keys,
// values and lists, whose strings are templates over the columns of a row.
// Checker.Request makes a Request of it.
type RequestNode struct{ node *yaml.Node }

func (r *RequestNode) decodeNode(d *decoder, n *yaml.Node, at *trail) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, at, "the keys and values of a request")
		return
	}
	r.node = n
}

// Request is a compiled request. It can not be broken by a value: templates
// are applied to each string alone, and what comes out is encoded as JSON.
type Request struct {
	pieces  []piece
	columns []string
	uses    []use
	place   jobPlace
	digest  string
}

// use is a place where a column is used.
type use struct {
	column int
	node   *yaml.Node
	path   string
}

// piece is one piece of the JSON of a request.
type piece struct {
	do   pieceKind
	lit  string // JSON; of optional the key and its colon, of end the bracket
	text text
}

type pieceKind int

const (
	literal  pieceKind = iota // append lit
	value                     // append the text in quotes
	optional                  // append lit, the text in quotes and a comma, or nothing
	kept                      // the same, also where the text is empty
	end                       // append lit instead of a comma that is too many
)

// Columns returns the columns that the request uses, in the order of their
// first use.
func (r *Request) Columns() []string { return slices.Clone(r.columns) }

// Digest identifies what is sent for a row. It changes with every key, text and
// variable of the request, and with nothing else.
func (r *Request) Digest() string { return r.digest }

// Bind finds the columns of the request among those of an input. The error is
// Problems: every place that uses a column which the input has not got.
func (r *Request) Bind(columns []sources.Column) (*Bound, error) {
	b := &Bound{request: r, columns: make([]boundColumn, len(r.columns))}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	for i, name := range r.columns {
		at := slices.Index(names, name)
		b.columns[i] = boundColumn{name: name, at: at}
		if at >= 0 {
			b.columns[i].column = columns[at]
		}
	}
	var missing Problems
	for _, u := range r.uses {
		if name := r.columns[u.column]; b.columns[u.column].at < 0 {
			p := r.place.at(u.node, u.path, fmt.Sprintf("the input has no column %q", name))
			p.Hint = orList(name, names)
			if m := otherDelimiter.FindString(strings.Join(names, "")); m != "" && len(names) == 1 {
				p.Hint = fmt.Sprintf("it has one, with a %q in its name: add delimiter: %[1]q to from", m)
			}
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return nil, missing.sorted()
	}
	return b, nil
}

// otherDelimiter is in the name of the only column of a file that was read with
// another delimiter than it was written with.
var otherDelimiter = regexp.MustCompile(`[;|\t]`)

// compileRequest compiles the body of a call. All that is wrong is returned,
// each thing at its place in the file.
func compileRequest(n *yaml.Node, env Variables, place jobPlace) (*Request, Problems) {
	c := &requestCompiler{request: &Request{place: place}, digest: sha256.New(), index: make(map[string]int)}
	c.texts = textCompiler{env: env, column: c.column, fail: c.fail}
	c.object(n, "")
	c.flush()
	c.request.digest = hex.EncodeToString(c.digest.Sum(nil)[:16])
	return c.request, c.problems
}

type requestCompiler struct {
	request  *Request
	problems Problems
	texts    textCompiler
	index    map[string]int // of columns
	lit      []byte         // JSON that is the same for every row, not yet a piece
	digest   hash.Hash
}

func (c *requestCompiler) fail(n *yaml.Node, path, message, hint string) {
	if len(c.problems) >= maxProblems {
		return
	}
	p := c.request.place.at(n, path, message)
	p.Hint = hint
	c.problems = append(c.problems, p)
}

func (c *requestCompiler) column(name string, n *yaml.Node, path string) int {
	i, ok := c.index[name]
	if !ok {
		i = len(c.request.columns)
		c.index[name] = i
		c.request.columns = append(c.request.columns, name)
	}
	if u := (use{i, n, path}); !slices.Contains(c.request.uses[max(0, len(c.request.uses)-8):], u) {
		c.request.uses = append(c.request.uses, u)
	}
	return i
}

// flush makes a piece of the literal JSON so far.
func (c *requestCompiler) flush() {
	if len(c.lit) > 0 {
		c.piece(piece{do: literal, lit: string(c.lit)})
		c.lit = c.lit[:0]
	}
}

func (c *requestCompiler) piece(s piece) {
	if s.do != literal {
		c.flush()
	}
	c.request.pieces = append(c.request.pieces, s)
}

// note adds to the digest, so that no two requests are the same text to it.
func (c *requestCompiler) note(what, s string) {
	_, _ = fmt.Fprintf(c.digest, "%s %d ", what, len(s)) // a hash takes everything
	_, _ = io.WriteString(c.digest, s)
}

func (c *requestCompiler) object(n *yaml.Node, path string) {
	c.note("object", "")
	c.lit = append(c.lit, '{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		path := join(path, key.Value)
		if strings.Contains(key.Value, "{{") {
			c.fail(key, path, "a key can not be a template", "")
		}
		c.note("key", key.Value)
		name := c.quoted(key, path, key.Value)
		c.element(n.Content[i+1], path, name+":", i+2 >= len(n.Content), '}')
	}
	if len(n.Content) == 0 {
		c.lit = append(c.lit, '}')
	}
	c.note("end", "")
}

func (c *requestCompiler) list(n *yaml.Node, path string) {
	c.note("list", "")
	c.lit = append(c.lit, '[')
	for i, item := range n.Content {
		c.element(item, fmt.Sprintf("%s[%d]", path, i), "", i+1 == len(n.Content), ']')
	}
	if len(n.Content) == 0 {
		c.lit = append(c.lit, ']')
	}
	c.note("end", "")
}

// element writes one element of an object or a list, and after the last one
// the closing bracket. An optional element brings its comma; when it is the
// last, the bracket takes the place of a comma that nothing follows.
func (c *requestCompiler) element(n *yaml.Node, path, key string, last bool, bracket byte) {
	if n.Kind == yaml.ScalarNode && isText(n) && strings.Contains(n.Value, "{{") {
		c.note("template", n.Value)
		c.noteVariables(n)
		t := c.texts.text(n, path)
		if t.sole {
			c.piece(piece{do: optional, lit: key, text: t})
			if last {
				c.piece(piece{do: end, lit: string(bracket)})
			}
			return
		}
		c.lit = append(c.lit, key...)
		c.piece(piece{do: value, text: t})
	} else {
		c.lit = append(c.lit, key...)
		c.constant(n, path)
	}
	if last {
		c.lit = append(c.lit, bracket)
	} else {
		c.lit = append(c.lit, ',')
	}
}

// constant writes a value that holds no template.
func (c *requestCompiler) constant(n *yaml.Node, path string) {
	switch {
	case n.Kind == yaml.MappingNode:
		c.object(n, path)
	case n.Kind == yaml.SequenceNode:
		c.list(n, path)
	case isBroken(n): // reported already
	case isText(n):
		s, wrong := c.texts.env.expand(n.Value)
		for _, message := range wrong {
			c.fail(n, path, message, "")
		}
		c.note("text", s)
		c.lit = append(c.lit, c.quoted(n, path, s)...)
	default:
		c.lit = append(c.lit, c.plain(n, path)...)
	}
}

var jsonNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

// plain returns a value that is not a text: it is written as it stands, so a
// number that JSON would write otherwise is none.
func (c *requestCompiler) plain(n *yaml.Node, path string) string {
	s := n.Value
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		s = "null"
	case tag == "!!bool":
		s = strings.ToLower(s)
	case !jsonNumber.MatchString(s):
		c.fail(n, path, fmt.Sprintf("%s is a number that JSON can not write", s), "put it in quotes if it is a text, such as a phone number")
	}
	c.note("plain", s)
	return s
}

// isText says whether a scalar becomes a string. What YAML takes for a date is
// one: JSON has none.
func isText(n *yaml.Node) bool {
	switch n.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float":
		return n.Style&yaml.TaggedStyle != 0
	}
	return true
}

func (c *requestCompiler) quoted(n *yaml.Node, path, s string) string {
	b, err := appendEscaped([]byte{'"'}, s)
	if err != nil {
		c.fail(n, path, err.Error(), "")
	}
	return string(append(b, '"'))
}

// noteVariables adds what the variables of a template stand for to the digest.
func (c *requestCompiler) noteVariables(n *yaml.Node) {
	for rest := n.Value; ; {
		_, after, found := strings.Cut(rest, "${")
		if !found {
			return
		}
		if m := variable.FindStringSubmatch("${" + after); m != nil {
			value, _ := c.texts.env.value(m[1], m[2])
			c.note("variable", value)
		}
		rest = after
	}
}
