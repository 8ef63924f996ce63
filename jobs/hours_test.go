package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func hours(t require.TestingT, from, to, zone string) *Hours {
	h := &Hours{}
	require.NoError(t, h.From.UnmarshalText([]byte(from)))
	require.NoError(t, h.To.UnmarshalText([]byte(to)))
	require.NoError(t, h.Zone.UnmarshalText([]byte(zone)))
	return h
}

func TestSendingOpensWhenTheClockOnTheWallSaysSo(t *testing.T) {
	t.Parallel()
	const sweden = "Europe/Stockholm" // clocks go from 02:00 to 03:00 on 2026-03-29, from 03:00 to 02:00 on 2026-10-25
	for _, c := range []struct {
		name, from, to, zone string
		now, opens           string // with the offsets in force
	}{
		{"before they begin", "08:00", "20:00", sweden, "2026-06-10T07:59:59.5+02:00", "2026-06-10T08:00:00+02:00"},
		{"as they begin", "08:00", "20:00", sweden, "2026-06-10T08:00:00+02:00", ""},
		{"until just before the end", "08:00", "20:00", sweden, "2026-06-10T19:59:59.999999999+02:00", ""},
		{"the end is outside", "08:00", "20:00", sweden, "2026-06-10T20:00:00+02:00", "2026-06-11T08:00:00+02:00"},
		{"asked by another clock", "08:00", "20:00", sweden, "2026-06-10T20:30:00-07:00", "2026-06-11T08:00:00+02:00"},
		{"to midnight", "08:00", "24:00", sweden, "2026-06-10T23:59:00+02:00", ""},
		{"from midnight", "00:00", "06:00", sweden, "2026-06-10T06:00:00+02:00", "2026-06-11T00:00:00+02:00"},
		{"over midnight, before it", "20:00", "06:00", sweden, "2026-06-10T23:30:00+02:00", ""},
		{"over midnight, after it", "20:00", "06:00", sweden, "2026-06-11T05:59:00+02:00", ""},
		{"over midnight, by day", "20:00", "06:00", sweden, "2026-06-11T06:00:00+02:00", "2026-06-11T20:00:00+02:00"},
		{"the end of a year", "08:00", "20:00", "UTC", "2026-12-31T20:00:00Z", "2027-01-01T08:00:00Z"},
		{"half hours off", "08:15", "20:00", "Asia/Kathmandu", "2026-06-10T07:00:00+05:45", "2026-06-10T08:15:00+05:45"},

		{"a night that is an hour short", "08:00", "20:00", sweden, "2026-03-28T20:00:00+01:00", "2026-03-29T08:00:00+02:00"},
		{"a night that is an hour long", "08:00", "20:00", sweden, "2026-10-24T20:00:00+02:00", "2026-10-25T08:00:00+01:00"},
		{"begin in the hour that is left out", "02:30", "20:00", sweden, "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"end in the hour that is left out", "20:00", "02:30", sweden, "2026-03-29T03:00:00+02:00", "2026-03-29T20:00:00+02:00"},
		{"all of them in the hour that is left out", "02:15", "02:45", sweden, "2026-03-29T00:00:00+01:00", "2026-03-30T02:15:00+02:00"},
		{"begin in the hour that comes twice, first", "02:30", "20:00", sweden, "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"and again", "02:30", "20:00", sweden, "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"},
		{"end in the hour that comes twice, first", "20:00", "02:30", sweden, "2026-10-25T02:40:00+02:00", "2026-10-25T02:00:00+01:00"},
		{"and for good", "20:00", "02:30", sweden, "2026-10-25T02:40:00+01:00", "2026-10-25T20:00:00+01:00"},
		{"a day that was left out", "08:00", "20:00", "Pacific/Apia", "2011-12-29T21:00:00-10:00", "2011-12-31T08:00:00+14:00"},
	} {
		now, err := time.Parse(time.RFC3339Nano, c.now)
		require.NoError(t, err)
		want := now
		if c.opens != "" {
			want, err = time.Parse(time.RFC3339Nano, c.opens)
			require.NoError(t, err)
		}
		got := hours(t, c.from, c.to, c.zone).Opening(now)
		assert.True(t, got.Equal(want), "%s: %s, want %s", c.name, got, want)
	}
}

// Whatever the hours, the zone and the time: sending opens at the first minute
// from now on whose clock is within the hours.
func TestSendingOpensAtTheFirstMinuteWithinTheHours(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		minute := func(name string) int { return rapid.IntRange(0, 24*60-1).Draw(rt, name) }
		from, to := minute("from"), minute("to")
		if from == to {
			to = (to + 1) % (24 * 60)
		}
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"}).Draw(rt, "zone")
		h := hours(rt, Clock(time.Duration(from)*time.Minute).String(), Clock(time.Duration(to)*time.Minute).String(), zone)
		year := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		now := year.Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(rt, "minutes into the year")) * time.Minute)

		want := now
		for within := false; !within; {
			wall := want.In(h.Zone.Location)
			at := wall.Hour()*60 + wall.Minute()
			within = from <= at && at < to || to < from && (from <= at || at < to)
			if !within {
				want = want.Add(time.Minute)
			}
		}
		require.True(rt, h.Opening(now).Equal(want), "%s–%s in %s at %s: %s, want %s", h.From, h.To, zone, now, h.Opening(now), want)
	})
}

func TestHoursAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	h := hours(t, "8:05", "24:00", "America/New_York")
	for value, want := range map[interface{ MarshalText() ([]byte, error) }]string{h.From: "08:05", h.To: "00:00", h.Zone: "America/New_York"} {
		text, err := value.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
}

func TestHoursAreReadFromAJobFile(t *testing.T) {
	t.Parallel()
	file := mustLoad(t, goodFile+"    hours: {from: 08:00, to: \"20:00\", zone: Europe/Stockholm}\n")
	job, _ := file.Job("offer")
	spec := job.Spec.(*BulkSend)
	assert.Equal(t, hours(t, "08:00", "20:00", "Europe/Stockholm"), spec.Hours)
	assert.Equal(t, "wait", spec.AppQueue, "by default")
	job, _ = mustLoad(t, goodFile).Job("offer")
	assert.Nil(t, job.Spec.(*BulkSend).Hours, "none by default")
}
