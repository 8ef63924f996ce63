package ratelimit

import (
	"net/http"
	"strings"
	"time"
)

// maxRetryAfter bounds what a server can ask for: a longer wait is a mistake
// of the server more often than its wish.
const maxRetryAfter = time.Hour

// ParseRetryAfter reads a Retry-After header (RFC 9110, 10.2.3): a number of
// seconds or an HTTP date. A date in the past is 0, more than an hour is an
// hour. It is not ok when the header is missing, negative or garbage.
func ParseRetryAfter(h string, now time.Time) (d time.Duration, ok bool) {
	h = strings.TrimSpace(h)
	if h == "" {
		return 0, false
	}
	if strings.Trim(h, "0123456789") == "" {
		return wholeSeconds(h), true
	}
	at, err := http.ParseTime(h)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

// wholeSeconds reads digits; any number of them, since the result is bounded.
func wholeSeconds(digits string) time.Duration {
	var d time.Duration
	for _, digit := range digits {
		d = d*10 + time.Duration(digit-'0')*time.Second
		if d >= maxRetryAfter {
			return maxRetryAfter
		}
	}
	return d
}
