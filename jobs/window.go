package jobs

import (
	"encoding/json"
	"fmt"
	"time"

	"convbatch/pipeline"
)

// window is one item of an archive: messages accepted at From or later and
// before To, of one source, all of them or those of some conversations. It is
// kept in the ledger as JSON.
type window struct {
	Source     string    `json:"source"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	KnownUntil time.Time `json:"known_until,omitzero"` // an earlier run read until here
	ByTime     bool      `json:"by_time,omitempty"`    // the server takes start_time and end_time

	// What follows is for servers that have no time filters.
	List          *bool    `json:"list,omitempty"`  // list conversations: the active ones, or the others
	Conversations []string `json:"conv,omitempty"`  // read these
	Token         string   `json:"token,omitempty"` // go on here
	Brought       []string `json:"brought,omitempty"`
	// Brought holds the ids of the messages accepted in the last instant
	// before To that were read already: pages may end between messages of
	// the same time.
}

// String names the window to people; it is the key of its row in results.
func (w window) String() string {
	span := w.From.Format(time.RFC3339Nano) + "/" + w.To.Format(time.RFC3339Nano)
	switch {
	case w.List != nil && *w.List:
		return "active conversations " + w.Token
	case w.List != nil:
		return "inactive conversations " + w.Token
	case len(w.Conversations) > 0:
		return fmt.Sprintf("conversations %s +%d %s", w.Conversations[0], len(w.Conversations)-1, span)
	case w.Source == dispatchSource:
		return "dispatch " + span
	}
	return span
}

func (w window) listing(active bool) window {
	w.List = &active
	return w
}

// contains says whether a message accepted at t belongs to the window.
func (w window) contains(t time.Time) bool { return !t.Before(w.From) && t.Before(w.To) }

// until is the part of w before t, with t itself.
func (w window) until(t time.Time) window {
	w.To = earlier(w.To, t.Add(time.Nanosecond))
	return w
}

// split cuts w into n parts of equal length.
func (w window) split(n int) []window {
	step := w.To.Sub(w.From) / time.Duration(n)
	if step <= 0 {
		return []window{w}
	}
	parts := make([]window, n)
	for i := range parts {
		parts[i] = w
		parts[i].From = w.From.Add(time.Duration(i) * step)
		if i < n-1 {
			parts[i].To = w.From.Add(time.Duration(i+1) * step)
		}
	}
	return parts
}

func (w window) item() (pipeline.Item, error) {
	data, err := json.Marshal(w)
	return pipeline.Item{Key: w.String(), Data: json.RawMessage(data)}, err
}

func windowOf(item pipeline.Item) (w window, err error) {
	data, ok := item.Data.(json.RawMessage)
	if !ok {
		return w, fmt.Errorf("item %d holds %T, not a window", item.Seq, item.Data)
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return w, fmt.Errorf("read window %d: %w", item.Seq, err)
	}
	return w, nil
}
