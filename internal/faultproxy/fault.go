package faultproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"
)

// Kind is what happens to a request.
type Kind string

// The kinds of faults. Those before the server leave no trace there; those
// after it hide from the client what the server did.
const (
	Pass        Kind = "pass"         // nothing: the request is passed on, and its answer back
	ResetBefore Kind = "reset_before" // the connection is reset (RST); the server never sees the request
	Unavailable Kind = "unavailable"  // 503; the server never sees the request
	Held        Kind = "held"         // passed on after a while, also when the client has gone meanwhile
	ResetAfter  Kind = "reset_after"  // the server answered, then the connection is reset
	Lost        Kind = "lost"         // the server answered, and the client never hears of it
	Late        Kind = "late"         // the answer comes after a while
	Slow        Kind = "slow"         // the answer's body trickles in over a while
	Truncated   Kind = "truncated"    // the answer ends before its Content-Length
	Garbage     Kind = "garbage"      // 200 with something that is not JSON in place of the answer
	HTML        Kind = "html"         // a gateway's 502 in place of the answer
	ErrorAfter  Kind = "error_after"  // 500 in place of the answer
)

// Kinds lists the faults, without Pass.
func Kinds() []Kind {
	return []Kind{ResetBefore, Unavailable, Held, ResetAfter, Lost, Late, Slow, Truncated, Garbage, HTML, ErrorAfter}
}

// Fault is a rule: which share of which requests goes wrong, and how. Rules
// that fit the same request add up: one draw decides among them.
type Fault struct {
	Match string   `json:"match"` // a regular expression over "METHOD /path"
	Kind  Kind     `json:"kind"`
	Rate  float64  `json:"rate"`            // share of the requests, 0 to 1
	UpTo  Duration `json:"up_to,omitempty"` // of Held, Late and Slow: the longest while; each is drawn
}

// Duration is a time.Duration that JSON has as "250ms".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// rule is a Fault that was checked.
type rule struct {
	Fault
	match *regexp.Regexp
}

func newRules(faults []Fault) ([]rule, error) {
	rules := make([]rule, len(faults))
	for i, f := range faults {
		match, err := regexp.Compile(f.Match)
		waits := f.Kind == Held || f.Kind == Late || f.Kind == Slow
		switch {
		case err != nil:
			return nil, fmt.Errorf("fault %d: match: %w", i+1, err)
		case !slices.Contains(Kinds(), f.Kind):
			return nil, fmt.Errorf("fault %d: kind %q is none of %q", i+1, f.Kind, Kinds())
		case !(f.Rate >= 0 && f.Rate <= 1): // nor is it NaN
			return nil, fmt.Errorf("fault %d: rate %v is not between 0 and 1", i+1, f.Rate)
		case waits != (f.UpTo > 0):
			return nil, fmt.Errorf("fault %d: up_to belongs to %s, %s and %s, and must be more than 0", i+1, Held, Late, Slow)
		}
		rules[i] = rule{f, match}
	}
	return rules, nil
}

func parseFaults(text []byte) ([]Fault, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var faults []Fault
	if err := d.Decode(&faults); err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	return faults, nil
}

// fate is what was drawn for one request.
type fate struct {
	kind  Kind
	while time.Duration
}

// draw decides about a request. It takes two numbers whatever comes of it, so
// that the n-th request fares alike under one seed, whatever the rules before
// did.
func draw(random *rand.Rand, rules []rule, request string) fate {
	u, share := random.Float64(), random.Float64()
	for _, r := range rules {
		if !r.match.MatchString(request) {
			continue
		}
		if u < r.Rate {
			return fate{r.Kind, time.Duration(share * float64(r.UpTo))}
		}
		u -= r.Rate
	}
	return fate{kind: Pass}
}
