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

// parsePage cuts valid JSON, the answer of op, into the items of its list. What
// it returns besides says why the answer is no page; empty when it is. A list
// without items may be left out or null, but not in an error: taken for a page,
// it would end the list early. So would a page whose next can not be asked for.
func parsePage(body []byte, op Operation) (Page, string) {
	body = trimmed(body)
	page := Page{Body: body}
	list, further := body, false
	if op.ListKey != "." {
		list = nil
		jsonscan.Members(body, func(name string, value []byte) bool {
			switch name {
			case op.ListKey:
				list = value
			case pagingKeys[SnakeCase].next, pagingKeys[CamelCase].next:
				if name == pagingKeys[op.Paging].next {
					page.Next = strings.Clone(jsonscan.Text(value)) // it is kept longer than the page
				} else if jsonscan.Text(value) != "" {
					further = true
				}
			}
			return true
		})
	}
	list = bytes.TrimLeft(list, " \t\r\n")
	none := len(list) == 0 || list[0] == 'n'
	switch array := !none && list[0] == '['; {
	case !array && isError(body):
		return Page{}, disguised
	case !array && !none:
		return Page{}, "what the server's answer has as " + op.ListKey + " is not a list"
	case further:
		return Page{}, "the server's answer names a further page, in a way in which this list is not known to be paged"
	}
	jsonscan.Elements(list, func(item []byte) { page.Items = append(page.Items, item) })
	return page, ""
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
