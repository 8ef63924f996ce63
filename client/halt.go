package client

import (
	"context"
	"errors"
	"sync"
)

// halt cancels contexts that do not depend on each other, all at once and for
// good.
type halt struct {
	mu      sync.Mutex
	cause   error
	cancels map[*context.CancelCauseFunc]struct{}
}

func newHalt() *halt { return &halt{cancels: map[*context.CancelCauseFunc]struct{}{}} }

// bind returns a context that ends with ctx or by stop. release must be called.
func (h *halt) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause != nil {
		cancel(h.cause)
		return bound, func() {}
	}
	h.cancels[&cancel] = struct{}{}
	return bound, func() {
		h.mu.Lock()
		delete(h.cancels, &cancel)
		h.mu.Unlock()
		cancel(nil)
	}
}

// stop ends what is bound and what will be. The first cause stays.
func (h *halt) stop(cause error) {
	if cause == nil {
		cause = errors.New("the calls were cancelled")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause != nil {
		return
	}
	h.cause = cause
	for cancel := range h.cancels {
		(*cancel)(cause)
	}
}
