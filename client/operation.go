package client

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Operation is one operation of the API, as its specification has it.
type Operation struct {
	ID      string // the operationId
	Service string // "conversation", "batch" or "provisioning": which base URL
	Method  string
	// Path has its parameters in braces: {project_id} is the client's project,
	// the others are given with the call, in order.
	Path string
	// Idempotent says that calling it twice does what calling it once does, so
	// that a call whose outcome is unknown may be repeated.
	Idempotent bool
	ListKey    string // the key of the answer's array; empty when it is no list
}

// The operations that the client knows.
var (
	sendMessage       = Operation{"Messages_SendMessage", "conversation", http.MethodPost, "/v1/projects/{project_id}/messages:send", false, ""}
	getMessage        = Operation{"Messages_GetMessage", "conversation", http.MethodGet, "/v1/projects/{project_id}/messages/{message_id}", true, ""}
	listMessages      = Operation{"Messages_ListMessages", "conversation", http.MethodGet, "/v1/projects/{project_id}/messages", true, "messages"}
	getApp            = Operation{"App_GetApp", "conversation", http.MethodGet, "/v1/projects/{project_id}/apps/{app_id}", true, ""}
	listApps          = Operation{"App_ListApps", "conversation", http.MethodGet, "/v1/projects/{project_id}/apps", true, "apps"}
	getConversation   = Operation{"Conversation_GetConversation", "conversation", http.MethodGet, "/v1/projects/{project_id}/conversations/{conversation_id}", true, ""}
	listConversations = Operation{"Conversation_ListConversations", "conversation", http.MethodGet, "/v1/projects/{project_id}/conversations", true, "conversations"}
	getContact        = Operation{"Contact_GetContact", "conversation", http.MethodGet, "/v1/projects/{project_id}/contacts/{contact_id}", true, ""}
	listContacts      = Operation{"Contact_ListContacts", "conversation", http.MethodGet, "/v1/projects/{project_id}/contacts", true, "contacts"}
)

// Operations lists every operation that the client knows.
func Operations() []Operation {
	return []Operation{
		sendMessage, getMessage, listMessages,
		getApp, listApps,
		getConversation, listConversations,
		getContact, listContacts,
	}
}

// expand puts the project and ids, escaped, into the path of op.
func (op Operation) expand(project string, ids []string) (string, error) {
	var path strings.Builder
	rest := op.Path
	for {
		before, after, found := strings.Cut(rest, "{")
		path.WriteString(before)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		rest = tail
		value := project
		if name != "project_id" {
			if len(ids) == 0 {
				return "", fmt.Errorf("%s needs a %s, and none was given", op.ID, name)
			}
			value, ids = ids[0], ids[1:]
		}
		if value == "" || value == "." || value == ".." { // would name another resource
			return "", fmt.Errorf("%s: %q is no %s", op.ID, value, name)
		}
		path.WriteString(url.PathEscape(value))
	}
	if len(ids) > 0 {
		return "", fmt.Errorf("%s was given %d ids too many", op.ID, len(ids))
	}
	return path.String(), nil
}
