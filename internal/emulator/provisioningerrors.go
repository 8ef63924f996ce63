package emulator

import (
	"net/http"
	"regexp"
)

// shapeProvisioning is the shape of the Provisioning API's errors, whatever
// Options.ErrorShape says: {"errorCode","message","resolution"}.
const shapeProvisioning = "provisioning"

// errorCodes and remedies go with a status that has no closer reason.
var (
	errorCodes = map[int]string{
		http.StatusBadRequest:      "invalid_input",
		http.StatusUnauthorized:    "unauthorized_error",
		http.StatusForbidden:       "forbidden",
		http.StatusNotFound:        "not_found",
		http.StatusTooManyRequests: "too_many_requests",
	}
	remedies = map[int]string{
		http.StatusBadRequest:      "Correct the request.",
		http.StatusUnauthorized:    "Check the key and the project.",
		http.StatusForbidden:       "Ask for access to this part of the API.",
		http.StatusNotFound:        "Take ids and names from the lists.",
		http.StatusTooManyRequests: "Wait, then try again.",
	}
)

// parameterCodes are the errors of parameters that have one of their own.
var parameterCodes = map[string]string{
	"pageToken":        "invalid_page_token",
	"pageSize":         "invalid_page_size",
	"filterStates":     "invalid_filter_states",
	"filterStatuses":   "invalid_filter_statuses",
	"filterConvAppIds": "invalid_id_format",
	"filterSmsAppIds":  "invalid_id_format",
	"fieldMask":        "invalid_fields",
}

func (r refusal) provisioningReply() reply {
	code := or(r.word, or(errorCodes[r.status], "internal_error"))
	if len(r.wrong) > 0 {
		code = or(parameterCodes[r.wrong[0].field], code)
	}
	j := compact()
	j.open()
	j.key("errorCode").text(code)
	j.key("message").text(r.message)
	j.key("resolution").text(or(remedies[r.status], "Try again later."))
	if len(r.wrong) > 0 {
		j.key("additionalInformation").open()
		j.key("validationErrors").openList()
		for _, v := range r.wrong {
			j.item().text(v.field + " " + v.description)
		}
		j.closeList()
		j.close()
	}
	j.close()
	return reply{status: r.status, body: j.b, header: r.header}
}

// The forms of ids.
var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	hexForm  = regexp.MustCompile(`^[0-9a-f]{24}$`)
	appForm  = regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{32})$`)
	langForm = regexp.MustCompile(`^[A-Z]{2,3}(_[A-Z]{2})?$`)
	useForm  = regexp.MustCompile(`^(MULTIUSE|OTP|PROMOTIONAL|TRANSACTIONAL)$`)
)

// segmentErrors tells how a call fails at the segment of its path that leads
// nowhere: a parameter of that name, or a name that is in the path itself.
var segmentErrors = map[string]struct {
	missing   string         // the code of the 404
	form      *regexp.Regexp // of the values that can exist; nil: every one
	malformed string         // the code of the 400 for the others
}{
	"webhookId":         {"webhook_not_found", uuidForm, "invalid_id_format"},
	"flowId":            {missing: "flow_not_found"},
	"screens":           {missing: "flow_screens_not_found"},
	"senderId":          {missing: "sender_not_found"},
	"solutionId":        {missing: "solution_not_found"},
	"templateName":      {missing: "template_not_found"},
	"languageCode":      {"template_not_found", langForm, "template_invalid_language_code"},
	"bundleId":          {"bundle_not_found", hexForm, "invalid_id_format"},
	"plusFriendId":      {missing: "sender_not_found"},
	"templateCode":      {missing: "template_not_found"},
	"conversationAppId": {"conversation_app_not_found", appForm, "conversation_app_id_invalid"},
	"instagram":         {missing: "conversation_app_no_instagram_channel"},
	"messenger":         {missing: "conversation_app_no_messenger_channel"},
	"telegram":          {missing: "conversation_app_no_telegram_channel"},
	"viber":             {missing: "conversation_app_no_viber_channel"},
	"useCase":           {"", useForm, "invalid_input"},
	"testNumber":        {missing: "user_is_not_tester_for_agent"},
	"smsAppId":          {missing: "sms_app_not_found"},
}

// lost is the error of a call whose path ends at a segment with that value.
func lost(segment, value string, r read) refusal {
	known := segmentErrors[segment]
	if known.form != nil && !known.form.MatchString(value) && !r.anyID {
		return refusal{status: http.StatusBadRequest, word: known.malformed, message: segment + " is not of the form that it can have"}
	}
	return refusal{status: http.StatusNotFound, word: known.missing, message: segment + " does not lead to anything"}
}
