package jobs

import (
	"slices"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"
)

// compare finds what has to be sent so that a thing becomes as wanted. Members
// that the row does not have stay as they are. Of a secret that the server does
// not show it can not be told whether it differs: it does.
func (s *sortOfThing) compare(w wanted, is thing) (change, error) {
	have, want := gjson.ParseBytes(is.body), gjson.ParseBytes(w.body)
	c := change{id: is.id}
	var body members
	var err error
	want.ForEach(func(key, value gjson.Result) bool {
		name := key.String()
		raw, same := s.member(name, have.Get(gjson.Escape(name)), value)
		switch {
		case same:
		case hidesSecret(raw):
			err = vain("%s: the server does not show a secret that is there and would be lost: give it in the request, too", name)
		default:
			c.mask = append(c.mask, name)
			body.add(key.Raw, raw)
		}
		return err == nil
	})
	if err != nil || len(c.mask) == 0 {
		return c, err
	}
	for _, name := range s.along {
		member := want.Get(name)
		if !member.Exists() {
			member = have.Get(name)
		}
		if member.Exists() && !slices.Contains(c.mask, name) {
			body.add(`"`+name+`"`, member.Raw)
		}
	}
	c.body = body.object()
	return c, nil
}

// member returns what has to be sent of a member, and whether it is as wanted.
// The API replaces members whole, so what the row does not speak of goes along.
func (s *sortOfThing) member(name string, have, want gjson.Result) (raw string, same bool) {
	switch {
	case s.ofApp && name == "app_id":
		return want.Raw, true // by which it was found
	case name == "channel_credentials" && want.IsArray():
		return joinCredentials(have, want)
	}
	return overlaid(have, want), covers(have, want)
}

// covers says whether a value is as wanted. Of objects the wanted members
// count, lists count whole, though not the order of a list of texts: the API
// has none that means something by it. What is left out is as good as empty.
func covers(have, want gjson.Result) bool {
	switch {
	case want.IsObject():
		same := have.IsObject() || isBlank(have)
		want.ForEach(func(key, value gjson.Result) bool {
			same = same && covers(have.Get(gjson.Escape(key.String())), value)
			return same
		})
		return same
	case want.IsArray():
		w, h := elements(want), elements(have)
		return (have.IsArray() || isBlank(have)) && slices.EqualFunc(h, w, covers)
	}
	return have.String() == want.String() || isBlank(have) && isBlank(want)
}

// elements are those of a list, in order if they are texts.
func elements(list gjson.Result) []gjson.Result {
	all := list.Array()
	if !slices.ContainsFunc(all, func(v gjson.Result) bool { return v.Type != gjson.String }) {
		slices.SortFunc(all, func(a, b gjson.Result) int { return strings.Compare(a.Str, b.Str) })
	}
	return all
}

// isBlank says of a value that a server may leave it out.
func isBlank(v gjson.Result) bool {
	switch v.Type {
	case gjson.Null, gjson.False:
		return true
	case gjson.Number:
		return v.Num == 0
	case gjson.String:
		return v.Str == ""
	}
	return false
}

// overlaid is an object that is there, with what is wanted in its place; of
// anything else what is wanted.
func overlaid(have, want gjson.Result) string {
	if !have.IsObject() || !want.IsObject() {
		return want.Raw
	}
	var all members
	have.ForEach(func(key, value gjson.Result) bool {
		raw := value.Raw
		if w := want.Get(gjson.Escape(key.String())); w.Exists() {
			raw = overlaid(value, w)
		}
		all.add(key.Raw, raw)
		return true
	})
	want.ForEach(func(key, value gjson.Result) bool {
		if !have.Get(gjson.Escape(key.String())).Exists() {
			all.add(key.Raw, value.Raw)
		}
		return true
	})
	return string(all.object())
}

// joinCredentials puts what is wanted of a channel in the place of what it has.
// Channels of which the row does not speak keep their credentials, and all keep
// their order, which is their priority.
func joinCredentials(have, want gjson.Result) (raw string, same bool) {
	wanted, same := map[string]gjson.Result{}, true
	for _, w := range want.Array() {
		wanted[credentialKey(w)] = w
	}
	var all []string
	known := map[string]bool{}
	for _, h := range have.Array() {
		key := credentialKey(h)
		known[key] = true
		if w, ok := wanted[key]; ok {
			all, same = append(all, w.Raw), same && covers(h, w)
			continue
		}
		all = append(all, withoutReadOnly(h))
	}
	for _, w := range want.Array() {
		if !known[credentialKey(w)] {
			all, same = append(all, w.Raw), false
		}
	}
	return "[" + strings.Join(all, ",") + "]", same
}

// credentialKey tells the credentials of an app apart: a channel has one, LINE
// may have several by number.
func credentialKey(credential gjson.Result) string {
	return credential.Get("channel").String() + "#" + strings.TrimPrefix(credential.Get("credential_ordinal_number").String(), "0")
}

// withoutReadOnly is a credential as it can be sent back.
func withoutReadOnly(credential gjson.Result) string {
	var all members
	credential.ForEach(func(key, value gjson.Result) bool {
		if name := key.String(); name != "state" && name != "channel_known_id" {
			all.add(key.Raw, value.Raw)
		}
		return true
	})
	return string(all.object())
}

// hidesSecret says whether a secret is missing in what would be sent: a text
// without a letter or a digit is what some server shows in its place.
func hidesSecret(raw string) bool {
	return slices.ContainsFunc(secretsOf([]byte(raw)), func(secret string) bool {
		return !strings.ContainsFunc(secret, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
	})
}

// members is an object that is being put together.
type members []byte

// add adds a member. Both key and value are JSON.
func (m *members) add(key, value string) {
	*m = append(append(append(append(*m, ','), key...), ':'), value...)
}

func (m members) object() []byte {
	if len(m) == 0 {
		return []byte("{}")
	}
	m[0] = '{'
	return append(m, '}')
}
