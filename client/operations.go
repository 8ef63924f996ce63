package client

import (
	"fmt"
	"net/http"
	"slices"
)

// Operations lists every operation that the client knows: those of the
// Conversation API, of the Batch API and of the Provisioning API, always in the
// same order. What is in Query is shared and not to be changed.
func Operations() []Operation { return slices.Clone(table) }

// LookUp finds an operation by its operationId, or by another one that some
// version of the specification has for it.
func LookUp(id string) (Operation, bool) {
	if now, renamed := otherIDs[id]; renamed {
		id = now
	}
	i, found := places[id]
	if !found {
		return Operation{}, false
	}
	return table[i], true
}

var table = slices.Concat(conversationOperations, batchOperations, provisioningOperations)

// places are the indices of the operations in the table.
var places = func() map[string]int {
	m := make(map[string]int, len(table))
	for i, op := range table {
		m[op.ID] = i
	}
	return m
}()

// MustLookUp is LookUp of an operation that the program itself names: one that
// is not in the table is a mistake that shows wherever it is used, by a panic.
func MustLookUp(id string) Operation {
	op, found := LookUp(id)
	if !found {
		panic(fmt.Sprintf("client: %s is not in the table of operations", id))
	}
	return op
}

// The rest is what the tables are written with: a method, the operationId, the
// path after that of the project, and the query.

// service makes operations those of a service: prefix comes before their paths,
// and paging is how those are paged whose pages have a size.
func service(name, prefix string, paging Paging, ops ...Operation) []Operation {
	for i := range ops {
		op := &ops[i]
		op.Service, op.Path = name, prefix+op.Path
		if op.PageSize > 0 {
			op.Paging = paging
		}
	}
	return ops
}

func get(id, path string, query ...string) Operation {
	return Operation{ID: id, Method: http.MethodGet, Path: path, Query: query, Idempotent: true}
}

// list is a GET of a list in pages of at most pageSize; 0: it has one page.
func list(id, path, key string, pageSize int, query ...string) Operation {
	return get(id, path, query...).lists(key, pageSize)
}

// post has a body and is not idempotent, put and patch have one and are:
// whoever sets the same values twice has set them.
func post(id, path string, query ...string) Operation {
	return Operation{ID: id, Method: http.MethodPost, Path: path, Query: query, Body: true}
}

func put(id, path string, query ...string) Operation {
	return Operation{ID: id, Method: http.MethodPut, Path: path, Query: query, Body: true, Idempotent: true}
}

func patch(id, path string, query ...string) Operation {
	return Operation{ID: id, Method: http.MethodPatch, Path: path, Query: query, Body: true, Idempotent: true}
}

func remove(id, path string, query ...string) Operation {
	return Operation{ID: id, Method: http.MethodDelete, Path: path, Query: query, Idempotent: true}
}

func (op Operation) lists(key string, pageSize int) Operation {
	op.ListKey, op.PageSize = key, pageSize
	return op
}

// repeatable is for a POST that is idempotent, once for a GET that is not.
func (op Operation) repeatable() Operation { op.Idempotent = true; return op }
func (op Operation) once() Operation       { op.Idempotent = false; return op }

// bare is for a POST or PUT without a body, laden for a DELETE with one.
func (op Operation) bare() Operation  { op.Body = false; return op }
func (op Operation) laden() Operation { op.Body = true; return op }

// mute is for one whose success may have an empty body, by its specification.
func (op Operation) mute() Operation { op.silent = true; return op }
