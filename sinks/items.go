package sinks

import (
	"context"

	"convbatch/pipeline"
)

// StoredItems returns all items of an unfinished run of a pulling kind, also
// those that have an outcome, in order of Seq; their Data is json.RawMessage.
func (l *Ledger) StoredItems(ctx context.Context, run string) ([]pipeline.Item, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.itemsLeft(ctx, &position{run: run}, nil)
}
