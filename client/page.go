package client

import (
	"net/url"
	"strconv"

	"github.com/tidwall/gjson"
)

// Page is one page of a list.
type Page struct {
	Items [][]byte // the JSON of each item, byte for byte as received; they lie in Body
	Next  string   // what to ask the next page with; empty at the end of the list
	Body  []byte
}

// parsePage cuts valid JSON, the answer of op, into the items of its list. What
// it returns besides says why the answer is no page; empty when it is. A list
// without items may be left out or null, but not in an error: taken for a page,
// it would end the list early. So would a page whose next can not be asked for.
func parsePage(body []byte, op Operation) (Page, string) {
	page := Page{Body: body}
	list, further := gjson.ParseBytes(body), false
	if op.ListKey != "." {
		answer := list
		list = gjson.Result{}
		answer.ForEach(func(name, value gjson.Result) bool {
			switch name.Str {
			case op.ListKey:
				list = value
			case pagingKeys[SnakeCase].next, pagingKeys[CamelCase].next:
				if name.Str == pagingKeys[op.Paging].next {
					page.Next = value.String()
				} else if value.String() != "" {
					further = true
				}
			}
			return true
		})
	}
	switch {
	case !list.IsArray() && isError(body):
		return Page{}, disguised
	case !list.IsArray() && list.Type != gjson.Null:
		return Page{}, "what the server's answer has as " + op.ListKey + " is not a list"
	case further:
		return Page{}, "the server's answer names a further page, in a way in which this list is not known to be paged"
	case list.Type == gjson.Null:
		return page, ""
	}
	list.ForEach(func(_, item gjson.Result) bool {
		end := item.Index + len(item.Raw)
		page.Items = append(page.Items, body[item.Index:end:end])
		return true
	})
	return page, ""
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
