package jobs

import (
	"strings"
	"unicode/utf16"

	"github.com/tidwall/gjson"

	"convbatch/sources"
)

// SMS is how a text travels as SMS: in one or more parts, each of which is
// paid for.
type SMS struct {
	Encoding string // "GSM-7" or "UCS-2"
	Parts    int
	Forces   string // the first character that GSM-7 has not; "" in GSM-7
}

// The alphabet of GSM-7 (3GPP TS 23.038, 6.2.1). What is in the extension takes
// two places, of which the first is an escape. National tables are not used:
// whether a network knows them can not be told.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// Places in an SMS that is alone, and in each part of a longer one, whose
// header takes some (3GPP TS 23.040, 9.2.3.24.1).
const (
	gsmAlone, gsmPart = 160, 153 // septets
	ucsAlone, ucsPart = 70, 67   // UTF-16 code units
)

// SMSOf says how a text travels as SMS. The encoding is one for all of it:
// a single character that GSM-7 has not makes it UCS-2, with less than half as
// many characters to a part. The server may replace such characters, if the app
// asks for it; this is the count without that.
func SMSOf(text string) SMS {
	var places []int // that each character takes
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			places = append(places, 1)
		case strings.ContainsRune(gsmExtension, r):
			places = append(places, 2)
		default:
			return ucs2(text, string(r))
		}
	}
	return SMS{Encoding: "GSM-7", Parts: parts(places, gsmAlone, gsmPart)}
}

func ucs2(text, forces string) SMS {
	var places []int
	for _, r := range text {
		places = append(places, max(utf16.RuneLen(r), 1)) // what is no character is sent as one that is: U+FFFD
	}
	return SMS{Encoding: "UCS-2", Parts: parts(places, ucsAlone, ucsPart), Forces: forces}
}

// parts counts the parts of a text, none of which ends within a character.
func parts(places []int, alone, part int) int {
	total, n, used := 0, 1, 0
	for _, p := range places {
		total += p
		if used += p; used > part {
			n, used = n+1, p
		}
	}
	if total <= alone {
		return 1
	}
	return n
}

// Texter is a kind whose rows may become SMS.
type Texter interface {
	// SMS says how the text of a row travels as SMS, were it sent; false when
	// it does not, or when that is not known before.
	SMS(row sources.Row) (SMS, bool)
}

// SMS implements Texter, for messages of plain text to SMS identities. What
// becomes of other messages, and of contacts, the API decides.
func (b *BulkSend) SMS(row sources.Row) (SMS, bool) {
	body, err := b.bound.Render(nil, row)
	if err != nil {
		return SMS{}, false
	}
	s := readSend(body)
	bySMS := false
	s.identities.ForEach(func(_, id gjson.Result) bool {
		bySMS = id.Get("channel").Str == "SMS"
		return !bySMS
	})
	text := s.text.Get("text")
	return SMSOf(text.String()), bySMS && text.Exists()
}
