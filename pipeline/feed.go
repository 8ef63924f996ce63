package pipeline

import "context"

type drawn struct {
	items []Item
	err   error
}

type worked struct {
	item    Item
	outcome Outcome
	err     error
}

// feed draws chunks of items: up to Chunk that need a worker, and with them
// any number of settled ones within reason.
func (e *Engine) feed(ctx context.Context, chunks chan<- drawn) {
	for {
		var d drawn
		for toDo := 0; toDo < e.o.Chunk && len(d.items) < max(4096, e.o.Chunk); {
			item, err := e.o.Source.Next(ctx)
			if err != nil {
				d.err = err
				break
			}
			if item.Settled == nil {
				toDo++
			}
			d.items = append(d.items, item)
		}
		select {
		case chunks <- d:
		case <-ctx.Done():
			return
		}
		if d.err != nil {
			return
		}
	}
}

func (e *Engine) commitLoop(ctx context.Context) {
	for c := range e.commits {
		e.committed <- e.o.Sink.Commit(ctx, c)
	}
}
