package jobs

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// ProvisioningExport is the kind provisioning_export: it reads every list of the
// Provisioning API, each into a dataset of its own, without secrets. What the
// account may not use, or has not got, is noted in the results and is not a
// failure.
type ProvisioningExport struct{ snapshot }

// provisioned is one list of the Provisioning API.
type provisioned struct {
	dataset   string
	operation string
	id        []string // members that name an entry to the lists below it
	below     []string // datasets of what belongs to an entry; its id fills the parameters of their paths
}

// provisionedLists is what is read. Lists that belong to entries of others
// stand behind these.
var provisionedLists = []provisioned{
	{dataset: "provisioning_webhooks", operation: "WebhookWebhookController_listWebhooks_v1"},
	{dataset: "bundles", operation: "BundlesBundlesController_list_v1"},
	{dataset: "sms_apps", operation: "SmsSmsAppsController_listSmsApps_v1"},

	{dataset: "whatsapp_accounts", operation: "WhatsappAccountsController_getAccount_v1"},
	{dataset: "whatsapp_account_activities", operation: "WhatsappAccountsController_listActivities_v1"},
	{dataset: "whatsapp_solutions", operation: "WhatsappSolutionsController_listSolutions_v1"},
	{dataset: "whatsapp_flows", operation: "WhatsappFlowsController_listFlows_v1", id: []string{"id"}, below: []string{"whatsapp_flow_screens"}},
	{dataset: "whatsapp_flow_screens", operation: "WhatsappFlowsController_listFlowScreens_v1"},
	{dataset: "whatsapp_senders", operation: "WhatsappSendersController_listSenders_v1", id: []string{"id"}, below: []string{"whatsapp_sender_activities"}},
	{dataset: "whatsapp_sender_activities", operation: "WhatsappSendersController_listActivities_v1"},
	{dataset: "whatsapp_templates", operation: "WhatsappTemplatesController_listTemplates_v1", id: []string{"name", "language"}, below: []string{"whatsapp_template_activities"}},
	{dataset: "whatsapp_template_activities", operation: "WhatsappTemplatesController_listActivities_v1"},

	{dataset: "kakaotalk_sender_categories", operation: "KakaotalkCategoriesController_listSenderCategories_v1"},
	{dataset: "kakaotalk_senders", operation: "KakaotalkSendersController_listSenders_v1", id: []string{"plusFriendId"},
		below: []string{"kakaotalk_sender_activities", "kakaotalk_template_categories", "kakaotalk_templates"}},
	{dataset: "kakaotalk_sender_activities", operation: "KakaotalkSendersController_listActivities_v1"},
	{dataset: "kakaotalk_template_categories", operation: "KakaotalkCategoriesController_getTemplateCategories_v1"},
	{dataset: "kakaotalk_templates", operation: "KakaotalkTemplatesController_listTemplates_v1", id: []string{"code"}, below: []string{"kakaotalk_template_activities"}},
	{dataset: "kakaotalk_template_activities", operation: "KakaotalkTemplatesController_listActivities_v1"},

	{dataset: "rcs_account_activities", operation: "RcsAccountsController_listActivities_v1"},
	{dataset: "rcs_questionnaires", operation: "RcsQuestionnaireController_getQuestions_v1"},
	{dataset: "rcs_senders", operation: "RcsSendersController_listSenders_v1", id: []string{"id"}, below: []string{"rcs_sender_activities"}},
	{dataset: "rcs_sender_activities", operation: "RcsSendersController_listActivities_v1"},
}

// questionnaires are the use cases that an RCS sender can be made for.
var questionnaires = []string{"MULTIUSE", "OTP", "PROMOTIONAL", "TRANSACTIONAL"}

// Check makes the lists of the table.
func (k *ProvisioningExport) Check(*Checker) {
	k.lists, k.first = map[string]*list{}, nil
	belongs := map[string]bool{}
	for _, p := range provisionedLists {
		for _, dataset := range p.below {
			belongs[dataset] = true
		}
	}
	for _, p := range provisionedLists {
		k.lists[p.dataset] = p.list()
		switch {
		case p.dataset == "rcs_questionnaires":
			for _, useCase := range questionnaires {
				k.first = append(k.first, step{List: p.dataset}.with("useCase", useCase))
			}
		case !belongs[p.dataset]:
			k.first = append(k.first, step{List: p.dataset})
		}
	}
}

func (p provisioned) list() *list {
	l := &list{operation: operation(p.operation), dataset: p.dataset, key: "parent || '/' || id", mayLack: true, redacted: true, row: p.row}
	if len(p.below) > 0 {
		l.below = p.children
	}
	return l
}

// row makes a row of an entry. Its parent is what its list belongs to.
func (p provisioned) row(r *snapshotReader, s step, body []byte) (any, string, error) {
	parent := strings.Join(p.parents(s), "/")
	row := resource(r, parent, body)
	if names := p.names(body); len(names) > 0 {
		row.ID = strings.Join(names, "/")
	}
	return row, parent + "/" + row.ID, nil
}

// parents are the names of what a list belongs to.
func (p provisioned) parents(s step) []string {
	var names []string
	for _, parameter := range operation(p.operation).Parameters() {
		names = append(names, s.Params[parameter])
	}
	return names
}

// names are what names an entry to the lists below it.
func (p provisioned) names(body []byte) []string {
	var names []string
	for _, member := range p.id {
		names = append(names, gjson.GetBytes(body, member).String())
	}
	return names
}

// children are the lists of what belongs to an entry.
func (p provisioned) children(s step, body []byte) []step {
	var steps []step
	names := p.names(body)
	if slices.Contains(names, "") {
		return nil // nothing leads to them
	}
	for _, dataset := range p.below {
		child := s.as(dataset)
		var free []string // parameters of its path that the parent has not filled
		for _, list := range provisionedLists {
			if list.dataset == dataset {
				free = operation(list.operation).Parameters()[len(s.Params):]
			}
		}
		for i, parameter := range free {
			child = child.with(parameter, names[i])
		}
		steps = append(steps, child)
	}
	return steps
}

func provisionedDatasets() []Dataset {
	var sets []Dataset
	for _, p := range provisionedLists {
		sets = append(sets, snapshotOf(p.dataset, Resource{}))
	}
	return sets
}
