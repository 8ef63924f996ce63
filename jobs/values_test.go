package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDurationsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond,
		"30s":   30 * time.Second,
		"15m":   15 * time.Minute,
		"12h":   12 * time.Hour,
		"180d":  180 * 24 * time.Hour,
		"1.5s":  1500 * time.Millisecond,
		"1h30m": 90 * time.Minute,
		"1d12h": 36 * time.Hour,
	} {
		d, err := ParseDuration(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d.Duration(), text)
	}
	for _, text := range []string{
		"",             // nothing
		"30",           // of what?
		"s",            // how many?
		"30 s",         // a space
		"-1h",          // backwards
		"0s",           // no time at all
		"1e3s",         // not a plain number
		"10us", "10ns", // finer than anything here
		"1y", "1w", // as long as the calendar says
		"36501d",                   // more than a hundred years
		"99999999999999999999999h", // more digits than a number has
		"١s",                       // digits of another script
	} {
		_, err := ParseDuration(text)
		assert.Error(t, err, text)
	}
}

func TestDurationsAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"180d": "180d", "1h30m": "1h30m", "90m": "1h30m", "36h": "1d12h", "60s": "1m", "1500ms": "1.5s", "24h": "1d",
	} {
		d, err := ParseDuration(text)
		require.NoError(t, err)
		assert.Equal(t, want, d.String())
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(1, int64(maxDuration/time.Millisecond)).Draw(t, "ms")) * Duration(time.Millisecond)
		back, err := ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
	assert.Equal(t, Duration(time.Hour), Duration(0).Or(time.Hour))
	assert.Equal(t, Duration(time.Minute), Duration(time.Minute).Or(time.Hour))
}

func TestRatesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"20/s": 20, "600/m": 10, "1200/h": 1.0 / 3, "0.5/s": 0.5, "1000000/s": 1e6,
	} {
		r, err := ParseRate(text)
		require.NoError(t, err, text)
		assert.InDelta(t, want, r.PerSecond(), 1e-12, text)
		assert.False(t, r.Unlimited())
		assert.Less(t, r, NoLimit)
	}
	r, err := ParseRate("unlimited")
	require.NoError(t, err)
	assert.True(t, r.Unlimited())
	assert.Equal(t, "unlimited", r.String())
	for _, text := range []string{
		"",             // nothing
		"20",           // in which time?
		"20/d",         // a day is no pace
		"0/s", "0.0/m", // nothing would ever be sent
		"-1/s",                    // backwards
		"1000001/s",               // beyond any server
		"20 / s",                  // spaces
		"NaN/s", "Inf/s", "1e3/s", // numbers of another kind
		"Unlimited", // another spelling
	} {
		_, err := ParseRate(text)
		assert.Error(t, err, text)
	}
}

func TestRatesAreWrittenInTheUnitThatLeavesAWholeNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"20/s": "20/s", "600/m": "10/s", "7/m": "7/m", "0.5/s": "30/m", "7/h": "7/h", "0.0001/s": "0.0001/s"} {
		r, err := ParseRate(text)
		require.NoError(t, err)
		assert.Equal(t, want, r.String())
		text, err := r.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
}

func TestSharesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Share{"5%": {Percent: 5}, "0.1%": {Percent: 0.1}, "100%": {Percent: 100}, "100": {Count: 100}} {
		s, err := ParseShare(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, s)
		assert.Equal(t, text, s.String())
	}
	for _, text := range []string{
		"",        // nothing
		"0", "0%", // would stop before it began
		"101%",      // more than all
		"-5", "5 %", // not a plain number
		"1.5", // half a row
	} {
		_, err := ParseShare(text)
		assert.Error(t, err, text)
	}
}

func TestAShareIsReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		share  Share
		n, all int64
		want   bool
	}{
		{Share{}, 1000, 1000, false},            // none was given
		{Share{Count: 3}, 2, 10, false},         // one short
		{Share{Count: 3}, 3, 10, true},          // exactly
		{Share{Percent: 5}, 4, 100, false},      // one short
		{Share{Percent: 5}, 5, 100, true},       // exactly
		{Share{Percent: 5}, 0, 0, false},        // of nothing
		{Share{Percent: 0.1}, 1, 10_000, false}, // a small part of many
	} {
		assert.Equal(t, c.want, c.share.Reached(c.n, c.all), c)
	}
}

func TestVariablesArePutIn(t *testing.T) {
	t.Parallel()
	env := Variables(testEnv)
	for text, want := range map[string]string{
		"plain":            "plain",
		"${APP}":           "01HAPP00000000000000000001",
		"a${APP}b${COUNT}": "a01HAPP00000000000000000001b7",
		"${NOT_SET:-x y}":  "x y",
		"${EMPTY:-x}":      "x", // as in a shell
		"${EMPTY}":         "",
		"${NOT_SET:-}":     "",
		"$$":               "$",
		"$${APP}":          "${APP}", // a dollar, then text
		"$$$$":             "$$",
		"${YAML}":          "{requests: 1/s} # ${KEY_SECRET} {{.name}}", // never looked at again
		"${NOT_SET:-$$}":   "$$",                                        // a default stands as it is
	} {
		got, wrong := env.expand(text)
		assert.Empty(t, wrong, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"$", "a$", "$APP", "$5", // a dollar alone
		"${", "${}", "${APP", "${1A}", "${A B}", "${APP-x}", "${APP:x}", "${A:-${B}}", // malformed
		"${NOT_SET}", // unset
	} {
		_, wrong := env.expand(text)
		assert.NotEmpty(t, wrong, text)
	}
	_, wrong := env.expand("${NO_A} ${NO_B} ${NO_C:-x}")
	assert.Len(t, wrong, 2, "every variable that is not set is named")
}

func TestTheNearestWordIsFound(t *testing.T) {
	t.Parallel()
	words := []string{"request", "requests", "retry", "us", "eu", "in_flight"}
	for word, want := range map[string]string{
		"requst":    "request", // a letter is missing
		"reqeust":   "request", // neighbours swapped
		"Request":   "request", // case
		"in-flight": "in_flight",
		"rety":      "retry",
		"eux":       "eu",
		"EU":        "eu",
	} {
		got, ok := Nearest(word, words)
		assert.True(t, ok, word)
		assert.Equal(t, want, got, word)
	}
	for _, word := range []string{
		"",        // nothing
		"message", // another word
		"x",       // as far from any short word as from any other
	} {
		_, ok := Nearest(word, words)
		assert.False(t, ok, word)
	}
	assert.Equal(t, `did you mean "retry"?`, orList("rety", words))
	assert.Equal(t, "there are a, b", orList("something", []string{"a", "b"}))
}
