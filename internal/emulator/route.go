package emulator

import (
	"net/http"
	"net/url"
	"strings"
)

// operation is one row of the routing table: everything that is checked before
// its handler runs stands in the row.
type operation struct {
	id      string // as the specification names it
	method  string
	path    string // a template; the verb after the last ':' is part of it
	newer   bool   // not known to ProfileOld
	batch   bool   // of the Batch API: takes no bare key, and larger bodies
	colons  bool   // the last value of the path may hold ':', so it has no verb
	changes bool   // takes effect, so it goes to the ledger
	query   []param
	body    *shape // nil: the body is not looked at
	handle  func(*Emulator, *call) reply

	callback string // the trigger that tells the outcome

	segments []string // of the template, filled by newRouter
	verb     string
}

// call is one request on its way through.
type call struct {
	*http.Request
	op   *operation
	path map[string]string
	args arguments
	body string
	json value // the body taken apart, of an operation that looks at it
	now  int64 // arrival, nanoseconds

	shape string // of errors, where the API has one of its own

	recorded bool // the handler wrote the ledger itself
}

// router finds the operation of a request. http.ServeMux can not: it panics on
// a pattern such as /contacts/{id}:merge.
type router struct{ operations []*operation }

func newRouter(profile string, tables ...[]operation) *router {
	r := new(router)
	for _, table := range tables {
		for _, op := range table {
			if op.newer && profile == ProfileOld {
				continue
			}
			op.segments, op.verb = splitPath(op.path)
			r.operations = append(r.operations, &op)
		}
	}
	return r
}

// find gives the operation and the values of its path parameters. known tells
// whether the path exists under another method.
func (r *router) find(method, path string) (op *operation, values map[string]string, known bool) {
	segments, verb := splitPath(path)
	for _, op := range r.operations {
		segments, verb := segments, verb
		if op.colons {
			segments, verb = strings.Split(strings.TrimPrefix(path, "/"), "/"), ""
		}
		if op.verb != verb || !sameShape(op.segments, segments) {
			continue
		}
		if op.method != method {
			known = true
			continue
		}
		return op, pathValues(op.segments, segments), true
	}
	return nil, nil, known
}

// splitPath takes the verb off the last segment.
func splitPath(path string) (segments []string, verb string) {
	segments = strings.Split(strings.TrimPrefix(path, "/"), "/")
	last := len(segments) - 1
	if name, v, found := cutLast(segments[last], ":"); found {
		segments[last], verb = name, v
	}
	return segments, verb
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func sameShape(template, segments []string) bool {
	if len(template) != len(segments) {
		return false
	}
	for i, t := range template {
		if t != segments[i] && (!strings.HasPrefix(t, "{") || segments[i] == "") {
			return false
		}
	}
	return true
}

func pathValues(template, segments []string) map[string]string {
	values := make(map[string]string, 2)
	for i, t := range template {
		if !strings.HasPrefix(t, "{") {
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil {
			value = segments[i]
		}
		values[strings.Trim(t, "{}")] = value
	}
	return values
}
