package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
)

const (
	windowPage       = 1000   // messages a page where the server has time filters
	olderPage        = 20     // and where it has not; also conversations a page
	itemMessages     = 5000   // an item that brought so many gives the rest back
	denseWindow      = 20_000 // a window with so many more messages is cut after its first page
	listedPages      = 50     // pages of conversations in one item
	conversationsFor = 100    // conversations in one item
	// Whether the ends of a window are inside is not documented, so we ask for
	// a little more and keep what belongs.
	windowOverlap = time.Millisecond
)

// archiveReader reads windows of messages. An item that is not read to the end
// is never settled: the run fails and goes on there the next time, because a
// window that counts as read and was not would be a hole in the archive.
type archiveReader struct {
	env    Env
	pruned time.Time // messages from before are not brought
	listed *seen
	newest time.Time // of a resumed run: messages before it may be in the store already

	knownMu sync.Mutex
	known   map[string]struct{} // of the span knownOf
	knownOf [2]time.Time
}

// Do reads one window.
func (r *archiveReader) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	w, err := windowOf(item)
	if err != nil {
		return pipeline.Outcome{}, err
	}
	w.From = later(w.From, r.pruned)
	var out pipeline.Outcome
	switch {
	case !w.From.Before(w.To): // all of it was pruned
	case w.List != nil:
		out, err = r.listConversations(ctx, w)
	case w.ByTime:
		out, err = r.readWindow(ctx, w)
	default:
		out, err = r.readOlder(ctx, w)
	}
	if err != nil {
		return pipeline.Outcome{}, unsettled(fmt.Errorf("read messages of %s: %w", w, err))
	}
	out.State = pipeline.Done
	return out, nil
}

// readWindow reads a window that the server cuts out for us, newest first. A
// dense window is cut, so that its parts are read side by side and none of
// them has to be held in memory whole.
func (r *archiveReader) readWindow(ctx context.Context, w window) (pipeline.Outcome, error) {
	got, err := r.collect(ctx, w)
	if err != nil {
		return pipeline.Outcome{}, err
	}
	got.page.size = windowPage
	q := client.MessageQuery{
		AppID: r.env.App, Source: w.Source, PageSize: windowPage, Item: got.page.read,
		Start: w.From.Add(-windowOverlap), End: w.To.Add(windowOverlap),
	}
	for {
		page, err := r.env.Client.ListMessages(ctx, q)
		if err != nil {
			return pipeline.Outcome{}, err
		}
		if err := got.take(page.Items); err != nil {
			return pipeline.Outcome{}, err
		}
		if page.Next == "" {
			return got.outcome(nil)
		}
		q.PageToken = page.Next
		if rest := got.estimateRest(); got.canCut() && (got.read >= itemMessages || rest > denseWindow) {
			rem := w.until(got.oldest)
			got.dropFrom(got.oldest)
			return got.outcome(rem.split(min(16, 1+rest/itemMessages)))
		}
	}
}

// readOlder reads from a server without time filters: page after page, newest
// first, until the messages are older than the window.
func (r *archiveReader) readOlder(ctx context.Context, w window) (pipeline.Outcome, error) {
	conversations := w.Conversations
	if len(conversations) == 0 {
		conversations = []string{""}
	}
	var all pipeline.Outcome
	for i, id := range conversations {
		got, follow, err := r.readList(ctx, w, id)
		if err != nil {
			return pipeline.Outcome{}, err
		}
		if i+1 < len(conversations) && (len(follow) > 0 || len(all.Records)+got.read >= itemMessages) {
			rest := w
			rest.Conversations, rest.Token, rest.Brought = conversations[i+1:], "", nil
			follow = append(follow, rest)
		}
		out, err := got.outcome(follow)
		if err != nil {
			return pipeline.Outcome{}, err
		}
		all.Records = append(all.Records, out.Records...)
		all.Follow = append(all.Follow, out.Follow...)
		if len(follow) > 0 {
			break
		}
	}
	return all, nil
}

