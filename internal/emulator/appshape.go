package emulator

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
)

const expirePolicy = "MESSAGE_EXPIRE_POLICY"

// olderAppFields are what a PATCH of an app can change, newerAppFields what a
// server of ProfileOld does not know.
var (
	olderAppFields = []string{
		"display_name", "channel_credentials", "conversation_metadata_report_view", "processing_mode",
		"retention_policy", "dispatch_retention_policy", "smart_conversation",
	}
	newerAppFields = []string{
		"persist_message_status", "message_search", "callback_settings", "delivery_report_based_fallback",
		"message_retry_settings",
	}
)

// appFields gives a list of the caller's own.
func (e *Emulator) appFields() []string {
	if e.options.Profile == ProfileOld {
		return slices.Clone(olderAppFields)
	}
	return slices.Concat(olderAppFields, newerAppFields)
}

// appRequest is the body of App_CreateApp, appPatch that of App_UpdateApp.
var (
	appRequest = &shape{required: []string{"display_name", "channel_credentials"}, fields: appShapes}
	appPatch   = &shape{oldRequired: []string{"display_name"}, fields: appShapes}
)

var appShapes = map[string]*shape{
	"display_name":                      nonEmpty,
	"channel_credentials":               {kind: list, each: credential, check: checkCredentials},
	"conversation_metadata_report_view": {kind: text, enum: []string{"NONE", "FULL"}},
	"processing_mode":                   processingMode,
	"retention_policy": {fields: map[string]*shape{
		"retention_type": {kind: text, enum: []string{expirePolicy, "CONVERSATION_EXPIRE_POLICY", "PERSIST_RETENTION_POLICY"}},
		"ttl_days":       whole(1, 3650),
	}},
	"dispatch_retention_policy": {fields: map[string]*shape{
		"retention_type": {kind: text, enum: []string{expirePolicy}},
		"ttl_days":       whole(0, 7),
	}},
	"smart_conversation":     {fields: map[string]*shape{"enabled": {kind: boolean}}},
	"persist_message_status": {fields: map[string]*shape{"enabled": {kind: boolean}}, newer: true},
	"message_search":         {fields: map[string]*shape{"enabled": {kind: boolean}}, newer: true},
	"callback_settings":      {fields: map[string]*shape{"secret_for_overridden_callback_urls": anyText}, newer: true},
	"delivery_report_based_fallback": {
		fields: map[string]*shape{"enabled": {kind: boolean}, "delivery_report_waiting_time": whole(10, 259_200)}, newer: true,
	},
	"message_retry_settings": {fields: map[string]*shape{"retry_duration": whole(30, 3600)}, newer: true},
}

var processingMode = &shape{kind: text, enum: []string{ModeConversation, ModeDispatch}}

// whole is a whole number within bounds.
func whole(low, high int64) *shape {
	return &shape{kind: number, check: func(v gjson.Result) string {
		if n := v.Int(); float64(n) != v.Num || n < low || n > high {
			return fmt.Sprintf("must be a whole number of %d to %d", low, high)
		}
		return ""
	}}
}

// readOnly is a field that answers have and requests must not.
var readOnly = &shape{kind: anything, check: func(gjson.Result) string { return "is read-only" }}

// texts are an object of texts, of which some are required.
func texts(required []string, others ...string) *shape {
	s := &shape{required: required, fields: map[string]*shape{}}
	for _, name := range required {
		s.fields[name] = nonEmpty
	}
	for _, name := range others {
		s.fields[name] = anyText
	}
	return s
}

func newerOnly(s *shape) *shape { s.newer = true; return s }

var lineCountry = texts([]string{"token", "secret"})

