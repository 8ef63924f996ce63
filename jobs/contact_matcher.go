package jobs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
)

// contactMatcher finds the contacts that rows mean.
//
// Newer servers are asked for one contact at a time, one request a row. To list
// all contacts before would save that where there are fewer than twenty times
// as many as rows, but the pages come one after another, and a contact that
// somebody else, or a message that arrives, creates during the run would be
// created again. Older servers can not be asked, and in mode: batch the requests
// are what is to be saved: there see contactIndex.
//
// What this process created or changed is remembered for a while: the lists may
// not show it yet, and further rows of the same contact cost no request.
type contactMatcher struct {
	api      *client.Client
	identity bool          // contacts are matched by identity, not by external_id
	lag      time.Duration // how long the server's lists may not show a contact
	index    *contactIndex // of older servers, and in mode: batch; else nil

	mu       sync.Mutex
	busy     map[string]chan struct{} // by key: closed when the row that has it lets go
	recent   map[string]recentContact
	suspects map[string]time.Time // keys of what a call may have created, and when the lists show it
	swept    time.Time
}

type recentContact struct {
	foundContact
	at time.Time
}

type foundContact struct {
	id         string
	body       []byte
	remembered bool // it was not looked up just now
}

// newContactMatcher returns a contactMatcher, which has an index where that is
// asked for or the server leaves no other way.
func newContactMatcher(ctx context.Context, api *client.Client, identity, indexed bool, lag time.Duration) (*contactMatcher, error) {
	m := &contactMatcher{
		api: api, identity: identity, lag: lag,
		busy: map[string]chan struct{}{}, recent: map[string]recentContact{}, suspects: map[string]time.Time{},
	}
	if !indexed {
		// A server that does not know the parameter refuses it, or leaves it out
		// and answers any contact.
		page, err := api.ListContacts(ctx, client.ContactQuery{ExternalID: "batch-looks-whether-this-is-known", PageSize: 1})
		var e *client.Error
		switch {
		case err == nil && len(page.Items) == 0:
			return m, nil
		case err == nil:
		case !errors.As(err, &e) || e.Status != http.StatusBadRequest && e.Status != http.StatusNotFound:
			return nil, err
		}
	}
	m.index = &contactIndex{api: api, keys: m.keys, lag: lag, ids: map[string][]string{}}
	return m, m.index.fresh(ctx, time.Now())
}

// keys are what a contact may be matched by, in order. What has a key in common
// may be the same contact; matches says whether it is.
func (m *contactMatcher) keys(contact []byte) []string {
	if !m.identity {
		if id := gjson.GetBytes(contact, "external_id").String(); id != "" {
			return []string{id}
		}
		return nil
	}
	var keys []string
	for _, id := range gjson.GetBytes(contact, "channel_identities").Array() {
		keys = append(keys, id.Get("channel").String()+":"+canonical(id.Get("identity").String()))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// matches says whether a contact is one that a row means: a look-up does not
// tell the apps apart that identities belong to.
func (m *contactMatcher) matches(want, is []byte) bool {
	if !m.identity {
		return gjson.GetBytes(want, "external_id").String() == gjson.GetBytes(is, "external_id").String()
	}
	there := gjson.GetBytes(is, "channel_identities").Array()
	return slices.ContainsFunc(gjson.GetBytes(want, "channel_identities").Array(), func(id gjson.Result) bool {
		return hasIdentity(there, id)
	})
}

// lock keeps rows apart that have a key in common. It returns what lets go. The
// keys must be in order, so that two rows never wait for each other.
func (m *contactMatcher) lock(keys ...string) func() {
	mine := make(chan struct{})
	for _, key := range keys {
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

// find returns the contacts that match, each once. The lists are believed from
// after on, and from when they show what was suspected; earlier the error is
// *notYet.
func (m *contactMatcher) find(ctx context.Context, want []byte, keys []string, after time.Time) ([]foundContact, error) {
	known, all, after := m.remembered(keys, after)
	if all && m.matches(want, known[0].body) {
		return known, nil
	}
	if wait := time.Until(after); wait > 0 {
		return nil, &notYet{wait}
	}
	found, err := m.lookUp(ctx, want, keys, after)
	if err != nil {
		return nil, err
	}
	for _, is := range known { // the lists may not show them yet
		if !slices.ContainsFunc(found, func(f foundContact) bool { return f.id == is.id }) {
			found = append(found, is)
		}
	}
	return slices.DeleteFunc(found, func(f foundContact) bool { return !m.matches(want, f.body) }), nil
}

// remembered returns the contacts with one of the keys that this process knows
// of, and whether nothing need be asked: one has all the keys, since a moment
// ago. It also returns the time from which the lists are believed.
func (m *contactMatcher) remembered(keys []string, after time.Time) (known []foundContact, all bool, believed time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := 0
	for _, key := range keys {
		after = later(after, m.suspects[key])
		is, ok := m.recent[key]
		if !ok {
			continue
		}
		if time.Since(is.at) < time.Minute {
			fresh++
		}
		if !slices.ContainsFunc(known, func(f foundContact) bool { return f.id == is.id }) {
			known = append(known, is.foundContact)
		}
	}
	return known, len(known) == 1 && fresh == len(keys), after
}

// lookUp asks the server.
func (m *contactMatcher) lookUp(ctx context.Context, want []byte, keys []string, after time.Time) ([]foundContact, error) {
	if m.index != nil {
		return m.index.find(ctx, keys, after)
	}
	var found []foundContact
	for _, q := range m.queries(want) {
		for {
			page, err := m.api.ListContacts(ctx, q)
			if err != nil {
				return nil, err
			}
			for _, body := range page.Items {
				id := gjson.GetBytes(body, "id").String()
				if !slices.ContainsFunc(found, func(f foundContact) bool { return f.id == id }) {
					found = append(found, foundContact{id: id, body: body})
				}
			}
			if q.PageToken = page.Next; page.Next == "" {
				break
			}
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

// note remembers a contact as the server answered it when it was created or
// changed. What the lists certainly show by now is forgotten.
func (m *contactMatcher) note(keys []string, id string, body []byte) {
	const sure = 6 // times the lag
	keys = append(m.keys(body), keys...)
	if m.index != nil {
		m.index.add(id, keys...)
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		m.recent[key] = recentContact{foundContact{id, body, true}, now}
		delete(m.suspects, key)
	}
	if now.Sub(m.swept) < m.lag {
		return
	}
	m.swept = now
	for key, is := range m.recent {
		if now.Sub(is.at) > sure*m.lag {
			delete(m.recent, key)
		}
	}
}

// suspect takes note that a call may have created a contact with these keys.
func (m *contactMatcher) suspect(keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		m.suspects[key] = time.Now().Add(m.lag)
	}
}

// forget drops what is remembered: it is not so any more.
func (m *contactMatcher) forget(keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.recent, key)
	}
}
