package jobs

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
)

// messageLister lists the messages that an app sent, on servers of any age.
type messageLister struct {
	api *client.Client
	app string

	mu    sync.Mutex
	newer map[string]bool // by source: the server filters by time
}

func newMessageLister(api *client.Client, app string) *messageLister {
	return &messageLister{api: api, app: app, newer: map[string]bool{}}
}

// list calls see for every message of a source that was accepted since from,
// and perhaps for others.
func (m *messageLister) list(ctx context.Context, source string, from time.Time, see func(message []byte)) error {
	newer, err := m.filters(ctx, source)
	if err != nil {
		return err
	}
	q := client.MessageQuery{AppID: m.app, Source: source, View: "WITH_METADATA"}
	switch {
	case newer:
		q.Start, q.PageSize, q.Direction = from, windowPage, "TO_CONTACT"
		return m.pages(ctx, q, time.Time{}, see)
	case source == dispatchSource:
		q.PageSize = olderPage
		return m.pages(ctx, q, from, see)
	}
	return m.conversations(ctx, from, see)
}

// filters finds out once whether the server filters by time.
func (m *messageLister) filters(ctx context.Context, source string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if newer, known := m.newer[source]; known {
		return newer, nil
	}
	newer, err := canFilterByTime(ctx, m.api, m.app, source)
	if err == nil {
		m.newer[source] = newer
	}
	return newer, err
}

// pages reads a list of messages, the newest first, to its end or until all of
// a page are older than until.
func (m *messageLister) pages(ctx context.Context, q client.MessageQuery, until time.Time, see func([]byte)) error {
	for {
		page, err := m.api.ListMessages(ctx, q)
		if err != nil {
			return err
		}
		younger := until.IsZero() || len(page.Items) == 0
		for _, item := range page.Items {
			see(item)
			at, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(item, "accept_time").String())
			younger = younger || err != nil || !at.Before(until)
		}
		if q.PageToken = page.Next; page.Next == "" || !younger {
			return nil
		}
	}
}

// conversations reads those that had a message since from. Older servers list
// messages of a conversation alone, and stopped conversations for themselves.
func (m *messageLister) conversations(ctx context.Context, from time.Time, see func([]byte)) error {
	for _, active := range []bool{true, false} {
		q := client.ConversationQuery{AppID: m.app, OnlyActive: &active, PageSize: olderPage}
		for {
			page, err := m.api.ListConversations(ctx, q)
			if err != nil {
				return err
			}
			for _, c := range page.Items {
				f := gjson.GetManyBytes(c, "id", "last_received")
				if last, err := time.Parse(time.RFC3339Nano, f[1].String()); err == nil && last.Before(from) {
					continue
				}
				err := m.pages(ctx, client.MessageQuery{
					ConversationID: f[0].String(), Source: conversationSource, View: "WITH_METADATA", PageSize: olderPage,
				}, from, see)
				// Not even a conversation that is gone is passed over: with it
				// went what is looked for.
				if err != nil {
					return err
				}
			}
			if q.PageToken = page.Next; page.Next == "" {
				break
			}
		}
	}
	return nil
}

// trace is what a message carries that was sent with a body.
type trace struct {
	token      string
	carrier    carrier
	appended   bool     // behind metadata of the user's
	metadata   string   // of the user's, where the token is in correlation_id
	contact    string   // the recipient, by id
	identities []string // or by identities
}

func traceOf(body []byte, token string) trace {
	t := trace{token: token}
	f := gjson.GetManyBytes(body, "message_metadata", "correlation_id", "recipient.contact_id", "recipient.identified_by.channel_identities.#.identity")
	switch metadata := f[0].String(); {
	case metadataToken(metadata) == token:
		t.carrier, t.appended = inMetadata, metadata != token
	case f[1].String() == token:
		t.carrier, t.metadata = inCorrelation, metadata
	}
	t.contact = f[2].String()
	for _, identity := range f[3].Array() {
		t.identities = append(t.identities, canonical(identity.String()))
	}
	return t
}

// mayReach says whether a message may have gone to the recipient of the trace.
// Servers write numbers in their own way, some with a digit more or less, so
// only a number with another end is another's.
func (t trace) mayReach(m sighting) bool {
	if t.contact != "" {
		return m.contact == "" || m.contact == t.contact
	}
	for _, identity := range t.identities {
		ours, theirs := numberEnd(identity), numberEnd(m.identity)
		bothNumbers, noNumber := ours != "" && theirs != "", ours == "" && theirs == ""
		switch {
		case bothNumbers && ours == theirs, noNumber && identity == m.identity:
			return true
		case !bothNumbers && !noNumber, m.identity == "": // they can not be compared
			return true
		}
	}
	return false
}

// numberEnd are the last digits of a phone number; "" for what is none.
func numberEnd(identity string) string {
	const digits = 6
	if len(identity) < digits || strings.Trim(identity, "0123456789") != "" {
		return ""
	}
	return identity[len(identity)-digits:]
}

// canonical makes identities comparable: numbers come back without their plus.
func canonical(identity string) string { return strings.TrimPrefix(identity, "+") }

func sightingOf(message []byte) sighting {
	f := gjson.GetManyBytes(message, "id", "conversation_id", "contact_id", "channel_identity.identity")
	return sighting{f[0].String(), f[1].String(), f[2].String(), canonical(f[3].String())}
}
