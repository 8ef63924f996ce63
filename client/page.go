package client

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"

	"convbatch/internal/jsonscan"
)

// Page is one page of a list.
type Page struct {
	Items [][]byte // the JSON of each item, byte for byte as received; they lie in Body, and nobody may change them
	Next  string   // what to ask the next page with; empty at the end of the list
	Body  []byte
}

// parsePage checks the answer of op and cuts it into the items of its list, in
// one pass. What it returns besides says why the answer is no page; empty when
// it is. A list without items may be left out or null, but not in an error:
// taken for a page, it would end the list early. So would a page whose next can
// not be asked for.
func parsePage(body []byte, op Operation, item ItemReader) (Page, string) {
	body = trimmed(body)
	page := Page{Body: body}
	list, further := listMissing, false
	scan := jsonscan.New(body)
	if op.ListKey == "." {
		list = page.items(&scan, item)
	} else {
		for name := range scan.Members() {
			switch name {
			case op.ListKey:
				list = page.items(&scan, item)
			case pagingKeys[SnakeCase].next, pagingKeys[CamelCase].next:
				if next := scan.Text(); name == pagingKeys[op.Paging].next {
					page.Next = strings.Clone(next) // it is kept longer than the page
				} else if next != "" {
					further = true
				}
			}
		}
	}
	switch {
	case !scan.Done():
		return Page{}, notJSON
	case list != listThere && isError(body):
		return Page{}, disguised
	case list == listOther:
		return Page{}, "what the server's answer has as " + op.ListKey + " is not a list"
	case further:
		return Page{}, "the server's answer names a further page, in a way in which this list is not known to be paged"
	}
	return page, ""
}

// What an answer has in place of the list that it should have.
type found int

const (
	listMissing found = iota // nothing, or null
	listThere                // a list
	listOther                // something else
)

// items takes the items of a list, if it is one.
func (p *Page) items(scan *jsonscan.Scanner, item ItemReader) found {
	p.Items = nil // of two lists the last is meant
	if !scan.IsArray() {
		if other := scan.Value(); len(other) > 0 && other[0] != 'n' {
			return listOther
		}
		return listMissing
	}
	for range scan.Elements() {
		p.Items = append(p.Items, scan.Within(func() {
			if item != nil {
				item(len(p.Items), scan)
			}
		}))
	}
	return listThere
}

// trimmed is a body in no more memory than it needs: items are kept, and keep
// all of it. That of a packed answer was read into whatever came next in size.
func trimmed(body []byte) []byte {
	if cap(body) > len(body)+len(body)/4+bytes.MinRead {
		return bytes.Clone(body)
	}
	return body
}

// params are the query or the path's parameters of a call.
type params map[string]string

// values is the query; what is empty is left out.
func (p params) values() url.Values {
	v := url.Values{}
	for key, value := range p {
		if value != "" {
			v.Set(key, value)
		}
	}
	return v
}

// number is n as a query has it; empty for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
