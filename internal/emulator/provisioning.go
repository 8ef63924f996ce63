package emulator

import (
	"fmt"
	"net/http"
	"strings"
)

// provisioningBase is where the Provisioning API begins, which has a host of
// its own elsewhere.
const provisioningBase = "/provisioning"

// read is one operation of the Provisioning API, all of them GET. What it
// answers stands in the inventory at the path itself.
type read struct {
	id      string // as the specification names it
	path    string // below the project
	list    string // the key of the list in the answer; empty: one item is answered
	most    int    // items of a page; 0: the list is not paged, or there is none
	usual   int    // items of a page when nothing is asked; default 50
	filters []filter
	params  []param // besides those of pages and filters

	view    func(fields, arguments) fields // of an item, as the parameters want it
	order   func([]any, arguments)         // sorts a list as the parameters want it
	anyID   bool                           // 400 is not documented: an id of the wrong form is merely unknown
	changes bool                           // takes effect, GET or not
}

// usualPage is how many items a page has when nothing is asked.
const usualPage = 50

// provisioningReads is the table of everything that can be read.
var provisioningReads = []read{
	{id: "WebhookWebhookController_listWebhooks_v1", path: "/webhooks", list: "webhooks", most: 15, usual: 15},
	{id: "WebhookWebhookController_getWebhook_v1", path: "/webhooks/{webhookId}"},

	{id: "WhatsappAccountsController_getAccount_v1", path: "/whatsapp"},
	{id: "WhatsappAccountsController_listActivities_v1", path: "/whatsapp/activities", list: "notifications", most: 100},
	{id: "WhatsappFlowsController_listFlows_v1", path: "/whatsapp/flows", list: "flows", most: 100},
	{id: "WhatsappFlowsController_listFlowScreens_v1", path: "/whatsapp/flows/{flowId}/screens", list: "screens"},
	{
		id: "WhatsappSendersController_listSenders_v1", path: "/whatsapp/senders", list: "senders", most: 100,
		filters: []filter{
			byState("ACTIVE", "IN_PROGRESS", "INACTIVE", "PENDING_VERIFICATION", "SUSPENDED", "ERROR"),
			byStatus("DRAFT", "ERROR", "IN_PROGRESS", "MULTIPLE_WABA_ERROR", "REJECTED"),
		},
	},
	{id: "WhatsappSendersController_get_v1", path: "/whatsapp/senders/{senderId}"},
	{id: "WhatsappSendersController_listActivities_v1", path: "/whatsapp/senders/{senderId}/activities", list: "notifications", most: 100},
	{id: "WhatsappSendersController_getSuggestedUsernames_v1", path: "/whatsapp/senders/{senderId}/suggestedUsernames", list: "usernames"},
	{id: "WhatsappSolutionsController_listSolutions_v1", path: "/whatsapp/solutions", list: "solutions"},
	{id: "WhatsappSolutionsController_getSolution_v1", path: "/whatsapp/solutions/{solutionId}"},
	{
		id: "WhatsappTemplatesController_listTemplates_v1", path: "/whatsapp/templates", list: "templates", most: 1000,
		filters: []filter{
			byState("APPROVED", "DISABLED", "PAUSED", "PENDING", "REJECTED"),
			byStatus("DRAFT", "IN_PROGRESS", "REJECTED"),
			byPrefix("templateName", "name"),
		},
		params: templateParams, view: viewTemplate,
	},
	{
		id: "WhatsappTemplatesController_listTemplatesByName_v1", path: "/whatsapp/templates/{templateName}",
		list: "templates", most: 1000, params: templateParams, view: viewTemplate,
	},
	{
		id: "WhatsappTemplatesController_getTemplate_v1", path: "/whatsapp/templates/{templateName}/languages/{languageCode}",
		params: templateParams, view: viewTemplate,
	},
	{
		id:   "WhatsappTemplatesController_listActivities_v1",
		path: "/whatsapp/templates/{templateName}/languages/{languageCode}/activities", list: "notifications", most: 100,
	},

	{
		id: "BundlesBundlesController_list_v1", path: "/bundles", list: "bundles", most: 25, usual: 10,
		filters: []filter{
			byIDs("filterConvAppIds", "convApp.id", appForm), byIDs("filterSmsAppIds", "smsApp.id", hexForm),
			byState("DONE", "FAILED", "IN_PROGRESS"),
		},
	},
	{id: "BundlesBundlesController_get_v1", path: "/bundles/{bundleId}"},

	{id: "KakaotalkCategoriesController_listSenderCategories_v1", path: "/kakaotalk/categories/senders", list: "categories"},
	{
		id:   "KakaotalkCategoriesController_getTemplateCategories_v1",
		path: "/kakaotalk/categories/senders/{plusFriendId}/templates", list: "categories", most: 100,
	},
	{
		id: "KakaotalkSendersController_listSenders_v1", path: "/kakaotalk/senders", list: "senders", most: 100,
		filters: []filter{
			byState("ACTIVE", "BLOCKED", "INACTIVE", "SUSPENDED", "VERIFYING"), byStatus("DRAFT", "IN_PROGRESS", "REJECTED"),
		},
	},
	{id: "KakaotalkSendersController_getSender_v1", path: "/kakaotalk/senders/{plusFriendId}"},
	{id: "KakaotalkSendersController_listActivities_v1", path: "/kakaotalk/senders/{plusFriendId}/activities", list: "notifications", most: 100},
	{
		id: "KakaotalkTemplatesController_listTemplates_v1", path: "/kakaotalk/senders/{plusFriendId}/templates",
		list: "templates", most: 1000,
		filters: []filter{
			byState("APPROVED", "REJECTED"), byStatus("DRAFT", "IN_PROGRESS", "REJECTED"), byPrefix("templateName", "details.name"),
		},
	},
	{id: "KakaotalkTemplatesController_get_v1", path: "/kakaotalk/senders/{plusFriendId}/templates/{templateCode}"},
	{
		id:   "KakaotalkTemplatesController_listActivities_v1",
		path: "/kakaotalk/senders/{plusFriendId}/templates/{templateCode}/activities", list: "notifications", most: 100,
	},

	{id: "ConversationInstagramController_get_v1", path: "/conversation/apps/{conversationAppId}/instagram"},
	{id: "ConversationMessengerController_get_v1", path: "/conversation/apps/{conversationAppId}/messenger"},
	{id: "ConversationTelegramController_get_v1", path: "/conversation/apps/{conversationAppId}/telegram"},
	{id: "ConversationViberController_get_v1", path: "/conversation/apps/{conversationAppId}/viber", anyID: true},

	{id: "RcsAccountsController_listActivities_v1", path: "/rcs/activities", list: "notifications", most: 100},
	{
		id: "RcsQuestionnaireController_getQuestions_v1", path: "/rcs/questionnaire/{useCase}",
		params: questionnaireParams, view: viewQuestionnaire,
	},
	{
		id: "RcsSendersController_listSenders_v1", path: "/rcs/senders", list: "senders", most: 100,
		filters: []filter{
			byValue("filterConversationApiAppId", "conversationApiAppDetails.id"), byIDList("filterSenderIds", "id"),
			byValue("filterSenderName", "details.brand.name"), byPart("search", "details.brand.name"),
			byState("DRAFT", "IN_PROGRESS", "IN_TEST", "LAUNCHED", "LAUNCHING", "PREPARING_LAUNCH", "UNLAUNCHED", "UNKNOWN"),
		},
		params: sortParams, order: sortSenders,
	},
	{id: "RcsSendersController_getSender_v1", path: "/rcs/senders/{senderId}"},
	{id: "RcsSendersController_listActivities_v1", path: "/rcs/senders/{senderId}/activities", list: "notifications", most: 100},
	{id: "RcsSendersController_getTestNumberState_v1", path: "/rcs/senders/{senderId}/testNumbers/{testNumber}"},
	{
		id:   "RcsSendersController_getTestNumberCapabilities_v1",
		path: "/rcs/senders/{senderId}/testNumbers/{testNumber}/capabilities", list: "features",
	},
	// The invite of retry shows in the ledger alone: the number stays as it is.
	{id: "RcsSendersController_retryTestNumber_v1", path: "/rcs/senders/{senderId}/testNumbers/{testNumber}/retry", changes: true},

	{id: "SmsSmsAppsController_listSmsApps_v1", path: "/sms/smsApps", list: "smsApps", most: 100},
	{id: "SmsSmsAppsController_getSmsApp_v1", path: "/sms/smsApps/{smsAppId}"},
}

