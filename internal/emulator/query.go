package emulator

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// param is one query parameter of an operation, as the specification has it.
// The zero kind is a text of any length.
type param struct {
	name     string
	prefix   bool // name is followed by one that the caller chooses
	zero     bool // a number may be 0
	kind     paramKind
	enum     []string
	max      int  // of a number; numbers start at 1, or at 0 with zero
	oldMax   int  // of a number under ProfileOld, where it differs
	newer    bool // not known to ProfileOld, which refuses it
	older    bool // known to ProfileOld alone
	repeated bool // may be given more than once; the values are joined by commas
	required bool
	oldOnly  bool // required under ProfileOld only
}

type paramKind int

const (
	textParam paramKind = iota
	intParam
	boolParam
	timeParam
)

// arguments are the checked values of a query.
type arguments map[string]string

// parseQuery checks a query against the operation's row and says everything
// that is wrong with it. A parameter that the row does not have is refused:
// a server that ignored it would answer something else than was asked.
func parseQuery(raw, profile string, params []param) (arguments, violations) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, violations{{"query", "is not a query string"}}
	}
	args := make(arguments, len(values))
	var wrong violations
	for name, given := range values {
		i := slices.IndexFunc(params, func(p param) bool {
			return p.names(name) && p.knownTo(profile)
		})
		switch {
		case i < 0:
			wrong.add(name, "unknown field")
		case len(given) > 1 && !params[i].repeated:
			wrong.add(name, "given more than once")
		default:
			for _, value := range given {
				if fault := params[i].check(value, profile); fault != "" && !wrong.has(name) {
					wrong.add(name, fault)
				}
			}
			args[name] = strings.Join(given, ",")
		}
	}
	for _, p := range params {
		needed := p.required || p.oldOnly && profile == ProfileOld
		if needed && args[p.name] == "" && !wrong.has(p.name) {
			wrong.add(p.name, "is required")
		}
	}
	wrong.sort()
	return args, wrong
}

func (p param) names(given string) bool {
	if p.prefix {
		return strings.HasPrefix(given, p.name) && given != p.name
	}
	return given == p.name
}

func (p param) knownTo(profile string) bool {
	if profile == ProfileOld {
		return !p.newer
	}
	return !p.older
}

func (p param) check(value, profile string) string {
	if value == "" {
		return ""
	}
	switch p.kind {
	case intParam:
		limit := p.max
		if profile == ProfileOld {
			limit = or(p.oldMax, p.max)
		}
		least := 1
		if p.zero {
			least = 0
		}
		if n, err := strconv.Atoi(value); err != nil || n < least || n > limit {
			return fmt.Sprintf("must be a number of %d to %d", least, limit)
		}
	case boolParam:
		if value != "true" && value != "false" {
			return "must be true or false"
		}
	case timeParam:
		if _, err := time.Parse(time.RFC3339Nano, value); err != nil {
			return "must be a time of the form 2006-01-02T15:04:05Z (a + travels as %2B)"
		}
	default:
		if p.enum != nil && !slices.Contains(p.enum, value) {
			return "must be one of " + strings.Join(p.enum, ", ")
		}
	}
	return ""
}

func (a arguments) number(name string, fallback int) int {
	if n, err := strconv.Atoi(a[name]); err == nil {
		return n
	}
	return fallback
}

func (a arguments) time(name string) (nanos int64, given bool) {
	t, err := time.Parse(time.RFC3339Nano, a[name])
	if err != nil {
		return 0, false
	}
	return nanoseconds(t), true
}

// nanoseconds is an instant as it is kept: since 1970, and not beyond 2116,
// which leaves room to add to it.
func nanoseconds(t time.Time) int64 {
	switch last := time.Unix(0, 1<<62); {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(last):
		return 1 << 62
	}
	return t.UnixNano()
}
