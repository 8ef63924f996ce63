package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPhoneNumbersAreWrittenInInternationalForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ country, in, want, problem string }{
		{"SE", "070-123 45 67", "+46701234567", ""},
		{"SE", " 0701234567 ", "+46701234567", ""},
		{"se", "(070) 123.45.67", "+46701234567", ""},
		{"SE", "0046 70 123 45 67", "+46701234567", ""},
		{"SE", "+46 (0)70 123 45 67", "+46701234567", ""},
		{"SE", "+46701234567", "+46701234567", ""},
		{"SE", "46701234567", "+46701234567", ""},
		{"SE", "+4915123456789", "+4915123456789", ""}, // an international number keeps its country
		{"US", "(415) 555-2671", "+14155552671", ""},
		{"US", "011 46 70 123 45 67", "+46701234567", ""},
		{"GB", "07400 123456", "+447400123456", ""},
		{"SE", "", "", ""},
		{"SE", "   ", "", ""},
		{"SE", "12", "", "not a valid phone number of SE"},
		{"SE", "070123456789012", "", "not a valid phone number of SE"},
		{"SE", "+999701234567", "", "not a valid phone number of SE"},
		{"DE", "0701234567", "", "not a valid phone number of DE"}, // a Swedish one
		{"SE", "4.670123456E+10", "", "holds a letter"},
		{"SE", "070-CALL-NOW", "", "holds a letter"},
		{"SE", "070 123 45 67 / 68", "", "not a valid phone number of SE"},
		{"SE", "+", "", "not a valid phone number of SE"},
		{"UK", "07400 123456", "", `"UK" is not the code of a country`},
		{"46", "0701234567", "", `"46" is not the code of a country`},
	} {
		got, err := e164(c.country, c.in)
		assert.Equal(t, c.want, got, "%s %q", c.country, c.in)
		if c.problem == "" {
			assert.NoError(t, err, "%s %q", c.country, c.in)
			continue
		}
		require.ErrorContains(t, err, c.problem, "%s %q", c.country, c.in)
		if len(c.in) > 4 {
			assert.NotContains(t, err.Error(), c.in, "the error does not repeat the number")
		}
	}
}

func TestANumberThatIsNoTextIsReadAsItsDigits(t *testing.T) {
	t.Parallel()
	got, err := e164("SE", int64(46701234567))
	require.NoError(t, err)
	assert.Equal(t, "+46701234567", got)
}