// provisioningOperations is the table as the router takes it.
var provisioningOperations = makeOperations(provisioningReads)

func makeOperations(reads []read) []operation {
	operations := make([]operation, len(reads))
	for i, r := range reads {
		operations[i] = operation{
			id: r.id, method: http.MethodGet, path: "/v1/projects/{projectId}" + r.path, query: r.query(), changes: r.changes,
			handle: func(e *Emulator, c *call) reply { return e.answerRead(c, r) },
		}
	}
	return operations
}

func (r read) query() []param {
	params := r.params[:len(r.params):len(r.params)]
	if r.most > 0 {
		params = append(params, param{name: "pageToken"}, param{name: "pageSize", kind: intParam, max: r.most})
	}
	for _, f := range r.filters {
		params = append(params, f.param)
	}
	return params
}

// refusals are how a group of the Provisioning API can be denied. A project
// that was never set up for a channel is told so with a 400.
var refusals = map[string]refusal{
	"403": {status: http.StatusForbidden, message: "The project may not use this part of the API."},
	"404": {status: http.StatusNotFound, message: "The project has nothing of this kind."},
	"400": {status: http.StatusBadRequest, word: "project_not_initialized", message: "The project is not initialized."},
}

// absences are the errorCodes of a 404 for groups as a whole.
var absences = map[string]string{
	"whatsapp": "account_not_found", "rcs": "account_not_found", "sms": "sms_service_not_found",
}

// parseDenied reads an element of Options.DeniedGroups.
func parseDenied(denied string) (group string, refused refusal, err error) {
	group, status, given := strings.Cut(denied, ":")
	if !given {
		status = "403"
	}
	switch group {
	case "whatsapp", "kakaotalk":
	case "webhooks", "bundles", "conversation", "rcs", "sms":
		if status == "400" {
			return "", refused, fmt.Errorf("denied group %q: no project has to be set up for %s, so there is no 400", denied, group)
		}
	default:
		return "", refused, fmt.Errorf("denied group %q: the Provisioning API has no group of that name", denied)
	}
	refused, known := refusals[status]
	if !known {
		return "", refused, fmt.Errorf("denied group %q: the status is 403, 404 or 400", denied)
	}
	if status == "404" {
		refused.word = or(absences[group], "project_not_found")
	}
	return group, refused, nil
}

// denied is how a call is refused whose group the project may not read.
func (e *Emulator) denied(c *call) *refusal {
	for _, text := range e.options.DeniedGroups {
		group, refused, _ := parseDenied(text) // checked with the options
		if c.op.segments[projectSegments] == group {
			return &refused
		}
	}
	return nil
}

// projectSegments are those of a path that come before the group.
const projectSegments = 3
