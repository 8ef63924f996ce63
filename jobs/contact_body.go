package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// channels are those of the API; languages its codes.
var (
	channels = strings.Fields("SMS RCS WHATSAPP MMS KAKAOTALK KAKAOTALKCHAT VIBERBM VIBER LINE INSTAGRAM MESSENGER WECHAT TELEGRAM APPLEBC")

	languages = strings.Fields(`AF SQ AR AZ BN BG CA ZH ZH_CN ZH_HK ZH_TW HR CS DA NL EN EN_GB EN_US ET FIL FI FR DE EL GU HA HE HI HU
		ID GA IT JA KN KK KO LO LV LT MK MS ML MR NB FA PL PT PT_BR PT_PT PA RO RU SR SK SL ES ES_AR ES_ES ES_MX SW SV TA TE TH TR UK UR UZ
		VI ZU`)

	// appChannels are those where somebody has another identity with each app.
	appChannels = strings.Fields("MESSENGER INSTAGRAM LINE WECHAT VIBER APPLEBC")
)

// checkContact looks for what the API would refuse: it is said before anything
// is sent. The words name the place, never the identity.
func checkContact(body []byte) error {
	f := gjson.GetManyBytes(body, "channel_identities", "language", "metadata", "channel_priority")
	if len(f[0].Array()) == 0 {
		return errors.New("channel_identities: a contact needs one at least")
	}
	for i, id := range f[0].Array() {
		if err := checkIdentity(id); err != nil {
			return fmt.Errorf("channel_identities[%d]: %w", i, err)
		}
	}
	if err := checkLanguage(f[1]); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(f[2].String()); n > maxMetadata {
		return fmt.Errorf("metadata has %d characters, %d are allowed", n, maxMetadata)
	}
	for _, c := range f[3].Array() {
		if !slices.Contains(channels, c.String()) {
			return fmt.Errorf("channel_priority: %s is not a channel of the API%s", shownCode(c), hintAt(c.String(), channels))
		}
	}
	return nil
}

func checkLanguage(v gjson.Result) error {
	switch language := v.String(); {
	case language == "":
		return errors.New("language is empty: the API creates no contact without one")
	case language == "UNSPECIFIED":
		return errors.New("language is UNSPECIFIED, which the API answers and does not take: give a language")
	case !slices.Contains(languages, language):
		return fmt.Errorf("language: %s is not a language of the API%s", shownCode(v), hintAt(language, languages))
	}
	return nil
}

func checkIdentity(id gjson.Result) error {
	channel, identity := id.Get("channel"), id.Get("identity").String()
	switch {
	case channel.String() == "":
		return errors.New("the channel is empty")
	case !slices.Contains(channels, channel.String()):
		return fmt.Errorf("%s is not a channel of the API%s", shownCode(channel), hintAt(channel.String(), channels))
	case identity == "":
		return fmt.Errorf("the %s identity is empty", channel)
	case numberChannels[channel.String()]:
		if problem := numberProblem(identity); problem != "" {
			return fmt.Errorf("the %s identity is not a phone number in international form: %s", channel, problem)
		}
	case slices.Contains(appChannels, channel.String()) && id.Get("app_id").String() == "":
		return fmt.Errorf("the %s identity belongs to an app: give app_id beside it, or app to the job", channel)
	}
	return nil
}

// shownCode is a code that a row has, which may be anything: it is not shown
// when it is too long for one.
func shownCode(v gjson.Result) string {
	if s := v.String(); len(s) <= 12 {
		return fmt.Sprintf("%q", s)
	}
	return "the value"
}

// withApp gives an app to the identities that need one and have none, or with
// all to those that have another as well.
func withApp(body []byte, app string, all bool) ([]byte, error) {
	if app == "" {
		return body, nil
	}
	for i := len(gjson.GetBytes(body, "channel_identities").Array()) - 1; i >= 0; i-- { // what is behind keeps its place
		id := gjson.GetBytes(body, fmt.Sprintf("channel_identities.%d", i))
		if !slices.Contains(appChannels, id.Get("channel").String()) || id.Get("app_id").String() != "" && !all {
			continue
		}
		with, err := setString([]byte(id.Raw), "app_id", gjson.Get(id.Raw, "app_id"), app)
		if err != nil {
			return nil, err
		}
		body = slices.Concat(body[:id.Index], with, body[id.Index+len(id.Raw):])
	}
	return body, nil
}

// contactMembers are what can be written of a contact.
var contactMembers = []string{"channel_identities", "channel_priority", "display_name", "email", "external_id", "language", "metadata"}

// writable is what can be written of a contact that the API answered. What is
// empty there is left out: it is nothing to be carried.
func writable(contact string) ([]byte, error) {
	if !isObject(contact) {
		return nil, errors.New("contact is not a JSON object, as the body of an exported contact is")
	}
	body := []byte{'{'}
	for _, name := range contactMembers {
		v := gjson.Get(contact, name)
		if empty := v.String() == "" || v.Raw == "[]"; empty {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(append(body, `"`+name+`":`...), v.Raw...)
	}
	return append(body, '}'), nil
}
