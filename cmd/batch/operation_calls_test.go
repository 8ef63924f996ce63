package main

import (
	"math"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
	"convbatch/ratelimit"
)

// newAPI is a client of an emulator that no network is between.
func newAPI(t *testing.T, e *emulator.Emulator) *client.Client {
	t.Helper()
	info := e.Info("http://127.0.0.1")
	api, err := client.New(client.Config{
		Project: info.Project, Region: "eu", KeyID: info.KeyID, KeySecret: client.Secret(info.KeySecret),
		URLs:            client.URLs(info.URLs),
		Transport:       e.Transport(),
		Backoff:         func() client.Backoff { return ratelimit.NewBackoff(time.Millisecond, time.Millisecond) },
		ParseRetryAfter: ratelimit.ParseRetryAfter,
	})
	require.NoError(t, err)
	return api.For(ratelimit.New(math.Inf(1)))
}

// requests are the bodies of calls; <name> is one of the things.
var requests = map[string]string{
	"Messages_SendMessage":                   `{"app_id":"<app_id>","recipient":<somebody>,"message":<message>}`,
	"Messages_UpdateMessageMetadata":         `{"metadata":"seen"}`,
	"Messages_ListMessagesByChannelIdentity": `{"contact_ids":["<contact_id>"]}`,
	"Transcoding_TranscodeMessage":           `{"app_id":"<app_id>","app_message":<message>,"channels":["SMS"]}`,

	"App_CreateApp": `{"display_name":"Second","channel_credentials":[{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"t"}}]}`,
	"App_UpdateApp": `{"display_name":"Another name"}`,

	"Webhooks_CreateWebhook": `{"app_id":"<app_id>","target":"https://example.com/hook","target_type":"HTTP","triggers":["MESSAGE_DELIVERY"]}`,
	"Webhooks_UpdateWebhook": `{"app_id":"<app_id>","target":"https://example.com/other","target_type":"HTTP","triggers":["MESSAGE_DELIVERY"]}`,

	"Contact_CreateContact":     `{"channel_identities":[{"channel":"SMS","identity":"+46731110000"}],"language":"SV"}`,
	"Contact_UpdateContact":     `{"display_name":"Ada"}`,
	"Contact_MergeContact":      `{"source_id":"<new_contact>","strategy":"MERGE"}`,
	"Contact_GetChannelProfile": `{"app_id":"<app_id>","channel":"MESSENGER","recipient":{"identified_by":{"channel_identities":[{"channel":"MESSENGER","identity":"7001"}]}}}`,

	"Conversation_CreateConversation": `{"app_id":"<app_id>","contact_id":"<new_contact>"}`,
	"Conversation_UpdateConversation": `{"metadata_json":{"reviewed":"yes"}}`,
	"Conversation_InjectMessage": `{"channel_identity":{"channel":"SMS","identity":"+461"},"contact_id":"<conversing>","direction":"TO_APP",` +
		`"accept_time":"<an_hour_ago>","contact_message":<message>}`,

	"Events_SendEvent":   `{"app_id":"<app_id>","recipient":<somebody>,"event":{"composing_event":{}}}`,
	"Events_InjectEvent": `{"accept_time":"<an_hour_ago>","app_event":{"composing_event":{}}}`,

	"OptIn_RegisterOptIn":        `{"app_id":"<app_id>","recipient":<somebody>,"channels":["SMS"]}`,
	"OptIn_RegisterOptOut":       `{"app_id":"<app_id>","recipient":<somebody>,"channels":["SMS"]}`,
	"Capability_QueryCapability": `{"app_id":"<app_id>","recipient":<somebody>}`,

	"ProjectSettings_CreateSettings": `{"contact_settings":{"unified_contact_id_enabled":true}}`,
	"ProjectSettings_UpdateSettings": `{"contact_settings":{"unified_contact_id_enabled":false}}`,

	"Batch_SendBatch": `{"app_id":"<app_id>","message":<message>,"recipient_and_params":[{"recipient":<somebody>}],` +
		`"batch_metadata":{"campaign":"spring"},"send_after":"<in_an_hour>"}`,
	"Batch_CancelBatch":    `{"batch_id":"<batch_id>"}`,
	"Batch_CreateContacts": `{"contacts":[{"channel_identities":[{"channel":"SMS","identity":"+46731110000"}],"language":"SV"}]}`,
	"Batch_DeleteContacts": `{"contact_ids":["<contact_id>"]}`,
	"Batch_InsertConsents": `{"app_id":"<app_id>","consent_records":[{"identification":"+46731110000"}]}`,
}

// queries are what calls ask besides pages.
var queries = map[string]string{
	"Messages_GetMessage":                        `{"messages_source":"CONVERSATION_SOURCE"}`,
	"Messages_ListMessages":                      `{"app_id":"<app_id>","direction":"TO_CONTACT","view":"WITHOUT_METADATA"}`,
	"Contact_UpdateContact":                      `{"update_mask":"display_name"}`,
	"Conversation_ListConversations":             `{"app_id":"<app_id>"}`,
	"Conversation_ListRecentConversations":       `{"app_id":"<app_id>","order":"ASC"}`,
	"Conversation_UpdateConversation":            `{"metadata_update_strategy":"MERGE_PATCH"}`,
	"Events_ListEvents":                          `{"conversation_id":"<conversation_id>"}`,
	"OptIn_RegisterOptOut":                       `{"request_id":"once"}`,
	"Batch_GetBatchStatusByMetadata":             `{"meta_data.campaign":"spring"}`,
	"WhatsappTemplatesController_getTemplate_v1": `{"fieldMask":["name","language"]}`,
	"RcsQuestionnaireController_getQuestions_v1": `{"countries":["SE","GB"]}`,
}

