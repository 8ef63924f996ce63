package jobs

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// contactChange is what has to be sent so that a contact becomes as wanted: the
// members that differ, and a body of them. Both are empty when nothing does.
//
// Identities are added to those that are there, never taken away: a file that
// does not know of one says nothing against it.
func contactChange(want, have []byte) (mask []string, body []byte) {
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
		case name == "channel_priority":
			if samePriority(value, is, gjson.GetBytes(want, "channel_identities"), current.Get("channel_identities")) {
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
		return nil, nil
	}
	return mask, append(body, '}')
}

// joinIdentities returns the identities that are there with those that are
// wanted besides; "" when all of these are there.
func joinIdentities(is, want gjson.Result) string {
	all := is.Array()
	there := len(all)
	for _, id := range want.Array() {
		if !hasIdentity(all, id) {
			all = append(all, id)
		}
	}
	if len(all) == there {
		return ""
	}
	raw := make([]string, len(all))
	for i, id := range all {
		raw[i] = id.Raw
	}
	return "[" + strings.Join(raw, ",") + "]"
}

// hasIdentity says whether an identity is among others. Of numbers the digits
// count; where somebody has another identity with each app, the app does, as
// far as it is said.
func hasIdentity(all []gjson.Result, id gjson.Result) bool {
	channel, identity, app := id.Get("channel").String(), canonical(id.Get("identity").String()), id.Get("app_id").String()
	return slices.ContainsFunc(all, func(other gjson.Result) bool {
		if other.Get("channel").String() != channel || canonical(other.Get("identity").String()) != identity {
			return false
		}
		theirs := other.Get("app_id").String()
		return app == theirs || app == "" || theirs == "" || !slices.Contains(appChannels, channel)
	})
}

// samePriority says whether the channels are tried in the order that is wanted.
// The server leaves out channels without an identity, and puts those that are
// not named at the end.
func samePriority(want, is, wanted, there gjson.Result) bool {
	reached := wanted.Get("#.channel").Array()
	reached = append(reached, there.Get("#.channel").Array()...)
	var order []string
	for _, channel := range want.Array() {
		if slices.ContainsFunc(reached, func(r gjson.Result) bool { return r.String() == channel.String() }) {
			order = append(order, channel.String())
		}
	}
	for i, channel := range is.Array() {
		if i < len(order) && order[i] != channel.String() {
			return false
		}
	}
	return len(is.Array()) >= len(order)
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
