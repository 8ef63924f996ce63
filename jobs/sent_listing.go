package jobs

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// listing is what the last list of a source has shown.
type listing struct {
	at        time.Time             // it was begun; by this machine's clock
	from      time.Time             // it has what was accepted since; by the API's clock
	prefix    string                // of the tokens of this job
	sent      map[string]string     // ids by token
	untagged  map[string][]sighting // messages by metadata, where it is the user's own and was asked for
	witnesses []witness             // that it could show
	shown     map[string]bool       // ids of those that it shows
	caughtUp  time.Time             // when the latest of them was accepted
}

// listings are those of one source: the last, and what the next is for.
type listings struct {
	last  *listing // nil before the first
	busy  bool     // the next is being made
	stale bool     // the last turned out to be behind

	lag time.Duration // that the list was seen to have

	wanted    time.Time       // what was accepted since, the next has to have
	asked     map[string]bool // metadata of the user's that it has to look for
	witnesses []witness
}

// witness is a message that was certainly accepted, and by when.
type witness struct {
	id string
	at time.Time
}

// sighting is a message that carries no token.
type sighting struct{ id, conversation, contact, identity string }

// serves says whether a listing can answer for a row.
func (l *listing) serves(t trace, from, after time.Time) bool {
	_, looked := l.untagged[t.metadata]
	return !l.from.After(from) && !l.at.Before(after) && (looked || t.carrier != inCorrelation)
}

// next begins a listing that has what was asked for so far.
func (a *listings) next(prefix string) *listing {
	l := &listing{
		prefix: prefix, at: time.Now(), from: a.wanted, sent: map[string]string{}, untagged: map[string][]sighting{},
		witnesses: a.witnesses, shown: map[string]bool{},
	}
	for metadata := range a.asked {
		l.untagged[metadata] = nil
	}
	a.busy, a.wanted, a.asked = true, time.Time{}, map[string]bool{}
	return l
}

// see takes note of a message of the list.
func (l *listing) see(message []byte) {
	id := gjson.GetBytes(message, "id").String()
	for _, w := range l.witnesses {
		if w.id == id {
			l.shown[id] = true
			l.caughtUp = later(l.caughtUp, w.at)
		}
	}
	if token := tokenOf(message); token != "" {
		if strings.HasPrefix(token, l.prefix) {
			l.sent[token] = id
		}
		return
	}
	metadata := gjson.GetBytes(message, "metadata").String()
	if seen, asked := l.untagged[metadata]; asked {
		l.untagged[metadata] = append(seen, sightingOf(message))
	}
}

// lag is for how long, at the least, an accepted message did not show. now is
// the API's time.
func (l *listing) lag(now time.Time) (lag time.Duration) {
	began := time.Now().Add(-now.Sub(l.from)) // of what the list has, by this machine's clock
	for _, w := range l.witnesses {
		if !l.shown[w.id] && w.at.After(began.Add(lookMargin)) {
			lag = max(lag, l.at.Sub(w.at))
		}
	}
	return lag
}

// behind says that the list does not show what was accepted after a time, so it
// may not show what was accepted before it either.
func (l *listing) behind(at time.Time) bool {
	n := len(l.witnesses)
	return n > 0 && l.witnesses[n-1].at.After(at) && !l.caughtUp.After(at)
}
