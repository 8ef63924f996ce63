package client

import (
	"context"
	"errors"
)

// halt ends contexts that do not depend on each other, all at once and for
// good.
type halt struct {
	over context.Context // ends when the client is stopped
	end  context.CancelCauseFunc
}

func newHalt() *halt {
	over, end := context.WithCancelCause(context.Background())
	return &halt{over, end}
}

// bind returns a context that ends with ctx or by stop. release must be called.
func (h *halt) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	if h.over.Err() != nil { // at once, where a goroutine of AfterFunc would take its time
		cancel(context.Cause(h.over))
	}
	unbind := context.AfterFunc(h.over, func() { cancel(context.Cause(h.over)) })
	return bound, func() {
		unbind()
		cancel(nil)
	}
}

// stop ends what is bound and what will be. The first cause stays.
func (h *halt) stop(cause error) {
	if cause == nil {
		cause = errors.New("the calls were cancelled")
	}
	h.end(cause)
}