// before are the operations that have to be called before another finds something.
var before = map[string][]string{
	"Webhooks_ListWebhooks":          {"Webhooks_CreateWebhook"},
	"Contact_ListIdentityConflicts":  {"Contact_CreateContact", "Contact_CreateContact"},
	"Events_ListEvents":              {"Events_InjectEvent"},
	"Consents_GetConsents":           {"Batch_InsertConsents"},
	"ProjectSettings_GetSettings":    {"ProjectSettings_CreateSettings"},
	"ProjectSettings_UpdateSettings": {"ProjectSettings_CreateSettings"},
	"ProjectSettings_DeleteSettings": {"ProjectSettings_CreateSettings"},
	"Batch_GetBatchStatusByMetadata": {"Batch_SendBatch"},

	"Consents_GetConsentsAuditRecords": {"Batch_InsertConsents"},
}

// absent are the operations that find nothing at the emulator, whose app has
// neither channel, and the code of the error.
var absent = map[string]string{
	"ConversationInstagramController_get_v1": "conversation_app_no_instagram_channel",
	"ConversationViberController_get_v1":     "conversation_app_no_viber_channel",
}

// constant is a thing that is the same in every world.
func constant(text string) func(world) string { return func(world) string { return text } }

// answered is a thing in the answer to a call.
func answered(id, path string) func(world) string {
	return func(w world) string { return w.call(id).Get(path).String() }
}

// stocked is a member of the first entry of a list of the Provisioning API.
func stocked(list, member string) func(world) string {
	return func(w world) string {
		for item := range w.workbench.api.Inventory() {
			if found, _ := path.Match(list, item.List); found {
				return gjson.GetBytes(item.Body, member).String()
			}
		}
		return ""
	}
}

// within is a part, by its number, of the path of a list that has entries.
func within(list string, part int) func(world) string {
	return func(w world) string {
		for item := range w.workbench.api.Inventory() {
			if found, _ := path.Match(list, item.List); found {
				return strings.Split(item.List, "/")[part]
			}
		}
		return ""
	}
}

// anHour is the time in an hour, or an hour ago.
func anHour(hours time.Duration) func(world) string {
	return func(world) string { return time.Now().Add(hours * time.Hour).UTC().Format(time.RFC3339) }
}

// The lists of what was done with a template.
const (
	whatsappActivities  = "/whatsapp/templates/*/languages/*/activities"
	kakaotalkActivities = "/kakaotalk/senders/*/templates/*/activities"
)

// things is where everything comes from that calls are about.
func things() map[string]func(world) string {
	return map[string]func(world) string{
		"app_id":     func(w world) string { return w.workbench.api.Info().App },
		"webhook_id": answered("Webhooks_CreateWebhook", "id"),
		"message_id": answered("Messages_ListMessages", "messages.0.id"),
		"somebody":   constant(`{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"+46701234567"}]}}`),
		"message":    constant(`{"text_message":{"text":"Hi"}}`),

		"contact_id":     answered("Contact_ListContacts", "contacts.0.id"),
		"destination_id": answered("Contact_ListContacts", "contacts.0.id"),
		"new_contact":    answered("Contact_CreateContact", "id"),

		"conversation_id":         answered("Conversation_ListConversations", "conversations.0.id"),
		"message.conversation_id": answered("Conversation_ListConversations", "conversations.0.id"),
		"conversing":              answered("Conversation_ListConversations", "conversations.0.contact_id"),

		"event_id":    answered("Events_InjectEvent", "event_id"),
		"an_hour_ago": anHour(-1),
		"list_type":   constant("OPT_OUT_ALL"),
		"identity":    constant("+46731110000"),
		"batch_id":    answered("Batch_SendBatch", "batch_id"),
		"in_an_hour":  anHour(1),

		"webhookId":         stocked("/webhooks", "id"),
		"flowId":            stocked("/whatsapp/flows", "id"),
		"senderId":          stocked("/whatsapp/senders", "id"),
		"solutionId":        stocked("/whatsapp/solutions", "id"),
		"templateName":      within(whatsappActivities, 3),
		"languageCode":      within(whatsappActivities, 5),
		"bundleId":          stocked("/bundles", "id"),
		"plusFriendId":      within(kakaotalkActivities, 3),
		"templateCode":      within(kakaotalkActivities, 5),
		"smsAppId":          stocked("/sms/smsApps", "id"),
		"rcsSenderId":       stocked("/rcs/senders", "id"),
		"testNumber":        stocked("/rcs/senders", "details.testNumbers.0"),
		"useCase":           constant("OTP"),
		"conversationAppId": func(w world) string { return w.workbench.api.Info().App },
	}
}