// readList reads one list of messages, of one conversation or of the app.
func (r *archiveReader) readList(ctx context.Context, w window, conversation string) (*collected, []window, error) {
	got, err := r.collect(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	got.page.size = olderPage
	q := client.MessageQuery{Source: w.Source, PageSize: olderPage, PageToken: w.Token, ConversationID: conversation, Item: got.page.read}
	if conversation == "" {
		q.AppID = r.env.App
	}
	for {
		page, err := r.env.Client.ListMessages(ctx, q)
		var e *client.Error
		switch {
		case err == nil:
		case tokenRefused(err, q.PageToken, w.Token):
			q.PageToken, w.Token = "", "" // from the beginning; what was brought already is dropped
			continue
		case errors.As(err, &e) && e.Status == http.StatusNotFound && conversation != "":
			return got, nil, nil // deleted since it was listed, and its messages with it
		default:
			return nil, nil, err
		}
		if err := got.take(page.Items); err != nil {
			return nil, nil, err
		}
		if page.Next == "" || got.ordered && got.any && got.oldest.Before(w.From) {
			return got, nil, nil
		}
		q.PageToken = page.Next
		if got.read >= itemMessages && got.ordered {
			rest := w.until(got.oldest)
			rest.Token, rest.Brought = page.Next, got.idsAt(got.oldest)
			if conversation != "" {
				rest.Conversations = []string{conversation}
			}
			return got, []window{rest}, nil
		}
	}
}

// tokenRefused says whether the server no longer takes a page token that was
// kept with an item.
func tokenRefused(err error, token, kept string) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && token != "" && token == kept
}

// listConversations turns conversations into items that read them. The active
// ones come first: a conversation that is stopped never becomes active again,
// so none slips through between the two lists, and one that is stopped
// meanwhile is known by r.listed.
func (r *archiveReader) listConversations(ctx context.Context, w window) (pipeline.Outcome, error) {
	q := client.ConversationQuery{AppID: r.env.App, OnlyActive: w.List, PageSize: olderPage, PageToken: w.Token}
	var ids []string
	next := ""
	for range listedPages {
		page, err := r.env.Client.ListConversations(ctx, q)
		if tokenRefused(err, q.PageToken, w.Token) {
			q.PageToken, w.Token = "", "" // from the beginning; r.listed drops what was listed
			continue
		}
		if err != nil {
			return pipeline.Outcome{}, err
		}
		for _, c := range page.Items {
			f := gjson.GetManyBytes(c, "id", "last_received")
			last, err := time.Parse(time.RFC3339Nano, f[1].String())
			if err == nil && last.Before(w.From) {
				continue // nothing since
			}
			if id := f[0].String(); r.listed.add(id) {
				ids = append(ids, id)
			}
		}
		next = page.Next
		if q.PageToken = next; next == "" {
			break
		}
	}
	var follow []window
	for len(ids) > 0 {
		n := min(conversationsFor, len(ids))
		group := w
		group.List, group.Token, group.Conversations = nil, "", ids[:n]
		follow, ids = append(follow, group), ids[n:]
	}
	switch {
	case next != "":
		more := w
		more.Token = next
		follow = append(follow, more)
	case *w.List:
		others := w.listing(false)
		others.Token = ""
		follow = append(follow, others)
	}
	return (&collected{}).outcome(follow)
}

// collect returns an empty collection for w that knows what earlier runs brought.
func (r *archiveReader) collect(ctx context.Context, w window) (*collected, error) {
	c := &collected{env: &r.env, w: w, seen: make(map[string]struct{}), ordered: true}
	for _, id := range w.Brought {
		c.seen[id] = struct{}{}
	}
	until := later(w.KnownUntil, r.newest)
	if !w.From.Before(until) {
		return c, nil
	}
	r.knownMu.Lock()
	defer r.knownMu.Unlock()
	span := [2]time.Time{w.From, until}
	if w.ByTime {
		span[1] = earlier(until, w.To)
	}
	if r.known == nil || r.knownOf != span {
		ids, err := r.env.Archived(ctx, span[0], span[1])
		if err != nil {
			return nil, fmt.Errorf("look up what was archived before: %w", err)
		}
		r.known, r.knownOf = ids, span
	}
	c.known = r.known
	return c, nil
}

// remember tells the reader which conversations a resumed run listed before.
func (r *archiveReader) remember(stored []pipeline.Item) error {
	for _, item := range stored {
		w, err := windowOf(item)
		if err != nil {
			return err
		}
		for _, id := range w.Conversations {
			r.listed.add(id)
		}
	}
	return nil
}
