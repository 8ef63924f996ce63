package pipeline

import (
	"slices"
	"time"
)

// waiting holds items in doubt until their time comes.
type waiting struct {
	items []postponed // by due
	timer *time.Timer // runs until the first of them is due
}

type postponed struct {
	item Item
	due  time.Time
}

func (w *waiting) add(item Item, due time.Time) {
	// Most wait equally long, so the place is at the end.
	at := len(w.items)
	for at > 0 && w.items[at-1].due.After(due) {
		at--
	}
	w.items = slices.Insert(w.items, at, postponed{item, due})
	if at == 0 {
		w.timer.Reset(time.Until(due))
	}
}

// ripe takes out the items whose time has come.
func (w *waiting) ripe(now time.Time) []Item {
	n := 0
	for n < len(w.items) && !w.items[n].due.After(now) {
		n++
	}
	ripe := make([]Item, n)
	for i := range ripe {
		ripe[i] = w.items[i].item
	}
	w.items = slices.Delete(w.items, 0, n)
	if len(w.items) > 0 {
		w.timer.Reset(time.Until(w.items[0].due))
	}
	return ripe
}

// all takes everything out.
func (w *waiting) all() []Item {
	items := make([]Item, len(w.items))
	for i := range items {
		items[i] = w.items[i].item
	}
	w.items = nil
	return items
}

// postpone keeps an item in doubt for later; a run that stops has no later.
func (e *Engine) postpone(item Item, wait time.Duration) {
	if e.stopping {
		e.doubt(item)
		return
	}
	e.waiting.add(item, time.Now().Add(wait))
	e.noteWaiting(len(e.waiting.items))
}

// doubt keeps the claims of items in doubt that this run leaves unsettled
// (invariant 5). Items that are not in doubt were not sent.
func (e *Engine) doubt(items ...Item) {
	for _, item := range items {
		if item.Doubt != nil {
			e.inDoubt = append(e.inDoubt, Claim{Range{item.Seq, item.Seq + 1}, item.Doubt.Since})
		}
	}
}
