package jobs

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"convbatch/client"
)

// Hours are the part of each day in which a job sends: while a clock in Zone
// shows From or later and not yet To. Where From is later than To they go over
// midnight. The zone has to be named: that of the machine that happens to run
// the job says nothing about those who are written to.
type Hours struct {
	From Clock `yaml:"from" doc:"When sending begins, for example 08:00." required:"true"`
	To   Clock `yaml:"to" doc:"When it ends, for example 20:00; 24:00 is midnight." required:"true"`
	Zone Zone  `yaml:"zone" doc:"The time zone that is meant, for example Europe/Stockholm." required:"true"`
}

// check reports hours that are none. That what was given is right on its own
// is known.
func (h *Hours) check(c *Checker, key string) {
	if h != nil && h.From == h.To {
		c.Problem(key, "begin and end at the same time: leave "+key+" out to send around the clock")
	}
}

// clientOptions keep the calls of a client to the hours; nil are no hours.
func (h *Hours) clientOptions() []client.Option {
	if h == nil {
		return nil
	}
	return []client.Option{client.Opening(h.Opening)}
}

// Opening returns now while sending is allowed, else when it is again.
//
// Only what the clock on the wall shows counts, so nobody is written to outside
// of the hours when it is changed: time that is left out is not made up for,
// and of time that comes twice the hours hold twice.
func (h *Hours) Opening(now time.Time) time.Time {
	if h.From == h.To { // around the clock
		return now
	}
	t := now.In(h.Zone.Location).Round(0)
	for !h.contain(t) {
		opens := t.Add(time.Duration(h.From.after(clockOf(t))))
		// Until it is changed the clock runs evenly; then it is read again.
		if _, changed := t.ZoneBounds(); !changed.IsZero() && changed.Before(opens) {
			opens = changed
		}
		t = opens
	}
	return t
}

func (h *Hours) contain(t time.Time) bool { return clockOf(t).after(h.From) < h.To.after(h.From) }

// Clock is what a clock shows, as the time since midnight.
type Clock time.Duration

// clockOf is what the clock shows at t.
func clockOf(t time.Time) Clock {
	return Clock(t.Hour())*Clock(time.Hour) + Clock(t.Minute())*Clock(time.Minute) +
		Clock(t.Second())*Clock(time.Second) + Clock(t.Nanosecond())
}

// after is how long a clock takes from showing other to showing c.
func (c Clock) after(other Clock) Clock { return (c - other + Clock(day)) % Clock(day) }

var clockForm = regexp.MustCompile(`^(?:([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00)$`)

// UnmarshalText reads a time of day such as 08:00, 8:00 or 24:00.
func (c *Clock) UnmarshalText(text []byte) error {
	m := clockForm.FindSubmatch(text)
	if m == nil {
		return errors.New("is not a time of day: write hours and minutes, as in 08:00 or 20:30")
	}
	hours, _ := strconv.Atoi(string(m[1])) // digits, or nothing in 24:00
	minutes, _ := strconv.Atoi(string(m[2]))
	*c = Clock(hours)*Clock(time.Hour) + Clock(minutes)*Clock(time.Minute)
	return nil
}

// MarshalText writes what String returns.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String writes c as in a job file, to the minute.
func (c Clock) String() string {
	minutes := time.Duration(c) / time.Minute
	return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
}

// Zone is a time zone, by its name in the IANA list.
type Zone struct{ *time.Location }

// UnmarshalText reads a name such as Europe/Stockholm or UTC.
func (z *Zone) UnmarshalText(text []byte) (err error) {
	name := string(text)
	if name != "" && name != time.Local.String() { // that of the machine
		z.Location, err = time.LoadLocation(name)
	}
	if z.Location == nil || err != nil {
		return errors.New("is not the name of a time zone: write one of the IANA list, for example Europe/Stockholm, America/New_York or UTC")
	}
	return nil
}

// MarshalText writes the name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }
