package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	yaml "go.yaml.in/yaml/v4"

	"convbatch/sources"
)

// reservedKey is the member of message_metadata that the API keeps for the id of
// the batch.
const reservedKey = "_batch_id"

// batchFields are the keys of a request that the Batch API has. Those of each
// recipient may have templates; the message becomes one with parameters; the
// others are the same for all messages of a batch.
var batchFields = map[string]batchField{
	"recipient":              ofRecipient,
	"message_metadata":       ofRecipient,
	"conversation_metadata":  ofRecipient,
	"message":                ofMessage,
	"app_id":                 ofBatch,
	"processing_strategy":    ofBatch,
	"callback_url":           ofBatch,
	"channel_priority_order": ofBatch,
	"ttl":                    ofBatch,
	"channel_properties":     ofBatch,
}

type batchField int

const (
	ofRecipient batchField = iota + 1
	ofMessage
	ofBatch
)

// batchRequest is a request of messages:send in the two parts that the Batch
// API has for it: what goes once, with ${p1} where a value belongs, and what
// each recipient has of its own.
type batchRequest struct {
	shared []byte // a JSON object
	row    *Request
	bound  *Bound
	tagged bool // the request has message_metadata
	sole   []soleParameter
}

// soleParameter is a parameter that is all of a string. A single message goes
// without that string where there is no value; one of a batch can not.
type soleParameter struct{ name, path string }

// batchRequest splits a request, which was compiled and is sound. It reports
// what one batch can not have and returns nil then.
func (c *Checker) batchRequest(r RequestNode) *batchRequest {
	s := &batchSplit{c: c, names: map[string]string{}}
	shared := s.mapping(r.node)
	row := s.mapping(r.node)
	parameters := s.mapping(r.node)
	for i := 0; i+1 < len(r.node.Content); i += 2 {
		key, value := r.node.Content[i], r.node.Content[i+1]
		switch batchFields[key.Value] {
		case ofRecipient:
			s.own(key.Value, value)
			if key.Value == "conversation_metadata" && !holdsTemplate(value) {
				shared.Content = append(shared.Content, key, value)
				continue
			}
			row.Content = append(row.Content, key, value)
		case ofMessage:
			shared.Content = append(shared.Content, key, s.message(value, key.Value))
		case ofBatch:
			s.constant(value, key.Value)
			shared.Content = append(shared.Content, key, value)
		default:
			s.refuse(key.Value, "is not for mode: batch, whose request has "+strings.Join(slices.Sorted(maps.Keys(batchFields)), ", "))
		}
	}
	for _, p := range s.parameters {
		parameters.Content = append(parameters.Content, scalarAt(p, s.names[p.Value]), p)
	}
	if len(parameters.Content) > 0 {
		row.Content = append(row.Content, scalarAt(r.node, "parameters"), parameters)
	}
	if s.refused {
		return nil
	}
	place := c.place
	place.within = "request"
	once, split := c.compile(shared, place), &batchRequest{row: c.compile(row, place), tagged: has(row, "message_metadata"), sole: s.sole}
	if once == nil || split.row == nil {
		return nil
	}
	split.row.keep("parameters.")
	bound, err := once.Bind(nil)
	if err == nil {
		split.shared, err = bound.Render(nil, sources.Row{})
	}
	if err != nil { // there is no template in it
		c.Problem("request", err.Error())
		return nil
	}
	return split
}

// keep has the texts below a path written when they are empty, too.
func (r *Request) keep(below string) {
	for i := range r.pieces {
		if p := &r.pieces[i]; p.do == optional && len(p.text.path) > len(below) && p.text.path[:len(below)] == below {
			p.do = kept
		}
	}
}

// part returns what the call has for a row, with the row's token in its
// metadata. message is the body of messages:send for the same row.
func (b *batchRequest) part(row sources.Row, message []byte, token string) ([]byte, error) {
	// What the values make of the message must not be read as parameters again.
	if bytes.Contains(message, dollarOpen) && strings.Contains(gjson.GetBytes(message, "message").Raw, "${") {
		return nil, errors.New(`message: a value brings in "${", which the Batch API may take for a parameter`)
	}
	part, err := b.bound.Render(make([]byte, 0, len(message)+len(token)), row)
	if err != nil {
		return nil, err
	}
	for _, p := range b.sole {
		if gjson.GetBytes(part, "parameters."+p.name).String() == "" {
			return nil, fmt.Errorf("%s: is empty, and can not be left out for one recipient of a batch", p.path)
		}
	}
	if !b.tagged { // and a token needs no escapes
		part = append(part[:len(part)-1], `,"message_metadata":{"`+batchKey+`":"`...)
		return append(append(part, token...), `"}}`...), nil
	}
	own := gjson.GetBytes(part, "message_metadata")
	metadata := combine(orEmpty(own.Raw), token)
	if n := utf8.RuneCountInString(metadata); n > maxMetadata {
		return nil, fmt.Errorf("message_metadata has %d characters with the row's key, %d are allowed", n, maxMetadata)
	}
	return setRaw(part, "message_metadata", own, metadata), nil
}

var dollarOpen = []byte("${")

func orEmpty(object string) string {
	if object == "" {
		return "{}"
	}
	return object
}

// whole returns the body of the call for rows of a group, given their parts.
func (b *batchRequest) whole(token, sendAfter string, rows batchRows, parts [][]byte) []byte {
	size := len(b.shared) + 512 // of what is around the parts, and 190 characters for the rows
	for _, part := range parts {
		size += len(part) + 1
	}
	body := append(make([]byte, 0, size), b.shared[:len(b.shared)-1]...)
	if sendAfter != "" {
		body = append(body, `,"send_after":"`+sendAfter+`"`...)
	}
	// A token and rows need no escapes.
	body = append(body, `,"batch_metadata":{"`+batchKey+`":"`+token+`","`+rowsKey+`":"`+rows.String()+`"}`...)
	body = append(body, `,"recipient_and_params":`...)
	between := byte('[')
	for _, part := range parts {
		body = append(append(body, between), part...)
		between = ','
	}
	return append(body, "]}"...)
}

// batchToken names the call of a group of a run to the API.
func batchToken(job, run string, group int64) string {
	return rowToken(job, run+":"+strconv.FormatInt(group, 10))
}

// batchSplit makes the two parts of a request.
type batchSplit struct {
	c          *Checker
	parameters []*yaml.Node      // their templates, in the order of their names
	names      map[string]string // by template
	sole       []soleParameter
	refused    bool
}

func (s *batchSplit) refuse(path, message string) {
	s.c.Problem(join("request", path), message)
	s.refused = true
}

// mapping is an empty one that stands where n does.
func (s *batchSplit) mapping(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
}

// own checks a field of each recipient.
func (s *batchSplit) own(name string, value *yaml.Node) {
	if name == "recipient" {
		return
	}
	if value.Kind != yaml.MappingNode {
		s.refuse(name, "must be keys and values in mode: batch, where the Batch API takes an object")
		return
	}
	if name != "message_metadata" {
		return
	}
	for _, key := range []string{batchKey, reservedKey} {
		if has(value, key) {
			s.refuse(join(name, key), "is not free in mode: batch: it holds the key of the row, or the id of the batch")
		}
	}
}
