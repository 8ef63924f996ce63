package client

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// clockAge is how long one reading of the API's clock is good for.
	clockAge = 10 * time.Second
	// clockStep is how far an answer may be from what we expect: its Date is cut
	// to seconds, and it may have been on its way for some.
	clockStep = 10 * time.Second
)

// clock tells the API's time from the Date of its answers (RFC 9110), and goes
// on between them by this machine's monotonic clock. So a clock of this machine
// that is wrong, or is set while a job runs, does not matter.
type clock struct{ last atomic.Pointer[reading] }

type reading struct {
	date         string // that was looked at last: most answers repeat it
	theirs, ours time.Time
}

// read takes note of an answer.
func (c *clock) read(h http.Header) {
	date, now, last := h.Get("Date"), time.Now(), c.last.Load()
	if last != nil && last.date == date && now.Sub(last.ours) < clockAge {
		return
	}
	theirs, err := http.ParseTime(date)
	if err != nil {
		return
	}
	if last == nil || now.Sub(last.ours) >= clockAge ||
		theirs.Sub(last.theirs.Add(now.Sub(last.ours))).Abs() >= clockStep { // it was set
		last = &reading{theirs: theirs, ours: now}
	}
	c.last.Store(&reading{date, last.theirs, last.ours})
}

func (c *clock) now() time.Time {
	last := c.last.Load()
	if last == nil {
		return time.Time{}
	}
	return last.theirs.Add(time.Since(last.ours)).UTC()
}

// Now is the time by the API's clock, a second or two off: that of the
// accept_time of its messages. Before the first answer it is zero.
func (c *Client) Now() time.Time { return c.clock.now() }
