package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
)

// contactMatcher finds the contacts that rows mean.
//
// Newer servers are asked for one contact at a time. Older ones can not be
// asked: there all contacts are listed once, and their ids kept in memory by
// what they are matched by, some 100 bytes each.
type contactMatcher struct {
	api      *client.Client
	identity bool          // contacts are matched by identity, not by external_id
	lag      time.Duration // how long the server's lists may not show a contact
	index    map[string][]string

	mu     sync.Mutex
	busy   map[string]chan struct{} // by key: closed when the row that has it is settled
	recent map[string]recentContact // created by this process, and perhaps not in the lists yet
	swept  time.Time
}

type recentContact struct {
	id string
	at time.Time
}

type foundContact struct {
	id   string
	body []byte
}

func newContactMatcher(ctx context.Context, env Env, match string, lag time.Duration) (*contactMatcher, error) {
	m := &contactMatcher{
		api: env.Client, identity: match == "identity", lag: lag,
		busy: map[string]chan struct{}{}, recent: map[string]recentContact{},
	}
	_, err := m.api.ListContacts(ctx, client.ContactQuery{ExternalID: "batch-looks-whether-this-is-known", PageSize: 1})
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 400 && e.Status != 404 {
		return m, err
	}
	m.index = map[string][]string{}
	q := client.ContactQuery{PageSize: 20}
	for {
		page, err := m.api.ListContacts(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, body := range page.Items {
			id := gjson.GetBytes(body, "id").String()
			for _, key := range m.keys(body) {
				m.index[key] = append(m.index[key], id)
			}
		}
		if q.PageToken = page.Next; page.Next == "" {
			return m, nil
		}
	}
}

// keys are what a contact is matched by.
func (m *contactMatcher) keys(contact []byte) []string {
	if !m.identity {
		if id := gjson.GetBytes(contact, "external_id").String(); id != "" {
			return []string{id}
		}
		return nil
	}
	var keys []string
	for _, id := range gjson.GetBytes(contact, "channel_identities").Array() {
		keys = append(keys, identityKey(id))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// lock keeps rows apart that mean the same contact. It returns what lets go.
func (m *contactMatcher) lock(keys []string) func() {
	mine := make(chan struct{})
	for _, key := range keys { // in order, so that two rows never wait for each other
		for {
			m.mu.Lock()
			other := m.busy[key]
			if other == nil {
				m.busy[key] = mine
			}
			m.mu.Unlock()
			if other == nil {
				break
			}
			<-other
		}
	}
	return func() {
		m.mu.Lock()
		for _, key := range keys {
			delete(m.busy, key)
		}
		m.mu.Unlock()
		close(mine)
	}
}

// find returns the contacts that match, each once.
func (m *contactMatcher) find(ctx context.Context, want []byte, keys []string) ([]foundContact, error) {
	var found []foundContact
	add := func(id string, body []byte) {
		if !slices.ContainsFunc(found, func(f foundContact) bool { return f.id == id }) {
			found = append(found, foundContact{id, body})
		}
	}
	for _, id := range m.known(keys) {
		resp, err := m.api.GetContact(ctx, id)
		var e *client.Error
		switch {
		case errors.As(err, &e) && e.Status == 404: // deleted since
		case err != nil:
			return nil, err
		default:
			add(id, resp.Body)
		}
	}
	if m.index != nil {
		return found, nil
	}
	for _, q := range m.queries(want) {
		page, err := m.api.ListContacts(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, body := range page.Items {
			add(gjson.GetBytes(body, "id").String(), body)
		}
	}
	return found, nil
}

// queries ask for the contacts that match.
func (m *contactMatcher) queries(want []byte) []client.ContactQuery {
	if !m.identity {
		return []client.ContactQuery{{ExternalID: gjson.GetBytes(want, "external_id").String(), PageSize: 20}}
	}
	var all []client.ContactQuery
	for _, id := range gjson.GetBytes(want, "channel_identities").Array() {
		// Numbers come back without their plus, so that is how they are kept.
		all = append(all, client.ContactQuery{Channel: id.Get("channel").String(), Identity: canonical(id.Get("identity").String()), PageSize: 20})
	}
	return all
}

// known are the ids of contacts that match without asking for them.
func (m *contactMatcher) known(keys []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for _, key := range keys {
		ids = append(ids, m.index[key]...)
		if made, ok := m.recent[key]; ok {
			ids = append(ids, made.id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// created takes note of a contact that the lists may not show yet. Those that
// they certainly show by now are forgotten.
func (m *contactMatcher) created(keys []string, id string) {
	const sure = 6 // times the lag
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if m.index != nil {
			m.index[key] = append(m.index[key], id)
			continue
		}
		m.recent[key] = recentContact{id, now}
	}
	if now.Sub(m.swept) < m.lag {
		return
	}
	m.swept = now
	for key, made := range m.recent {
		if now.Sub(made.at) > sure*m.lag {
			delete(m.recent, key)
		}
	}
}
