package emulator

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// fields are those of an item of the inventory, or of a part of one.
type fields = map[string]any

// node is what stands at a path of the inventory: an item, a list, or both,
// and what lies below. Nothing of it changes once it is made.
type node struct {
	item  fields // nil: there is a list alone
	items []any  // nil: there is an item alone
	below map[string]*node
}

// at is the node at a path below n, made where there is none yet.
func (n *node) at(path ...string) *node {
	for _, segment := range path {
		if n.below == nil {
			n.below = make(map[string]*node)
		}
		if n.below[segment] == nil {
			n.below[segment] = new(node)
		}
		n = n.below[segment]
	}
	return n
}

// add puts an item at the end of n's list, to be found below n by its key.
func (n *node) add(key string, item fields) *node {
	n.items = append(n.items, item)
	one := n.at(key)
	one.item = item
	return one
}

// textAt is the text at a path such as "changes.status"; empty where there is
// none.
func textAt(item fields, path string) string {
	for {
		name, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			text, _ := item[name].(string)
			return text
		}
		item, _ = item[name].(fields)
		path = rest
	}
}

// answerRead answers an operation of the Provisioning API.
func (e *Emulator) answerRead(c *call, r read) reply {
	if refused := e.denied(c); refused != nil {
		return e.turnAway(c, *refused)
	}
	if wrong := r.check(c.args); len(wrong) > 0 {
		return e.turnAway(c, malformed(wrong))
	}
	n, refused := e.locate(c, r)
	switch {
	case refused != nil:
		return e.turnAway(c, *refused)
	case r.list != "":
		return e.answerList(c, r, r.choose(n.items, c.args))
	}
	return ok(e.encode(r, c.args, n.item))
}

// locate walks down the inventory along the path of a call.
func (e *Emulator) locate(c *call, r read) (*node, *refusal) {
	n := e.inventory()
	for _, segment := range c.op.segments[projectSegments:] {
		name, key := segment, segment
		if trimmed := strings.Trim(segment, "{}"); trimmed != segment {
			name, key = trimmed, c.path[trimmed]
		}
		if n = n.below[key]; n == nil {
			refused := lost(name, key, r)
			return nil, &refused
		}
	}
	return n, nil
}

// answerList answers one page of a list, or all of a list that has no pages.
func (e *Emulator) answerList(c *call, r read, items []any) reply {
	size := len(items)
	if r.most > 0 {
		size = c.args.number("pageSize", or(r.usual, usualPage))
	}
	var from position
	if token := c.args["pageToken"]; token != "" {
		var fault string
		if from, fault = e.readToken(c, token); fault != "" {
			return e.turnAway(c, malformed(violations{{"pageToken", fault}}))
		}
	}
	first := min(from.number, len(items))
	last := min(first+size, len(items))
	j := compact()
	j.open()
	if r.most > 0 {
		j.key("totalSize").number(int64(len(items)))
		j.key("pageSize").number(int64(size))
		if first > 0 {
			j.key("previousPageToken").text(e.nextPage(c, position{number: max(0, first-size)}))
		}
		if last < len(items) {
			j.key("nextPageToken").text(e.nextPage(c, position{number: last}))
		}
	}
	j.key(r.list).openList()
	for _, item := range items[first:last] {
		j.item().raw(string(e.encode(r, c.args, item)))
	}
	j.closeList()
	j.close()
	return reply{status: http.StatusOK, body: j.b}
}

// encode is an item as it is answered.
func (e *Emulator) encode(r read, args arguments, item any) []byte {
	if whole, isObject := item.(fields); isObject {
		if e.options.ExtraFields {
			whole = maps.Clone(whole)
			whole["notYetSpecified"] = fields{"inner": fields{"values": []any{1, "two", nil}}}
		}
		if r.view != nil {
			whole = r.view(whole, args)
		}
		item = whole
	}
	b, err := json.Marshal(item)
	if err != nil {
		panic("emulator: inventory: " + err.Error()) // it holds nothing but JSON
	}
	return b
}

// Item is a thing that the Provisioning API holds.
type Item struct {
	List string // the path of the list that has it, below the project, such as "/rcs/senders"; ids are not escaped
	Body []byte // exactly what the list answers when no parameter is given; the caller's to keep
}

// Inventory yields the items of every list of the Provisioning API: list after
// list in the order of their paths, each in its own order. Where a list can be
// had whole and by name, as WhatsApp templates can, it yields both.
func (e *Emulator) Inventory() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, r := range provisioningReads {
			if r.list == "" {
				continue
			}
			_, segments, _ := strings.Cut(r.path, "/")
			if !e.walk(r, e.inventory(), "", strings.Split(segments, "/"), yield) {
				return
			}
		}
	}
}

// walk yields the items of every list that a template of a path leads to.
func (e *Emulator) walk(r read, n *node, path string, template []string, yield func(Item) bool) bool {
	if len(template) == 0 {
		for _, item := range n.items {
			if !yield(Item{path, e.encode(r, nil, item)}) {
				return false
			}
		}
		return true
	}
	keys := []string{template[0]}
	if strings.HasPrefix(template[0], "{") {
		keys = slices.Sorted(maps.Keys(n.below))
	}
	for _, key := range keys {
		if next := n.below[key]; next != nil && !e.walk(r, next, path+"/"+key, template[1:], yield) {
			return false
		}
	}
	return true
}
