package jobs

import (
	"fmt"
	"text/template/parse"
)

// walker goes through a parsed template: it collects the columns, puts
// variables into the text, and refuses what a template may not do.
type walker struct {
	env  Variables
	col  func(name string)
	fail func(message, hint string)
}

// list walks nodes. With row, the dot is the row; inside of with and range it
// is some value of it.
func (w *walker) list(l *parse.ListNode, row bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			n.Text = []byte(w.expand(string(n.Text)))
		case *parse.ActionNode:
			w.pipe(n.Pipe, row)
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, call(textFunction, n.Pos))
			}
		case *parse.IfNode:
			w.branch(&n.BranchNode, row, row)
		case *parse.WithNode:
			w.branch(&n.BranchNode, row, false)
		case *parse.RangeNode:
			w.branch(&n.BranchNode, row, false)
			// An empty text is written like any other, so every turn of a range
			// counts as a step, whatever else it does.
			n.List.Nodes = append([]parse.Node{&parse.TextNode{NodeType: parse.NodeText, Pos: n.Pos}}, n.List.Nodes...)
		case *parse.TemplateNode:
			w.fail("a template can not use another one (define, template, block)", "")
		}
	}
}

func (w *walker) branch(n *parse.BranchNode, row, inside bool) {
	w.pipe(n.Pipe, row)
	w.list(n.List, inside)
	w.list(n.ElseList, row)
}

func (w *walker) pipe(p *parse.PipeNode, row bool) {
	if p == nil {
		return
	}
	for _, cmd := range p.Cmds {
		args := cmd.Args
		if name, ok := indexed(args, row); ok {
			name.Text = w.expand(name.Text)
			w.col(name.Text)
			args = args[3:]
		}
		for _, arg := range args {
			w.arg(arg, row)
		}
	}
}

func (w *walker) arg(n parse.Node, row bool) {
	switch n := n.(type) {
	case *parse.StringNode:
		n.Text = w.expand(n.Text)
	case *parse.FieldNode:
		if row {
			w.col(n.Ident[0])
		}
	case *parse.VariableNode:
		switch {
		case n.Ident[0] == "$" && len(n.Ident) > 1:
			w.col(n.Ident[1])
		case n.Ident[0] == "$":
			w.whole("$")
		}
	case *parse.DotNode:
		if row {
			w.whole(".")
		}
	case *parse.ChainNode:
		w.arg(n.Node, row)
	case *parse.PipeNode:
		w.pipe(n, row)
	case *parse.IdentifierNode:
		if !knownFunction(n.Ident) {
			w.fail(fmt.Sprintf("unknown function %q", n.Ident), orList(n.Ident, functionNames()))
		}
	}
}

// whole refuses the row as a value: which columns it needs must be known before
// the first row is read.
func (w *walker) whole(spelt string) {
	w.fail(fmt.Sprintf("%q is the whole row", spelt), `name a column, as in {{.name}} or {{index . "first name"}}`)
}

func (w *walker) expand(s string) string {
	text, wrong := w.env.expand(s)
	for _, message := range wrong {
		w.fail(message, "")
	}
	return text
}

// indexed recognizes the beginning of a command that names a column as a text:
// index . "first name".
func indexed(args []parse.Node, row bool) (name *parse.StringNode, ok bool) {
	if len(args) < 3 {
		return nil, false
	}
	if f, isCall := args[0].(*parse.IdentifierNode); !isCall || f.Ident != "index" {
		return nil, false
	}
	switch of := args[1].(type) {
	case *parse.DotNode:
		ok = row
	case *parse.VariableNode:
		ok = len(of.Ident) == 1 && of.Ident[0] == "$"
	}
	name, isText := args[2].(*parse.StringNode)
	return name, ok && isText
}

// soleColumn returns the column of an action that does nothing but put one out.
// The action was walked, so its last command is the text function.
func soleColumn(n *parse.ActionNode) (name string, ok bool) {
	if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) != 2 {
		return "", false
	}
	args := n.Pipe.Cmds[0].Args
	if column, ok := indexed(args, true); ok && len(args) == 3 {
		return column.Text, true
	}
	if len(args) != 1 {
		return "", false
	}
	switch arg := args[0].(type) {
	case *parse.FieldNode:
		return arg.Ident[0], len(arg.Ident) == 1
	case *parse.VariableNode:
		if len(arg.Ident) == 2 && arg.Ident[0] == "$" {
			return arg.Ident[1], true
		}
	}
	return "", false
}

func call(function string, pos parse.Pos) *parse.CommandNode {
	return &parse.CommandNode{
		NodeType: parse.NodeCommand, Pos: pos,
		Args: []parse.Node{parse.NewIdentifier(function).SetPos(pos)},
	}
}
