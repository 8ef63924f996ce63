package pipeline

import (
	"slices"
	"time"
)

// waiting holds groups in doubt until their time comes.
type waiting struct {
	groups []postponed // by due
	items  int         // in all of them
	timer  *time.Timer // runs until the first of them is due
}

type postponed struct {
	items []Item
	due   time.Time
}

func (w *waiting) add(items []Item, due time.Time) {
	// Most wait equally long, so the place is at the end.
	at := len(w.groups)
	for at > 0 && w.groups[at-1].due.After(due) {
		at--
	}
	// A copy, since the queue's array would hold on to all that came with them.
	w.groups = slices.Insert(w.groups, at, postponed{slices.Clone(items), due})
	w.items += len(items)
	if at == 0 {
		w.timer.Reset(time.Until(due))
	}
}

// ripe takes out the groups whose time has come.
func (w *waiting) ripe(now time.Time) []Item {
	n := 0
	for n < len(w.groups) && !w.groups[n].due.After(now) {
		n++
	}
	ripe := w.take(n)
	if len(w.groups) > 0 {
		w.timer.Reset(time.Until(w.groups[0].due))
	}
	return ripe
}

// take takes out the first n groups, and returns their items one after the other.
func (w *waiting) take(n int) []Item {
	var items []Item
	for _, p := range w.groups[:n] {
		items = append(items, p.items...)
	}
	w.groups = slices.Delete(w.groups, 0, n)
	w.items -= len(items)
	return items
}

// postpone keeps a group in doubt for later; a run that stops has no later.
func (e *Engine) postpone(items []Item, wait time.Duration) {
	if e.stopping {
		e.doubt(items...)
		return
	}
	e.waiting.add(items, time.Now().Add(wait))
	e.noteWaiting(e.waiting.items)
}

// doubt keeps the claims of items in doubt that this run leaves unsettled
// (invariant 5). Items that are not in doubt were not sent.
func (e *Engine) doubt(items ...Item) {
	for _, item := range items {
		if item.Doubt == nil {
			continue
		}
		n := len(e.inDoubt)
		if n > 0 && e.inDoubt[n-1].To == item.Seq && e.inDoubt[n-1].At.Equal(item.Doubt.Since) {
			e.inDoubt[n-1].To++ // a group is one claim, not a thousand
		} else {
			e.inDoubt = append(e.inDoubt, Claim{Range{item.Seq, item.Seq + 1}, item.Doubt.Since})
		}
	}
}
