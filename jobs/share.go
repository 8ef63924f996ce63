package jobs

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// Share is an amount of rows, as a part of all or as a number: 5% or 100. The
// zero Share is none at all.
type Share struct {
	Percent float64 // of all rows; 0 when the amount is a number
	Count   int64   // of rows; 0 when the amount is a part
}

var (
	percentForm = regexp.MustCompile(`^[0-9]{1,3}(?:\.[0-9]{1,9})?%$`)
	countForm   = regexp.MustCompile(`^[0-9]{1,15}$`)
)

// ParseShare reads a share as it is written in a job file. Its error says what
// is allowed and does not repeat s.
func ParseShare(s string) (Share, error) {
	var share Share
	var err error
	switch {
	case percentForm.MatchString(s):
		share.Percent, err = strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	case countForm.MatchString(s):
		share.Count, err = strconv.ParseInt(s, 10, 64)
	default:
		err = errors.New("not in form")
	}
	switch {
	case err != nil:
		return Share{}, errors.New("is not an amount of rows: write a part of all or a number, as in 5% or 100")
	case share.IsZero():
		return Share{}, errors.New("is no amount of rows: it must be more than zero")
	case share.Percent > 100:
		return Share{}, errors.New("is more than all rows")
	}
	return share, nil
}

// UnmarshalText reads what ParseShare reads.
func (s *Share) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShare(string(text))
	return err
}

// MarshalText writes what String returns.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// IsZero says whether no share was given.
func (s Share) IsZero() bool { return s == Share{} }

// Reached says whether n of all rows are the share or more. The zero Share is
// never reached.
func (s Share) Reached(n, all int64) bool {
	switch {
	case s.Count > 0:
		return n >= s.Count
	case s.Percent > 0:
		return n > 0 && float64(n)*100 >= s.Percent*float64(all)
	}
	return false
}

// Exceeded says whether n of all rows are more than the share. The zero Share
// is never exceeded.
func (s Share) Exceeded(n, all int64) bool {
	switch {
	case s.Count > 0:
		return n > s.Count
	case s.Percent > 0:
		return float64(n)*100 > s.Percent*float64(all)
	}
	return false
}

// String writes s as in a job file; empty for the zero Share.
func (s Share) String() string {
	switch {
	case s.Count > 0:
		return strconv.FormatInt(s.Count, 10)
	case s.Percent > 0:
		return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
	}
	return ""
}
