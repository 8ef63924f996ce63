package jobs

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// e164 writes a phone number in international form: +46701234567. A number
// without a country code is taken for one of the country, an ISO 3166 code of
// two letters. Nothing stays nothing. The error does not repeat the number.
func e164(country string, v any) (string, error) {
	text := strings.TrimSpace(textOf(v))
	if text == "" {
		return "", nil
	}
	country = strings.ToUpper(country)
	if !phonenumbers.GetSupportedRegions()[country] {
		return "", fmt.Errorf("e164: %q is not the code of a country, such as SE", country)
	}
	if strings.ContainsFunc(text, unicode.IsLetter) { // such as 4.67E+10, which is no number any more
		return "", errors.New("e164: holds a letter")
	}
	n, err := phonenumbers.Parse(text, country)
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", errors.New("e164: not a valid phone number of " + country + ", nor an international one")
	}
	return phonenumbers.Format(n, phonenumbers.E164), nil
}
