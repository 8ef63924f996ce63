package jobs

import (
	"errors"
	"math"
	"regexp"
	"strconv"
)

// Rate is a number of calls per second. In a job file it is written 20/s,
// 600/m, 1200/h or unlimited. Zero says that none was given.
type Rate float64

// NoLimit is the rate that is written unlimited. Every other rate is less.
var NoLimit = Rate(math.Inf(1))

// maxRate is beyond what any server takes.
const maxRate = 1e6

var rateForm = regexp.MustCompile(`^([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])$`)

// ParseRate reads a rate as it is written in a job file. Its error says what
// is allowed and does not repeat s.
func ParseRate(s string) (Rate, error) {
	if s == "unlimited" {
		return NoLimit, nil
	}
	m := rateForm.FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New("is not a rate: write a number of calls and s, m or h, as in 20/s or 600/m, or unlimited")
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, errors.New("is not a rate")
	}
	r := Rate(n / map[string]float64{"s": 1, "m": 60, "h": 3600}[m[2]])
	switch {
	case r == 0:
		return 0, errors.New("is no rate: nothing would ever be sent")
	case r > maxRate:
		return 0, errors.New("is too high a rate: 1000000/s is the most; for no limit write unlimited")
	}
	return r, nil
}

// PerSecond returns the calls per second, +Inf when there is no limit.
func (r Rate) PerSecond() float64 { return float64(r) }

// Unlimited says whether r is no limit.
func (r Rate) Unlimited() bool { return r == NoLimit }

// UnmarshalText reads what ParseRate reads.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// MarshalText writes what String returns.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String writes r as in a job file, in the largest unit that leaves a whole
// number of calls.
func (r Rate) String() string {
	if r.Unlimited() {
		return "unlimited"
	}
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{"/s", 1}, {"/m", 60}, {"/h", 3600}} {
		n := float64(r) * unit.seconds
		if whole := math.Round(n); whole >= 1 && math.Abs(n-whole) < 1e-9*n {
			return strconv.FormatFloat(whole, 'f', -1, 64) + unit.name
		}
	}
	return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s"
}
