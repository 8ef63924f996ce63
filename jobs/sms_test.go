package jobs

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestSMSPartsAndEncoding(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 127, utf8.RuneCountInString(gsmBasic), "128 places, of which one is the escape")
	assert.Equal(t, 10, utf8.RuneCountInString(gsmExtension))
	for _, c := range []struct {
		what, text string
		want       SMS
	}{
		{"nothing", "", SMS{"GSM-7", 1, ""}},
		{"all of one part", strings.Repeat("a", 160), SMS{"GSM-7", 1, ""}},
		{"one more", strings.Repeat("a", 161), SMS{"GSM-7", 2, ""}},
		{"all of two parts", strings.Repeat("a", 306), SMS{"GSM-7", 2, ""}},
		{"one more than two", strings.Repeat("a", 307), SMS{"GSM-7", 3, ""}},
		{"letters that look foreign", "Åse får ñandú à 5 £", SMS{"UCS-2", 1, "ú"}},
		{"what GSM-7 has of them", "Åse får à 5 £ ¿", SMS{"GSM-7", 1, ""}},
		{"each euro takes two places", strings.Repeat("€", 80), SMS{"GSM-7", 1, ""}},
		{"and 81 of them two parts", strings.Repeat("€", 81), SMS{"GSM-7", 2, ""}},
		{"an escape is not cut from its character", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), SMS{"GSM-7", 3, ""}},
		{"one typographic apostrophe", "It’s " + strings.Repeat("a", 65), SMS{"UCS-2", 1, "’"}},
		{"and it is 71", "It’s " + strings.Repeat("a", 66), SMS{"UCS-2", 2, "’"}},
		{"two parts of UCS-2", strings.Repeat("я", 134), SMS{"UCS-2", 2, "я"}},
		{"three", strings.Repeat("я", 135), SMS{"UCS-2", 3, "я"}},
		{"an emoji takes two places", strings.Repeat("🙂", 35), SMS{"UCS-2", 1, "🙂"}},
		{"and is not cut", strings.Repeat("a", 66) + "🙂" + strings.Repeat("a", 66), SMS{"UCS-2", 3, "🙂"}},
		{"text that is not UTF-8", "a\xffb", SMS{"UCS-2", 1, "\ufffd"}},
	} {
		assert.Equal(t, c.want, SMSOf(c.text), c.what)
	}
}
