package emulator

import "github.com/tidwall/gjson"

// What the API says where nothing was said.
const (
	unnamed     = "Unknown"
	unspecified = "UNSPECIFIED" // read only
)

// contactFields are what a PATCH can change.
var contactFields = []string{
	"channel_identities", "channel_priority", "display_name", "email", "external_id", "language", "metadata",
}

var contactLanguages = []string{
	"AF", "SQ", "AR", "AZ", "BN", "BG", "CA", "ZH", "ZH_CN", "ZH_HK", "ZH_TW", "HR", "CS", "DA", "NL", "EN", "EN_GB",
	"EN_US", "ET", "FIL", "FI", "FR", "DE", "EL", "GU", "HA", "HE", "HI", "HU", "ID", "GA", "IT", "JA", "KN", "KK", "KO",
	"LO", "LV", "LT", "MK", "MS", "ML", "MR", "NB", "FA", "PL", "PT", "PT_BR", "PT_PT", "PA", "RO", "RU", "SR", "SK", "SL",
	"ES", "ES_AR", "ES_ES", "ES_MX", "SW", "SV", "TA", "TE", "TH", "TR", "UK", "UR", "UZ", "VI", "ZU",
}

// contactRequest is the body of Contact_CreateContact.
var contactRequest = &shape{
	required: []string{"channel_identities", "language"},
	fields:   contactShapes(),
}

// contactPatch is the body of Contact_UpdateContact: a contact as it was read,
// or any part of one.
var contactPatch = &shape{fields: func() map[string]*shape {
	fields := contactShapes()
	fields["id"] = anyText
	return fields
}()}

func contactShapes() map[string]*shape {
	return map[string]*shape{
		"channel_identities": {kind: list, min: 1, each: ownIdentity},
		"channel_priority":   {kind: list, each: channel},
		"display_name":       anyText,
		"email":              anyText,
		"external_id":        anyText,
		"language":           {kind: text, enum: contactLanguages},
		"metadata":           {kind: text, max: 1024},
	}
}

// ownIdentity is an identity that a contact is to have.
var ownIdentity = &shape{
	required: channelIDs.each.required, fields: channelIDs.each.fields,
	check: func(v gjson.Result) string {
		if name := v.Get("channel").Str; isScoped(name) && v.Get("app_id").Str == "" {
			return "must have an app_id, since identities of " + name + " belong to an app"
		}
		return ""
	},
}

// mergeRequest is the body of Contact_MergeContact.
var mergeRequest = &shape{
	required: []string{"source_id"},
	fields:   map[string]*shape{"source_id": nonEmpty, "strategy": {kind: text, enum: []string{"MERGE"}}},
}

// profileRequest is the body of Contact_GetChannelProfile.
var profileRequest = &shape{
	required: []string{"app_id", "recipient", "channel"},
	fields: map[string]*shape{
		"app_id": nonEmpty, "recipient": recipient,
		"channel": {kind: text, enum: []string{"MESSENGER", "INSTAGRAM", "VIBER", "LINE"}},
	},
}
