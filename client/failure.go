package client

import (
	"fmt"
	"strings"
)

// failure is the error of a call that ended with v.
func (c *Client) failure(k *call, v verdict, a answer) *Error {
	e := &Error{Operation: k.op.name(), Status: a.status, Attempts: k.attempts, Intent: intent(v), Unsure: k.unsure, Err: a.err}
	if a.fault != "" || a.outcome < 0 && a.status < 300 {
		e.Message = c.mishap(k, a)
	} else {
		r := parseRefusal(a.status, a.body, c.hiding(k, a.token))
		e.Code, e.Message, e.Violations = r.code, r.message, r.violations
		if hint := hint(k.op, a); hint != "" {
			e.Message = strings.TrimSuffix(e.Message, ".") + ". " + hint
		}
	}
	switch {
	case !k.unsure || e.Intent == InDoubt || k.op.reads():
	case k.op.Idempotent:
		e.Message += "; it may have had its effect all the same, and can be repeated"
	default: // invariant 5: what comes later does not undo it
		e.Intent = InDoubt
		e.Message += ", and an earlier attempt may have been processed"
	}
	return e
}

func intent(v verdict) Intent {
	switch v {
	case doubt:
		return InDoubt
	case fatal:
		return Fatal
	case unsent:
		return NotSent
	}
	return Failed
}

// mishap says what went wrong where there is no answer to quote.
func (c *Client) mishap(k *call, a answer) string {
	says := ""
	switch a.outcome {
	case refused:
		says = "could not connect"
	case broken:
		says = "the connection broke before the answer was complete"
	case timedOut:
		return fmt.Sprintf("no complete answer within %s (api.timeout)", c.timeout)
	case given:
		says = "not sent"
	case cut:
		says = "cut off by the stop before the answer was complete"
	case noToken:
		says = "no access token"
	default:
		says = a.fault
	}
	if a.err != nil && a.err.Error() != says {
		says += ": " + words(c.hiding(k, a.token)(a.err.Error()), maxWords)
	}
	return says
}

// hint is what a person should look at, where the status tells.
func hint(op Operation, a answer) string {
	switch {
	case a.outcome == expired:
		return "A token that was just renewed counts as expired: compare this machine's clock with the time."
	case a.status == 401 && op.Service == "batch" && a.token.basic:
		return "The Batch API takes no basic authentication: set api.auth to oauth2."
	case a.status == 401:
		return "The API refuses the credentials: check api.key_id (SINCH_KEY_ID), api.key_secret (SINCH_KEY_SECRET) and api.auth."
	case a.outcome == noCredit:
		return "The project is blocked for lack of credit: top up the account, then run again."
	case a.status == 403 && op.ID == getApp.ID:
		return "Does the key belong to this project? Check api.project and api.key_id."
	case a.status == 404 && (op.ID == getApp.ID || op.ID == sendMessage.ID):
		return "An app of another region or project is not found either: check api.region and api.project."
	case a.status >= 300 && a.status < 400:
		return "A redirect is not followed, since the credentials must go nowhere else: set api.urls to where the service is."
	}
	return ""
}
