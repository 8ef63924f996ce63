package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// The kinds of faults that are not a status.
const (
	FaultResetBefore  = "reset_before" // the connection is broken before anything happened
	FaultResetAfter   = "reset_after"  // it took effect, then the connection is broken
	FaultDelay        = "delay"        // Delay before it takes effect
	FaultDelayAfter   = "delay_after"  // it takes effect, the answer comes Delay later
	FaultSlowBody     = "slow_body"    // the body trickles over Delay
	FaultTruncate     = "truncate"     // the body ends before its Content-Length
	FaultGarbage      = "garbage"      // 200 and no JSON
	FaultHTML         = "html"         // a gateway's page
	FaultEmpty        = "empty"        // no body
	FaultExpired      = "401_expired"  // as if the token had expired
	FaultUnauthorized = "401"          // a key that was revoked
	FaultForbidden    = "403"          // keys of another project
	FaultBilling      = "403_billing"  // the project is blocked for credit
	FaultNotFound     = "404"          // an app of another region
	billingWord       = "BILLING_CREDIT_LIMIT_BREACHED"
	defaultFaultDelay = time.Second
)

// Fault is a rule: which requests go wrong, and how. Of several rules that
// fit a request the first one acts. Where none of First, Every and Rate is
// given, every request fits; where several are, all must.
type Fault struct {
	Operation string  `json:"operation"`       // an operationId, "token", or "*" for every call to the API
	Kind      string  `json:"kind"`            // a Fault… constant, or 408, 429, 500, 501, 502, 503, 504
	Rate      float64 `json:"rate,omitempty"`  // share of the requests, drawn from the seed
	First     int     `json:"first,omitempty"` // the first so many
	Every     int     `json:"every,omitempty"` // every so manyth
	After     int     `json:"after,omitempty"` // leave so many alone before counting

	Delay      Duration `json:"delay,omitempty"`       // of the kinds that wait; default 1s
	RetryAfter string   `json:"retry_after,omitempty"` // header of a status, as it is to be sent
	RetryInfo  string   `json:"retry_info,omitempty"`  // delay in details of a status, such as "2s"
	Shape      string   `json:"shape,omitempty"`       // ShapeFlat or ShapeNested; default the server's
	Status     int      `json:"status,omitempty"`      // of html (default 502) and empty (default 200)

	// Accepted lets the request take effect before it is answered with an
	// error, which leaves the caller in doubt. Kinds that answer 2xx, and
	// those whose name says so, do that in any case.
	Accepted bool `json:"accepted,omitempty"`
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

// ParseFaults reads a list of rules, or the first thing that is wrong in it.
func ParseFaults(text []byte) ([]Fault, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var faults []Fault
	if err := d.Decode(&faults); err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read faults: there is something after the list")
	}
	for i, f := range faults {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	return faults, nil
}

var statusKinds = []string{"408", "429", "500", "501", "502", "503", "504", FaultUnauthorized, FaultForbidden, FaultNotFound}

var otherKinds = []string{
	FaultResetBefore, FaultResetAfter, FaultDelay, FaultDelayAfter, FaultSlowBody, FaultTruncate,
	FaultGarbage, FaultHTML, FaultEmpty, FaultExpired, FaultBilling,
}

func (f Fault) check() error {
	switch {
	case !slices.Contains(statusKinds, f.Kind) && !slices.Contains(otherKinds, f.Kind):
		return fmt.Errorf("kind %q is unknown; it is one of %v or %v", f.Kind, statusKinds, otherKinds)
	case f.Operation == "":
		return errors.New(`operation is missing; "*" stands for all`)
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("rate %v is not between 0 and 1", f.Rate)
	case f.First < 0 || f.Every < 0 || f.After < 0 || f.Delay < 0:
		return errors.New("first, every, after and delay can not be negative")
	case f.Shape != "" && f.Shape != ShapeFlat && f.Shape != ShapeNested:
		return fmt.Errorf("shape %q is neither flat nor nested", f.Shape)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is no status of an answer", f.Status)
	}
	return nil
}

// rule is a fault that counts the requests it looked at.
type rule struct {
	Fault
	number int
	seen   atomic.Int64
}

// SetFaults replaces the rules; their counts begin anew. It refuses what
// ParseFaults would.
func (e *Emulator) SetFaults(faults []Fault) error {
	rules := make([]*rule, len(faults))
	for i, f := range faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
		f.Delay = or(f.Delay, Duration(defaultFaultDelay))
		f.Shape = or(f.Shape, e.options.ErrorShape)
		rules[i] = &rule{Fault: f, number: i}
	}
	e.rules.Store(&rules)
	return nil
}

// fault picks the rule that acts on a request, or nil.
func (e *Emulator) fault(operation string) *Fault {
	for _, r := range *e.rules.Load() {
		fits := r.Operation == operation || r.Operation == "*" && operation != tokenOperation
		if fits && r.strikes(e.options.Seed) {
			return &r.Fault
		}
	}
	return nil
}

func (r *rule) strikes(seed uint64) bool {
	n := int(r.seen.Add(1)) - 1 - r.After
	if n < 0 || r.First > 0 && n >= r.First || r.Every > 0 && n%r.Every != r.Every-1 {
		return false
	}
	drawn := float64(hash(seed^mix(uint64(r.number)), kindFault, n)>>11) / (1 << 53)
	return r.Rate == 0 || drawn < r.Rate
}

// answer is the error that a fault answers with, in the given shape; false for
// the kinds that do something to the proper answer instead.
func (f *Fault) answer(shape string) (reply, bool) {
	switch f.Kind {
	case FaultGarbage:
		return reply{status: http.StatusOK, body: []byte("{\"messages\":[{\"id\":\x00\xff")}, true
	case FaultHTML:
		return reply{status: or(f.Status, http.StatusBadGateway), body: []byte(gatewayPage), plain: true}, true
	case FaultEmpty:
		return reply{status: or(f.Status, http.StatusOK)}, true
	}
	r := refusal{message: "fault", header: http.Header{}, retryInfo: f.RetryInfo}
	switch f.Kind {
	case FaultExpired:
		r.status, r.message = http.StatusUnauthorized, "Request had invalid credentials."
		r.header.Set("WWW-Authenticate", challengeExpired)
	case FaultBilling:
		r.status, r.word, r.message = http.StatusForbidden, billingWord, "The project is blocked: "+billingWord
	default:
		status, err := strconv.Atoi(f.Kind)
		if err != nil {
			return reply{}, false
		}
		r.status, r.message = status, http.StatusText(status)
	}
	if f.RetryAfter != "" {
		r.header.Set("Retry-After", f.RetryAfter)
	}
	return r.reply(shape), true
}

const gatewayPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
