package pipeline

import "context"

type drawn struct {
	items []Item
	err   error
}

// mostDrawn bounds how many settled items a chunk has, but for the rest of a block.
const mostDrawn = 4096

// feed draws chunks of items: Chunk that need a worker, and with them any
// number of settled ones within reason. A chunk ends with a block, which only
// the item after it can tell: so one is always drawn ahead.
func (e *Engine) feed(ctx context.Context, chunks chan<- drawn) {
	next, err := e.o.Source.Next(ctx)
	for {
		var d drawn
		for toDo := 0; err == nil; next, err = e.o.Source.Next(ctx) {
			n := len(d.items)
			enough := toDo >= e.o.Chunk || n >= max(mostDrawn, e.o.Chunk)
			if enough && e.block(d.items[n-1]) != e.block(next) {
				break
			}
			if next.Settled == nil {
				toDo++
			}
			d.items = append(d.items, next)
		}
		d.err = err
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
