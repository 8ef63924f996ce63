package jobs

import (
	"errors"
	"time"
)

// Instant is a moment as RFC 3339 has it, for example 2026-03-01T08:00:00Z.
type Instant time.Time

// UnmarshalText reads a moment.
func (i *Instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("is not a moment: write it as in 2026-03-01T08:00:00Z or 2026-03-01T09:00:00+01:00")
	}
	*i = Instant(t)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (i Instant) MarshalText() ([]byte, error) { return []byte(time.Time(i).Format(time.RFC3339)), nil }

// ahead is the moment as the API takes it, in UTC; empty when it is over.
func (i Instant) ahead(now time.Time) string {
	if t := time.Time(i); t.After(now) {
		return t.UTC().Format(time.RFC3339)
	}
	return ""
}
