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
	n := *r.node
	n.Content = append([]*yaml.Node{scalarAt(r.node, key), scalarAt(r.node, value)}, n.Content...)
	return RequestNode{&n}
}

// keys are the keys of r, at its top.
func (r RequestNode) keys() []string {
	var keys []string
	if r.node != nil {
		for i := 0; i+1 < len(r.node.Content); i += 2 {
			keys = append(keys, r.node.Content[i].Value)
		}
	}
	return keys
}
