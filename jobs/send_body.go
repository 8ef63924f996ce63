package jobs

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// sendBody is the body of a messages:send, gone through once for all that has
// to be known of it before it goes out.
type sendBody struct {
	json []byte

	contact    gjson.Result // the recipient: a contact, or
	identities gjson.Result // channel identities

	text, metadata, correlation, strategy, content gjson.Result // text: the text_message
}

func readSend(body []byte) sendBody {
	s := sendBody{json: body}
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "recipient":
			s.contact, s.identities = value.Get("contact_id"), value.Get("identified_by.channel_identities")
		case "message":
			s.text = value.Get("text_message")
		case "message_metadata":
			s.metadata = value
		case "correlation_id":
			s.correlation = value
		case "processing_strategy":
			s.strategy = value
		case "message_content_type":
			s.content = value
		}
		return true
	})
	return s
}

// dispatchOnly is the processing_strategy of a message that is sent in DISPATCH
// mode whatever the mode of the app, which excludes correlation_id.
const dispatchOnly = "DISPATCH_ONLY"

func (s *sendBody) dispatchOnly() bool { return s.strategy.Str == dispatchOnly }

// numberChannels are the channels whose identities are phone numbers.
var numberChannels = map[string]bool{"SMS": true, "RCS": true, "MMS": true, "WHATSAPP": true, "VIBERBM": true}

// check looks for what the API would refuse: it is said before anything is
// sent. The words name the place, never the identity or the text.
func (s *sendBody) check() error {
	if err := s.checkRecipient(); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(s.metadata.String()); n > maxMetadata {
		return fmt.Errorf("message_metadata has %d characters, %d are allowed", n, maxMetadata)
	}
	if n := utf8.RuneCountInString(s.correlation.String()); n > maxCorrelation {
		return fmt.Errorf("correlation_id has %d characters, %d are allowed", n, maxCorrelation)
	}
	if s.text.Exists() && s.text.Get("text").String() == "" {
		return errors.New("message.text_message: the text is empty")
	}
	return nil
}

func (s *sendBody) checkRecipient() error {
	var err error
	some := false
	s.identities.ForEach(func(_, id gjson.Result) bool {
		some = true
		channel, identity := id.Get("channel").String(), id.Get("identity").String()
		if identity == "" {
			err = fmt.Errorf("recipient: the %s identity is empty", channel)
		} else if numberChannels[channel] {
			if problem := numberProblem(identity); problem != "" {
				err = fmt.Errorf("recipient: the %s identity is not a phone number in international form: %s", channel, problem)
			}
		}
		return err == nil
	})
	if !some && !s.contact.Exists() {
		return errors.New("recipient: neither a contact_id nor a channel identity")
	}
	return err
}

// numberProblem says why s can not be an E.164 number; empty when it can.
// Spaces and the like are not removed: what is sent is what the file says.
func numberProblem(s string) string {
	digits := s
	if digits[0] == '+' {
		digits = digits[1:]
	}
	for _, r := range digits {
		if r < '0' || r > '9' {
			return fmt.Sprintf("it holds %q", r)
		}
	}
	switch {
	case len(digits) < 7 || len(digits) > 15:
		return fmt.Sprintf("it has %d digits, 7 to 15 are possible", len(digits))
	case digits[0] == '0':
		return "it begins with 0 where the country code belongs"
	}
	return ""
}
