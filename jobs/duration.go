package jobs

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time as it is written in a job file: 500ms, 30s,
// 15m, 12h, 180d, or several of them, as in 1h30m. A day has 24 hours. It is
// positive; zero says that none was given.
type Duration time.Duration

const (
	day         = 24 * time.Hour
	maxDuration = 36_500 * day
)

var (
	wholeDuration = regexp.MustCompile(`^(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h|d))+$`)
	durationParts = regexp.MustCompile(`([0-9]+)(\.[0-9]+)?(ms|s|m|h|d)`)
	durationUnits = map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}
)

// ParseDuration reads a duration as it is written in a job file. Its error
// says what is allowed and does not repeat s.
func ParseDuration(s string) (Duration, error) {
	if !wholeDuration.MatchString(s) {
		return 0, errors.New("is not a duration: write a number and its unit, as in 500ms, 30s, 15m, 12h or 180d")
	}
	var total time.Duration
	for _, part := range durationParts.FindAllStringSubmatch(s, -1) {
		whole, errWhole := strconv.ParseInt(part[1], 10, 64)
		fraction, errFraction := strconv.ParseFloat("0"+part[2], 64)
		if errWhole != nil || errFraction != nil {
			return 0, errors.New("is not a duration")
		}
		unit := durationUnits[part[3]]
		if whole > int64((maxDuration-total)/unit) {
			return 0, errors.New("is too long a duration: a hundred years are the most")
		}
		total += time.Duration(whole)*unit + time.Duration(fraction*float64(unit))
	}
	if total <= 0 {
		return 0, errors.New("is no duration: it must be more than zero")
	}
	return Duration(total), nil
}

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// MarshalText writes what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Duration returns d for the standard library.
func (d Duration) Duration() time.Duration { return time.Duration(d) }

// Or returns d, or other when none was given.
func (d Duration) Or(other time.Duration) Duration {
	if d == 0 {
		return Duration(other)
	}
	return d
}

// String writes d as in a job file; days are the largest unit.
func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	var b strings.Builder
	if days > 0 {
		b.WriteString(strconv.FormatInt(int64(days), 10) + "d")
	}
	if rest == 0 && days > 0 {
		return b.String()
	}
	s := rest.String() // 1h0m0s
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return b.String() + s
}
