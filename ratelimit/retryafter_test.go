package ratelimit

import (
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		header string
		want   time.Duration
		ok     bool
	}{
		// Unhappy.
		{"", 0, false},                              // missing
		{"   ", 0, false},                           // empty
		{"soon", 0, false},                          // garbage
		{"-1", 0, false},                            // negative
		{"+1", 0, false},                            // RFC 9110 knows digits only
		{"1.5", 0, false},                           // so too
		{"1e3", 0, false},                           // so too
		{"٣", 0, false},                             // digits of another script
		{"3s", 0, false},                            // a unit
		{"2026-03-01T12:00:09Z", 0, false},          // a date, not an HTTP date
		{"86400", time.Hour, true},                  // absurd
		{strings.Repeat("9", 400), time.Hour, true}, // more than any integer holds

		// Happy.
		{"0", 0, true},
		{"000", 0, true},
		{"3", 3 * time.Second, true},
		{" 3 ", 3 * time.Second, true},
		{"3600", time.Hour, true},
		{now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second, true},
		{now.Add(-time.Hour).Format(http.TimeFormat), 0, true},          // past
		{now.Format(http.TimeFormat), 0, true},                          // now
		{now.AddDate(5, 0, 0).Format(http.TimeFormat), time.Hour, true}, // far
		{"Sunday, 01-Mar-26 12:00:09 GMT", 9 * time.Second, true},       // obsolete RFC 850 form
		{"Sun Mar  1 12:00:09 2026", 9 * time.Second, true},             // obsolete asctime form
	} {
		got, ok := ParseRetryAfter(c.header, now)
		assert.Equal(t, c.ok, ok, "%.40q", c.header)
		assert.Equal(t, c.want, got, "%.40q", c.header)
	}
}

// Whatever a server asks for, the wait is not negative and ends within the
// hour, and a number is that many seconds.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "120", "-3", " 007\t", "3600", "3601", "99999999999999999999", "1e3", "٣", "Sun, 01 Mar 2026 12:00:09 GMT",
		"Sunday, 01-Mar-26 12:00:09 GMT", "Sun Mar  1 12:00:09 2026", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
	} {
		f.Add(seed, int64(1_772_366_400))
		f.Add(seed, int64(math.MaxInt64))
		f.Add(seed, int64(math.MinInt64))
	}
	f.Fuzz(func(t *testing.T, header string, unix int64) {
		now := time.Unix(unix, 0)
		d, ok := ParseRetryAfter(header, now)
		if d < 0 || d > time.Hour || (!ok && d != 0) {
			t.Fatalf("%q at %d: %v, %v", header, unix, d, ok)
		}
		text := strings.TrimSpace(header)
		if n, isNumber := new(big.Int).SetString(text, 10); isNumber && !strings.ContainsAny(text, "+-_") {
			want := big.NewInt(3600)
			if n.Cmp(want) < 0 {
				want = n
			}
			if !ok || d != time.Duration(want.Int64())*time.Second {
				t.Fatalf("%q: %v, %v", header, d, ok)
			}
		} else if at, err := http.ParseTime(text); err == nil && (!ok || at.Before(now) && d != 0) {
			t.Fatalf("%q at %d: %v, %v", header, unix, d, ok)
		}
	})
}
