package jobs

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
)

const (
	// lookMargin is how much before the claim a look begins: the API's hosts
	// may not agree on the time, and we know it to the second.
	lookMargin = 30 * time.Second
	// mostPatience is after how many times reconcile_after a list that does not
	// show what was certainly accepted is given up: a quarter of an hour.
	mostPatience = 90
)

// sentMessages finds messages that the app sent, by the token of their row.
//
// That a message is not in the list only says that it was not sent when the
// list had its time: it was asked reconcile_after after the call ended, and
// shows a message that was certainly accepted since, where there is one. A list
// that was once seen to be late is given more time from then on. One listing
// serves all rows that wait; there is one at a time.
type sentMessages struct {
	lister *messageLister
	now    func() time.Time         // the API's clock
	settle time.Duration            // reconcile_after
	began  time.Time                // the processes before this one died earlier
	mode   string                   // of the app
	prefix string                   // of the tokens of this job
	older  bool                     // the server does not know correlation_id
	keeps  map[string]time.Duration // how long, by source; sources that keep nothing are not there

	mu       sync.Mutex
	listings map[string]*listings // by source
}

// find implements finder.
func (s *sentMessages) find(ctx context.Context, body []byte, token string, d pipeline.Doubt) (string, error) {
	source := s.source(body)
	if err := s.possible(source, d); err != nil {
		return "", err
	}
	ended := d.Ended
	if ended.Before(s.began) {
		ended = s.began
	}
	patience := s.patience(source)
	ripe := ended.Add(patience)
	if wait := time.Until(ripe); wait > 0 {
		return "", &notYet{wait}
	}
	t := traceOf(body, token)
	if t.carrier == nowhere {
		return "", unknowable("message_metadata has no room for the row's key")
	}
	if of := readSend(body); s.older && d.Ended.IsZero() && t.appended && of.correlation.String() == "" && !of.dispatchOnly() {
		return "", unknowable("the server was taken for an older one, and an earlier process may have sent the row's key as correlation_id")
	}
	l, err := s.listing(ctx, source, t, d.Since.Add(-lookMargin), ripe)
	if err != nil {
		return "", err
	}
	if id := l.sent[token]; id != "" {
		return id, nil
	}
	if err := s.possible(source, d); err != nil { // the clock was set meanwhile
		return "", err
	}
	// A call may take effect after it ended: half of the time is for that, the
	// other half for the list.
	late := mostPatience * s.settle
	if patience >= late || l.behind(ended.Add(s.settle/2)) {
		if patience >= late || time.Since(ended) > late {
			return "", unknowable("for %s the app's list of messages has not shown what was accepted after this call", time.Since(ended).Round(time.Second))
		}
		s.outdate(source, l)
		return "", &notYet{s.settle / 2}
	}
	if t.carrier == inCorrelation {
		return s.correlated(ctx, l.untagged[t.metadata], t)
	}
	return "", nil
}

// source is where the server keeps a message, were it sent.
func (s *sentMessages) source(body []byte) string {
	// Most bodies need not be read to see that they do not say so.
	if s.mode != "DISPATCH" && !bytes.Contains(body, []byte(dispatchOnly)) {
		return conversationSource
	}
	if of := readSend(body); s.mode == "DISPATCH" || of.dispatchOnly() {
		return dispatchSource
	}
	return conversationSource
}

// possible says why nothing can be found out, where that is so.
func (s *sentMessages) possible(source string, d pipeline.Doubt) error {
	kept, keeps := s.keeps[source]
	age := s.now().Sub(d.Since)
	switch {
	case !keeps:
		return unknowable("the app stores no messages of this mode")
	case d.Since.IsZero():
		return unknowable("it is not known when it was sent")
	case age < -lookMargin: // less is how well the time is known
		return unknowable("it was claimed at %s, which is still to come: a clock was set back", d.Since.Format(time.RFC3339))
	case age > kept:
		return unknowable("it was claimed at %s, and the app stores messages for %d days", d.Since.Format(time.RFC3339), int(kept.Hours()/24))
	}
	return nil
}

