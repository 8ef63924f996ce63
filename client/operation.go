package client

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Operation is one operation of the API, as its specification has it. Those
// that the client knows are in Operations; one that is made up at run time
// needs Service, Method and Path, and for a list ListKey.
type Operation struct {
	ID      string // the operationId
	Service string // "conversation", "batch" or "provisioning": which base URL
	Method  string
	// Path has its parameters in braces: {project_id} and {projectId} are the
	// client's project, the others are given with the call, by name.
	Path  string
	Query []string // the query parameters it takes, but for those that page; nil for none
	Body  bool     // it takes a JSON body
	// Idempotent says that calling it twice does what calling it once does, so
	// that a call whose outcome is unknown may be repeated.
	Idempotent bool
	ListKey    string // the key of the answer's array; "." when the answer is the array, empty when it is no list
	Paging     Paging // how further pages are asked for
	PageSize   int    // the most items a page can have on newer servers; 0 where pages have no size

	silent bool // its success may have an empty body
}

// Paging is how the pages of a list are asked for. A POST has its page in the
// body, everything else in the query.
type Paging int

// The ways of paging.
const (
	NoPaging  Paging = iota // the list has one page
	SnakeCase               // page_size and page_token; the answer has next_page_token
	CamelCase               // pageSize and pageToken; the answer has nextPageToken
)

// pagingKeys are the size and the token of the page asked for, and the key in
// the answer of the token of the next.
var pagingKeys = map[Paging]struct{ size, token, next string }{
	SnakeCase: {"page_size", "page_token", "next_page_token"},
	CamelCase: {"pageSize", "pageToken", "nextPageToken"},
}

// Parameters are the names of the parameters in the path, in order, without
// that of the project.
func (op Operation) Parameters() []string {
	var names []string
	_ = op.eachPart(func(_, name string) error {
		if name != "" && !isProject(name) {
			names = append(names, name)
		}
		return nil
	})
	return names
}

func isProject(name string) bool { return name == "project_id" || name == "projectId" }

// eachPart calls f with each parameter of the path and the text before it, and
// at last with the text after them all and no name.
func (op Operation) eachPart(f func(text, name string) error) error {
	rest := op.Path
	for {
		text, after, found := strings.Cut(rest, "{")
		if !found {
			return f(rest, "")
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || name == "" {
			return fmt.Errorf("the path of %s has a { that begins no parameter: write {name}", op.name())
		}
		if err := f(text, name); err != nil {
			return err
		}
		rest = tail
	}
}

// Expand returns the path with the project and params in their places, escaped,
// so that each is one segment. Its error names a parameter that is missing, one
// whose value would lead to something else, or one that the path does not have.
func (op Operation) Expand(project string, params map[string]string) (string, error) {
	if err := op.checkPath(); err != nil {
		return "", err
	}
	var path strings.Builder
	left := maps.Clone(params)
	err := op.eachPart(func(text, name string) error {
		path.WriteString(text)
		if name == "" {
			return nil
		}
		value, given := project, true
		if !isProject(name) {
			value, given = params[name]
			delete(left, name)
		}
		switch value {
		case "", ".", "..": // would name another resource
			if !given {
				return fmt.Errorf("%s needs a %s, and none was given", op.name(), name)
			}
			return fmt.Errorf("%s: %q is no %s", op.name(), value, name)
		}
		path.WriteString(url.PathEscape(value))
		return nil
	})
	if err != nil {
		return "", err
	}
	if len(left) > 0 {
		return "", fmt.Errorf("%s takes no %s: remove it", op.name(), strings.Join(slices.Sorted(maps.Keys(left)), ", "))
	}
	return path.String(), nil
}

// checkPath refuses a path that, put after the base URL, would lead to another
// host, and the access token with it, or would be cut short.
func (op Operation) checkPath() error {
	switch {
	case !strings.HasPrefix(op.Path, "/"):
		return fmt.Errorf("the path of %s does not begin with /: write it as /v1/projects/{project_id}/…", op.name())
	case strings.ContainsAny(op.Path, "?#"):
		return fmt.Errorf("the path of %s has a ? or #: query parameters are given apart", op.name())
	}
	return nil
}

// base is the base URL of a service.
func (u URLs) base(service string) (string, error) {
	switch service {
	case "conversation":
		return u.Conversation, nil
	case "batch":
		return u.Batch, nil
	case "provisioning":
		return u.Provisioning, nil
	}
	return "", errors.New("the service is none of conversation, batch and provisioning")
}

// name is what people know the operation by.
func (op Operation) name() string { return cmp.Or(op.ID, words(op.Method+" "+op.Path, maxWords)) }

// reads says whether calling op is known to change nothing.
func (op Operation) reads() bool {
	return op.Idempotent && (op.Method == http.MethodGet || op.Method == http.MethodHead || op.ListKey != "")
}
