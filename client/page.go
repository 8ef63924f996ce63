package client

import (
	"context"
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

// list gets one page.
func (c *Client) list(ctx context.Context, op Operation, query url.Values) (Page, error) {
	r, err := c.do(ctx, op, request{query: query})
	return r.page, err
}

// parsePage cuts valid JSON, an object, into the items under key. What it
// returns besides says why the object is no page; empty when it is. A list
// without items may be left out or null, but not in an error: taken for a
// page, it would end the list early.
func parsePage(body []byte, key string) (Page, string) {
	page := Page{Body: body}
	var list gjson.Result
	isError := false
	gjson.ParseBytes(body).ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case key:
			list = value
		case "next_page_token":
			page.Next = value.String()
		case "error", "errorCode":
			isError = true
		}
		return true
	})
	switch {
	case list.Type == gjson.Null && isError:
		return Page{}, disguised
	case list.Type == gjson.Null:
		return page, ""
	case !list.IsArray():
		return Page{}, "what the server's answer has as " + key + " is not a list"
	}
	list.ForEach(func(_, item gjson.Result) bool {
		end := item.Index + len(item.Raw)
		page.Items = append(page.Items, body[item.Index:end:end])
		return true
	})
	return page, ""
}

// params is the query of a call; what is empty or 0 is left out.
type params map[string]string

func (p params) values() url.Values {
	v := url.Values{}
	for key, value := range p {
		if value != "" {
			v.Set(key, value)
		}
	}
	return v
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
