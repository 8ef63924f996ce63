package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/sources"
)

// rowCall is the call that a kind makes of a row: an operation, and templates
// of its parts.
type rowCall struct {
	operation client.Operation
	project   string
	app       string
	names     map[string]string // what the job calls a parameter → what the API does
	fixed     url.Values        // of the query, the same for every row
	masked    bool              // it changes the members that its body has, and no other
	params    callPart
	query     callPart
	body      callPart
	finish    func(*client.Call) error
}

// callPart is one part of a call: a template, bound to the columns of an input.
type callPart struct {
	request *Request // nil when the call has no such part
	bound   *Bound
}

func (p *callPart) bind(columns []sources.Column) (err error) {
	if p.request != nil {
		p.bound, err = p.request.Bind(columns)
	}
	return err
}

func (c *rowCall) parts() []*callPart { return []*callPart{&c.params, &c.query, &c.body} }

func (c *rowCall) bind(columns []sources.Column) error {
	var missing Problems
	for _, p := range c.parts() {
		var some Problems
		if err := p.bind(columns); errors.As(err, &some) {
			missing = append(missing, some...)
		} else if err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return missing.sorted()
	}
	return nil
}

// digest changes with anything that is sent.
func (c *rowCall) digest() string {
	digests := []string{c.operation.ID, c.operation.Method, c.operation.Path, c.fixed.Encode()}
	for _, p := range c.parts() {
		if p.request != nil {
			digests = append(digests, p.request.Digest())
		}
	}
	return shortDigest(digests...)
}

// render makes the call of a row.
func (c *rowCall) render(row sources.Row) (client.Call, error) {
	call := client.Call{Query: c.fixed}
	for _, step := range []func(*client.Call, sources.Row) error{c.renderParams, c.renderQuery, c.renderBody} {
		if err := step(&call, row); err != nil {
			return call, err
		}
	}
	if c.finish != nil {
		if err := c.finish(&call); err != nil {
			return call, err
		}
	}
	for _, name := range c.operation.Parameters() {
		if call.Params[name] == "" {
			return call, fmt.Errorf("%s is empty", c.named(name))
		}
	}
	_, err := c.operation.Expand(c.project, call.Params)
	return call, err
}

func (c *rowCall) renderParams(call *client.Call, row sources.Row) error {
	if c.params.request == nil {
		return nil
	}
	call.Params = make(map[string]string, 2)
	return c.params.each(row, func(key string, value gjson.Result) {
		if name := c.names[key]; name != "" {
			key = name
		}
		call.Params[key] = value.String()
	})
}

func (c *rowCall) renderQuery(call *client.Call, row sources.Row) error {
	if c.query.request == nil {
		return nil
	}
	call.Query = url.Values{}
	for key, values := range c.fixed {
		call.Query[key] = values
	}
	return c.query.each(row, func(key string, value gjson.Result) {
		for _, v := range value.Array() {
			call.Query.Add(key, v.String())
		}
	})
}

func (c *rowCall) renderBody(call *client.Call, row sources.Row) (err error) {
	if c.body.request != nil {
		call.Body, err = c.body.bound.Render(nil, row)
	}
	return err
}

// named is what the job calls a parameter of the path.
func (c *rowCall) named(parameter string) string {
	for key, name := range c.names {
		if name == parameter {
			return key
		}
	}
	return parameter
}

// each calls f with the members of the object that a part becomes.
func (p *callPart) each(row sources.Row, f func(key string, value gjson.Result)) error {
	object, err := p.bound.Render(nil, row)
	if err != nil {
		return err
	}
	gjson.ParseBytes(object).ForEach(func(key, value gjson.Result) bool {
		f(key.String(), value)
		return true
	})
	return nil
}

// make makes a call. Of an inventory neither an error nor the answer has secrets.
func (c *rowCall) make(ctx context.Context, api *client.Client, call client.Call) (resp client.Response, err error) {
	if answersSecrets(c.operation) {
		call.Secrets = secretsOf(call.Body)
	}
	if c.masked {
		resp, err = api.CallMasked(ctx, c.operation, call, memberNames(call.Body))
	} else {
		resp, err = api.Call(ctx, c.operation, call)
	}
	if answersSecrets(c.operation) {
		resp.Body = redact(resp.Body)
	}
	return resp, err
}

// memberNames are the names of what an object has.
func memberNames(object []byte) (names []string) {
	gjson.ParseBytes(object).ForEach(func(key, _ gjson.Result) bool {
		names = append(names, key.String())
		return true
	})
	return names
}

// show is a call as people are shown it: that of an inventory without secrets.
func (c *rowCall) show(call client.Call) ([]byte, error) {
	if answersSecrets(c.operation) {
		call.Body = redact(call.Body)
	}
	var mask []string
	if c.masked {
		mask = memberNames(call.Body)
	}
	return shownCall(c.operation, c.project, call, mask)
}

func shownCall(op client.Operation, project string, call client.Call, mask []string) ([]byte, error) {
	path, err := op.Expand(project, call.Params)
	if err != nil {
		return nil, err
	}
	if len(call.Query) > 0 {
		path += "?" + call.Query.Encode()
	}
	shown := struct {
		Method string          `json:"method"`
		Path   string          `json:"path"`
		Mask   []string        `json:"update_mask,omitempty"`
		Body   json.RawMessage `json:"body,omitempty"`
	}{op.Method, path, mask, call.Body}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(shown); err != nil {
		return nil, fmt.Errorf("show the call: %w", err)
	}
	return []byte(strings.TrimSpace(b.String())), nil
}

// operation is the operation of the client's table that a kind names.
func operation(id string) client.Operation { return client.MustLookUp(id) }
