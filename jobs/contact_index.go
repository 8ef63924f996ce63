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

// contactIndex has the ids of all contacts by what they are matched by, some
// 200 bytes each, for servers that can not be asked for one. All are listed at
// the start, and again before a contact counts as absent that a call whose
// answer was lost may have created; one listing serves all rows that wait.
type contactIndex struct {
	api  *client.Client
	keys func(contact []byte) []string
	lag  time.Duration

	mu      sync.Mutex
	ids     map[string][]string
	begun   time.Time // when the last complete listing was begun
	rest    time.Time // no other before
	listing bool
}

// find gets the contacts that have one of the keys, as a listing has them that
// was begun at after or later.
func (x *contactIndex) find(ctx context.Context, keys []string, after time.Time) ([]foundContact, error) {
	if err := x.fresh(ctx, after); err != nil {
		return nil, err
	}
	var found []foundContact
	for _, id := range x.of(keys) {
		resp, err := x.api.GetContact(ctx, id)
		var e *client.Error
		switch {
		case errors.As(err, &e) && e.Status == http.StatusNotFound: // deleted since
		case err != nil:
			return nil, err
		default:
			found = append(found, foundContact{id: id, body: resp.Body})
		}
	}
	return found, nil
}

func (x *contactIndex) of(keys []string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ids []string
	for _, key := range keys {
		ids = append(ids, x.ids[key]...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// add takes in a contact.
func (x *contactIndex) add(id string, keys ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, key := range keys {
		if !slices.Contains(x.ids[key], id) {
			x.ids[key] = append(x.ids[key], id)
		}
	}
}

// fresh sees to a listing that was begun at after or later. While another is
// under way, or was just now, the error is *notYet.
func (x *contactIndex) fresh(ctx context.Context, after time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	switch wait := x.rest.Sub(now); {
	case !x.begun.Before(after) && !x.begun.IsZero():
		return nil
	case x.listing || wait > 0:
		return &notYet{max(wait, x.lag/4)}
	}
	x.listing = true
	x.mu.Unlock()
	err := x.list(ctx)
	x.mu.Lock()
	x.listing = false
	if err == nil {
		x.begun = now
		// Rows come in one after another: half of the time is theirs.
		x.rest = time.Now().Add(max(x.lag/4, time.Since(now)))
	}
	return err
}

func (x *contactIndex) list(ctx context.Context) error {
	all := pagesOf(ctx, x.api, operation("Contact_ListContacts"), client.Call{}, "")
	defer all.stop()
	for {
		page, err := all.next(true)
		if err != nil {
			return err
		}
		for _, body := range page.Items {
			x.add(gjson.GetBytes(body, "id").String(), x.keys(body)...)
		}
		if page.Next == "" {
			return nil
		}
	}
}
