package emulator

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Values that appear in many requests.
var (
	nonEmpty   = &shape{kind: text, min: 1}
	anyText    = &shape{kind: text}
	anyObject  = &shape{kind: object}
	channel    = &shape{kind: text, enum: channels}
	channelIDs = &shape{
		kind: list, min: 1,
		each: &shape{
			required: []string{"channel", "identity"},
			fields:   map[string]*shape{"channel": channel, "identity": nonEmpty, "app_id": anyText},
		},
	}
)

// sendRequest is the body of Messages_SendMessage.
var sendRequest = &shape{
	required: []string{"app_id", "recipient", "message"},
	fields: map[string]*shape{
		"app_id":                 nonEmpty,
		"recipient":              recipient,
		"message":                appMessage,
		"callback_url":           anyText,
		"channel_priority_order": {kind: list, each: channel},
		"channel_properties":     {each: &shape{kind: text, max: 1024}},
		"message_metadata":       {kind: text, max: 1024},
		"conversation_metadata":  {bytes: 2048},
		"queue":                  {kind: text, enum: []string{"NORMAL_PRIORITY", "HIGH_PRIORITY"}},
		"ttl":                    {kind: text, check: checkTTL},
		"processing_strategy":    {kind: text, enum: []string{"DEFAULT", "DISPATCH_ONLY"}},
		"correlation_id":         {kind: text, max: 128, newer: true},
		"message_content_type": {
			kind: text, enum: []string{"CONTENT_UNKNOWN", "CONTENT_MARKETING", "CONTENT_NOTIFICATION"}, newer: true,
		},
		"conversation_metadata_update_strategy": {kind: text, enum: []string{"REPLACE", "MERGE_PATCH"}, newer: true},
	},
}

var recipient = &shape{
	one: []string{"contact_id", "identified_by"},
	fields: map[string]*shape{
		"contact_id": nonEmpty,
		"identified_by": {
			required: []string{"channel_identities"},
			fields:   map[string]*shape{"channel_identities": channelIDs},
		},
	},
}

// checkTTL: whole seconds from 3 on, with the unit.
func checkTTL(v gjson.Result) string {
	digits, found := strings.CutSuffix(v.Str, "s")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !found || err != nil || n < 3 || n > 315_576_000_000 {
		return "must be 3s to 315576000000s"
	}
	return ""
}

// appMessage is what an app can say. Exactly one type, and the required
// fields and counts of each.
var appMessage = &shape{
	one: []string{
		"text_message", "media_message", "card_message", "carousel_message", "choice_message", "location_message",
		"template_message", "list_message", "contact_info_message",
	},
	fields: map[string]*shape{
		"text_message":                  textMessage,
		"media_message":                 mediaMessage,
		"card_message":                  cardMessage,
		"carousel_message":              carouselMessage,
		"choice_message":                choiceMessage,
		"location_message":              locationMessage,
		"template_message":              templateMessage,
		"list_message":                  listMessage,
		"contact_info_message":          {required: []string{"name", "phone_numbers"}, newer: true},
		"explicit_channel_message":      anyObject,
		"channel_specific_message":      {newer: true},
		"explicit_channel_omni_message": {newer: true},
		"agent":                         {newer: true},
		"reply_to":                      {required: []string{"message_id"}, newer: true},
		"additionalProperties":          anyObject, // the older specification's name, taken literally
	},
}

var (
	textMessage = &shape{required: []string{"text"}, fields: map[string]*shape{"text": nonEmpty}}

	mediaMessage = &shape{
		required: []string{"url"},
		fields: map[string]*shape{
			"url": nonEmpty, "thumbnail_url": anyText, "filename_override": {kind: text, newer: true}, "caption": anyText,
		},
	}

	locationMessage = &shape{
		required: []string{"coordinates", "title"},
		fields: map[string]*shape{
			"title": anyText, "label": anyText,
			"coordinates": {
				required: []string{"latitude", "longitude"},
				fields:   map[string]*shape{"latitude": {kind: number}, "longitude": {kind: number}},
			},
		},
	}

	choice = &shape{
		one: []string{
			"text_message", "url_message", "call_message", "location_message", "calendar_message", "share_location_message",
		},
		fields: map[string]*shape{
			"text_message":           textMessage,
			"url_message":            {required: []string{"title", "url"}},
			"call_message":           {required: []string{"title", "phone_number"}},
			"location_message":       locationMessage,
			"calendar_message":       {newer: true},
			"share_location_message": {newer: true},
			"postback_data":          anyText,
			"display_mode":           {kind: text, newer: true},
		},
	}

	choiceMessage = &shape{
		required: []string{"choices"},
		fields: map[string]*shape{
			"choices": {kind: list, min: 1, max: 10, each: choice}, "text_message": textMessage,
			"message_properties": {newer: true},
		},
	}

	cardMessage = &shape{
		fields: map[string]*shape{
			"title": anyText, "description": anyText, "media_message": mediaMessage,
			"choices":            {kind: list, max: 10, each: choice},
			"height":             {kind: text, enum: []string{"UNSPECIFIED_HEIGHT", "SHORT", "MEDIUM", "TALL"}},
			"message_properties": {newer: true},
		},
	}

	carouselMessage = &shape{
		required: []string{"cards"},
		fields: map[string]*shape{
			"cards":   {kind: list, min: 1, max: 10, each: cardMessage},
			"choices": {kind: list, max: 3, each: choice},
		},
	}

	listMessage = &shape{
		required: []string{"title", "sections"},
		fields: map[string]*shape{
			"title": anyText, "description": anyText, "message_properties": anyObject, "media": mediaMessage,
			"sections": {kind: list, min: 1, each: &shape{
				required: []string{"items"},
				fields: map[string]*shape{
					"title": anyText,
					"items": {kind: list, min: 1, each: &shape{one: []string{"choice", "product"}}},
				},
			}},
		},
	}

	templateReference = &shape{
		required: []string{"template_id"},
		fields: map[string]*shape{
			"template_id": nonEmpty, "version": anyText, "language_code": anyText, "parameters": {each: anyText},
		},
	}

	templateMessage = &shape{
		fields: map[string]*shape{
			"channel_template": {each: templateReference},
			"omni_template": {
				required: []string{"template_id", "version"},
				fields:   templateReference.fields,
			},
		},
		check: func(v gjson.Result) string {
			if !v.Get("channel_template").Exists() && !v.Get("omni_template").Exists() {
				return "must have channel_template or omni_template"
			}
			return ""
		},
	}
)
