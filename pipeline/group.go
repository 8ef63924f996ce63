package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// block numbers the items that make one group, as far as they are not settled.
func (e *Engine) block(item Item) int64 { return item.Seq / int64(e.o.Group) }

// head is the group that is next in the queue: a chunk has whole blocks, and
// what waited comes back as it went.
func (e *Engine) head() []Item {
	n := 1
	for n < len(e.queue) && e.block(e.queue[n]) == e.block(e.queue[0]) {
		n++
	}
	return e.queue[:n:n]
}

// worked is what a worker made of a group, or why it is not settled.
type worked struct {
	items []Item
	one   Outcome   // of a single item
	all   []Outcome // of a group
	err   error
}

func (w *worked) outcome(i int) *Outcome {
	if w.all == nil {
		return &w.one
	}
	return &w.all[i]
}

// workOn returns what has a group worked on.
func (e *Engine) workOn() (func(context.Context, []Item) worked, error) {
	if e.o.Group == 1 {
		return func(ctx context.Context, items []Item) worked {
			w := worked{items: items}
			w.one, w.err = e.o.Worker.Do(ctx, items[0])
			return w
		}, nil
	}
	worker, ok := e.o.Worker.(GroupWorker)
	if !ok {
		return nil, fmt.Errorf("items are to be worked on in groups of %d, and %T takes one at a time", e.o.Group, e.o.Worker)
	}
	return func(ctx context.Context, items []Item) worked {
		w := worked{items: items}
		if w.all, w.err = worker.DoGroup(ctx, items); w.err == nil {
			w.err = fits(items, w.all)
		}
		return w
	}, nil
}

// fits says what is wrong with the outcomes of a group. What became of its
// items is not known then, so they are left in doubt (invariant 5).
func fits(items []Item, outcomes []Outcome) error {
	var err error
	switch {
	case len(outcomes) != len(items):
		err = fmt.Errorf("the worker gave %d outcomes for a group of %d items", len(outcomes), len(items))
	case slices.ContainsFunc(outcomes, func(o Outcome) bool { return len(o.Follow) > 0 }):
		// After a resume they would be in other groups than before.
		err = errors.New("the worker let an item of a group give rise to others")
	default:
		return nil
	}
	for i := range items {
		if items[i].Doubt == nil {
			items[i].Doubt = &Doubt{}
		}
	}
	return err
}