// listing returns one that has the messages accepted since from and was begun
// at after or later. While there is none it returns *notYet, or makes it.
func (s *sentMessages) listing(ctx context.Context, source string, t trace, from, after time.Time) (*listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.of(source)
	if l := all.last; l != nil && !all.stale && l.serves(t, from, after) {
		return l, nil
	}
	if all.wanted.IsZero() || from.Before(all.wanted) {
		all.wanted = from
	}
	if t.carrier == inCorrelation {
		all.asked[t.metadata] = true
	}
	// Rows come in one after another; a list for each would be too many.
	var pause time.Duration
	if all.last != nil {
		pause = time.Until(all.last.at.Add(s.settle / 4))
	}
	if all.busy || pause > 0 {
		return nil, &notYet{max(pause, s.settle/20)}
	}
	next := all.next(s.prefix)
	s.mu.Unlock()
	err := s.lister.list(ctx, source, next.from, next.see)
	s.mu.Lock()
	all.busy = false
	if err != nil {
		return nil, err
	}
	all.last, all.stale = next, false
	all.lag = max(all.lag, next.lag(s.now()))
	return next, nil
}

// patience is how long after a call the list of a source can be believed:
// reconcile_after, or more where the list was seen to need it.
func (s *sentMessages) patience(source string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(max(s.settle, 2*s.of(source).lag), mostPatience*s.settle)
}

// outdate sees to it that the next row does not get the same listing.
func (s *sentMessages) outdate(source string, l *listing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.of(source)
	all.stale = all.stale || all.last == l
}

// of returns the listings of a source; the caller has the lock.
func (s *sentMessages) of(source string) *listings {
	all := s.listings[source]
	if all == nil {
		all = &listings{asked: map[string]bool{}}
		s.listings[source] = all
	}
	return all
}

// accepted takes note of a message that was accepted just now: some of them
// serve as witnesses.
func (s *sentMessages) accepted(id string, body []byte) {
	const most = 100
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.of(s.source(body))
	if n := len(l.witnesses); n > 0 && now.Sub(l.witnesses[n-1].at) < s.settle/10 {
		return
	}
	// A new array: listings that are being made read the old one.
	l.witnesses = append(l.witnesses[max(0, len(l.witnesses)-most+1):len(l.witnesses):len(l.witnesses)], witness{id, now})
}

// correlated decides about a row whose token travelled as correlation_id, which
// lists of messages do not show: conversations show the latest one.
func (s *sentMessages) correlated(ctx context.Context, seen []sighting, t trace) (string, error) {
	var candidates []sighting
	for _, m := range seen {
		if t.mayReach(m) {
			candidates = append(candidates, m)
		}
	}
	if len(candidates) == 0 {
		return "", nil
	}
	newest := candidates[0]
	if newest.conversation != "" {
		resp, err := s.lister.api.GetConversation(ctx, newest.conversation)
		if err != nil {
			return "", err
		}
		if gjson.GetBytes(resp.Body, "correlation_id").String() == t.token {
			return newest.id, nil
		}
	}
	return "", unknowable("%d messages with the same message_metadata went to the same recipient since; the newest is %s", len(candidates), newest.id)
}

// keptFor is how long the server keeps messages, by source. What is not kept is
// not there.
func keptFor(app client.App) map[string]time.Duration {
	const day = 24 * time.Hour
	kept := map[string]time.Duration{}
	if app.ProcessingMode == "CONVERSATION" {
		kept[conversationSource] = 180 * day // the API's default
		if d := app.RetentionDays; d != nil && *d > 0 {
			kept[conversationSource] = time.Duration(*d) * day
		}
	}
	if d := app.DispatchRetentionDays; d != nil && *d > 0 {
		kept[dispatchSource] = time.Duration(*d) * day
	}
	return kept
}

// newSentMessages returns a finder for an app, or an error that says why
// nothing that it sends can be found again.
func newSentMessages(api *client.Client, lister *messageLister, app client.App, job string, settle time.Duration) (*sentMessages, error) {
	kept := keptFor(app)
	if len(kept) == 0 {
		return nil, fmt.Errorf("app %s is in %s mode and stores no messages (dispatch_retention_policy of 0 days)", app.ID, app.ProcessingMode)
	}
	return &sentMessages{
		lister: lister, now: api.Now, settle: settle, prefix: tokenPrefix(job),
		began: time.Now(), mode: app.ProcessingMode, keeps: kept, listings: map[string]*listings{},
	}, nil
}