// credential is how an app reaches one channel.
var credential = &shape{
	required: []string{"channel"},
	check:    checkCredential,
	fields: map[string]*shape{
		"channel":               channel,
		"callback_secret":       {kind: text, max: 256},
		"static_bearer":         texts([]string{"claimed_identity", "token"}),
		"static_token":          texts([]string{"token"}),
		"telegram_credentials":  texts([]string{"token"}),
		"kakaotalk_credentials": texts([]string{"kakaotalk_plus_friend_id", "kakaotalk_sender_key"}),
		"wechat_credentials":    texts([]string{"app_id", "app_secret", "token", "aes_key"}),
		"mms_credentials": {required: []string{"account_id", "api_key"}, fields: map[string]*shape{
			"account_id": nonEmpty, "api_key": nonEmpty, "basic_auth": texts([]string{"username", "password"}),
		}},
		"line_credentials": {required: []string{"token", "secret"}, fields: map[string]*shape{
			"token": nonEmpty, "secret": nonEmpty, "is_default": {kind: boolean, newer: true},
		}},
		"line_enterprise_credentials": {one: []string{"line_japan", "line_thailand"}, newer: true, fields: map[string]*shape{
			"line_japan": lineCountry, "line_thailand": lineCountry, "is_default": {kind: boolean},
		}},
		"instagram_credentials": newerOnly(texts([]string{"token"}, "business_account_id")),
		"applebc_credentials": newerOnly(texts([]string{"business_chat_account_id"},
			"merchant_id", "apple_pay_certificate_reference", "apple_pay_certificate_password")),
		"kakaotalkchat_credentials": newerOnly(texts([]string{"kakaotalk_plus_friend_id"}, "api_key")),
		"credential_ordinal_number": newerOnly(whole(0, 255)),
		"state":                     readOnly,
		"channel_known_id":          readOnly,
	},
}

// credentialsOf are the objects that a channel can not do without, any of
// them.
var credentialsOf = map[string][]string{
	"MMS": {"mms_credentials"}, "KAKAOTALK": {"kakaotalk_credentials"}, "TELEGRAM": {"telegram_credentials"},
	"WECHAT": {"wechat_credentials"}, "LINE": {"line_credentials", "line_enterprise_credentials"},
}

func checkCredential(v gjson.Result) string {
	name := v.Get("channel").Str
	needed := credentialsOf[name]
	if needed != nil && !slices.ContainsFunc(needed, func(field string) bool { return v.Get(field).IsObject() }) {
		return fmt.Sprintf("must have %s, as every credential of %s", needed[0], name)
	}
	if v.Get("credential_ordinal_number").Int() != 0 && name != "LINE" {
		return "can have a credential_ordinal_number on LINE alone"
	}
	return ""
}

// checkCredentials: a channel has one credential; LINE one for each number.
func checkCredentials(v gjson.Result) string {
	seen := make(map[string]bool)
	for _, x := range v.Array() {
		key := x.Get("channel").Str + x.Get("credential_ordinal_number").Raw
		if x.Get("credential_ordinal_number").Int() == 0 {
			key = x.Get("channel").Str
		}
		if seen[key] {
			return "has two credentials of one channel"
		}
		seen[key] = true
	}
	return ""
}

// bornCredentials are those of the first app: a secret in each, which follows
// from the seed, so that a test can look where it must not turn up.
func bornCredentials(o Options) string {
	j := compact()
	j.openList()
	for i, of := range [...]struct{ channel, object, name, secret string }{
		{"WHATSAPP", "static_bearer", "claimed_identity", "token"}, {"RCS", "static_bearer", "claimed_identity", "token"},
		{"SMS", "static_bearer", "claimed_identity", "token"}, {"MMS", "mms_credentials", "account_id", "api_key"},
		{"MESSENGER", "static_token", "", "token"}, {"INSTAGRAM", "static_token", "", "token"},
		{"TELEGRAM", "telegram_credentials", "", "token"}, {"VIBERBM", "static_bearer", "claimed_identity", "token"},
	} {
		j.item().open()
		j.key("channel").text(of.channel)
		j.key(of.object).open()
		if of.name != "" {
			j.key(of.name).text(fmt.Sprintf("account-%d", i+1))
		}
		j.key(of.secret).text(fmt.Sprintf("secret-%016x", hash(o.Seed, kindSecret, i+2)))
		j.close()
		if o.ExtraFields {
			j.key(extraField).raw(extraValue)
		}
		j.close()
	}
	j.closeList()
	return string(j.b)
}
