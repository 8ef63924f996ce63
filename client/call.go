package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"convbatch/internal/jsonscan"
)

// Call is what a caller wants of an operation.
type Call struct {
	Params map[string]string // of the path, but for the project; see Operation.Parameters
	Query  url.Values
	Body   []byte // JSON; nil for none
	// Secrets are texts of the body that neither an error nor the answer may
	// repeat, should the server do so.
	Secrets []string
	Item    ItemReader // of a list, if any
}

// ItemReader is called with each item of a list while the answer is checked, and
// with its place, so that nothing need be looked at twice. Place 0 begins anew:
// the answer was asked for again, or has a second list. What it read counts only
// where a page is returned, and only as far as its Items go.
type ItemReader func(at int, item *jsonscan.Scanner)

// Call calls op, one of the table or any other, and returns its answer without
// the secrets that were sent with it. Of a list it is the page as one answer.
func (c *Client) Call(ctx context.Context, op Operation, r Call) (Response, error) {
	s, err := c.do(ctx, op, r)
	if err != nil {
		return Response{}, err
	}
	s.Body = c.credentials.clean(s.Body, s.token)
	if len(r.Secrets) > 0 {
		s.Body = longSecrets(r.Secrets).clean(s.Body)
	}
	return s.Response, nil
}

// List gets one page of op, which has a ListKey. The next one is had with
// op.Next(r, page.Next), until that is empty.
func (c *Client) List(ctx context.Context, op Operation, r Call) (Page, error) {
	if op.ListKey == "" {
		return Page{}, &Error{Operation: op.name(), Message: "this is no list: the key of the answer's array is not known"}
	}
	s, err := c.do(ctx, op, r)
	return s.page, err
}

// Next returns r for the page that token stands for: the first without one.
// Everything else of r must stay the same from page to page.
func (op Operation) Next(r Call, token string) Call {
	return op.paged(r, pagingKeys[op.Paging].token, token)
}

// Sized returns r for pages of at most size items; 0 leaves it to the server.
func (op Operation) Sized(r Call, size int) Call {
	return op.paged(r, pagingKeys[op.Paging].size, size)
}

// PageParameters are the names that Next and Sized set.
func (op Operation) PageParameters() []string {
	if op.Paging == NoPaging {
		return nil
	}
	keys := pagingKeys[op.Paging]
	return []string{keys.size, keys.token}
}

// paged sets what the server is told of pages under key, in the body of a POST
// and in the query of everything else. An empty value takes it out. r stays as
// it is.
func (op Operation) paged(r Call, key string, value any) Call {
	none := value == "" || value == 0
	switch {
	case op.Paging == NoPaging:
	case op.Method == http.MethodPost:
		var body map[string]json.RawMessage
		if json.Unmarshal(r.Body, &body) != nil || body == nil {
			body = map[string]json.RawMessage{}
		}
		delete(body, key)
		if !none {
			body[key], _ = json.Marshal(value) // of a string or an int: no error
		}
		r.Body, _ = json.Marshal(body) // of valid JSON: no error
	default:
		r.Query = maps.Clone(r.Query)
		r.Query.Del(key)
		if !none {
			if r.Query == nil {
				r.Query = url.Values{}
			}
			r.Query.Set(key, fmt.Sprint(value))
		}
	}
	return r
}
