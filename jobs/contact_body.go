package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
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
		VI ZU UNSPECIFIED`)

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
	if !slices.Contains(languages, f[1].String()) {
		return fmt.Errorf("language: %s is not a language of the API%s", shownCode(f[1]), hintAt(f[1].String(), languages))
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

func checkIdentity(id gjson.Result) error {
	channel, identity := id.Get("channel"), id.Get("identity").String()
	switch {
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

// withApp gives an app to the identities that need one and have none.
func withApp(body []byte, app string) ([]byte, error) {
	if app == "" {
		return body, nil
	}
	for i := len(gjson.GetBytes(body, "channel_identities").Array()) - 1; i >= 0; i-- { // what is behind keeps its place
		id := gjson.GetBytes(body, fmt.Sprintf("channel_identities.%d", i))
		if !slices.Contains(appChannels, id.Get("channel").String()) || id.Get("app_id").String() != "" {
			continue
		}
		with, err := setString([]byte(id.Raw), "app_id", id.Get("app_id"), app)
		if err != nil {
			return nil, err
		}
		body = slices.Concat(body[:id.Index], with, body[id.Index+len(id.Raw):])
	}
	return body, nil
}

// identityKey makes identities comparable: of numbers the digits count, and of
// channels that give everybody another identity with each app, the app.
func identityKey(id gjson.Result) string {
	key := id.Get("channel").String() + ":" + canonical(id.Get("identity").String())
	if app := id.Get("app_id").String(); app != "" {
		key += "@" + app
	}
	return key
}

// contactChange is what has to be sent so that a contact becomes as wanted: the
// members that differ, and a body of them. Both are empty when nothing does.
//
// Identities are added to those that are there, never taken away: a file that
// does not know of one says nothing against it.
func contactChange(want, have []byte) (mask []string, body []byte, err error) {
	current := gjson.ParseBytes(have)
	body = []byte{'{'}
	gjson.ParseBytes(want).ForEach(func(key, value gjson.Result) bool {
		name, raw := key.String(), value.Raw
		is := current.Get(gjson.Escape(name))
		switch {
		case name == "channel_identities":
			if raw = joinIdentities(is, value); raw == "" {
				return true
			}
		case sameMember(name, value, is):
			return true
		}
		if len(mask) > 0 {
			body = append(body, ',')
		}
		mask = append(mask, name)
		body = append(append(append(body, key.Raw...), ':'), raw...)
		return true
	})
	if len(mask) == 0 {
		return nil, nil, nil
	}
	return mask, append(body, '}'), nil
}

// joinIdentities returns the identities that are there with those that are
// wanted besides; "" when all of these are there.
func joinIdentities(is, want gjson.Result) string {
	known := map[string]bool{}
	var all []string
	for _, id := range is.Array() {
		known[identityKey(id)] = true
		all = append(all, id.Raw)
	}
	added := false
	for _, id := range want.Array() {
		if key := identityKey(id); !known[key] {
			known[key], added = true, true
			all = append(all, id.Raw)
		}
	}
	if !added {
		return ""
	}
	return "[" + strings.Join(all, ",") + "]"
}

// sameMember says whether a member is as wanted. Nothing, null and the empty
// text are the same; a contact without a name is called Unknown by the server.
func sameMember(name string, want, is gjson.Result) bool {
	if want.String() == "" && (is.String() == "" || name == "display_name" && is.String() == "Unknown") {
		return true
	}
	if want.Type == gjson.String || is.Type == gjson.String {
		return want.Type == is.Type && want.Str == is.Str
	}
	var a, b any
	return json.Unmarshal([]byte(want.Raw), &a) == nil && json.Unmarshal([]byte(is.Raw), &b) == nil && reflect.DeepEqual(a, b)
}
