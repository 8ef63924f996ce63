package jobs

import yaml "go.yaml.in/yaml/v4"

// with returns r with a key of its own in front, unless r has that key. The
// value is taken as it is: it must be free of dollars and braces.
func (r RequestNode) with(key, value string) RequestNode {
	if r.node == nil {
		return r
	}
	if _, have := pair(r.node, key); have != nil {
		return r
	}
	scalar := func(s string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: r.node.Line, Column: r.node.Column}
	}
	n := *r.node
	n.Content = append([]*yaml.Node{scalar(key), scalar(value)}, n.Content...)
	return RequestNode{&n}
}
