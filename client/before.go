package client

import "context"

type beforeKey struct{}

// BeforeSend returns a context for calls that must be noted somewhere before
// they go out: f is called at the last moment before each attempt of a call
// that is not idempotent, when it has been allowed to go. When f fails nothing
// is sent, and the call ends with an *Error of Intent Fatal that wraps its error.
func BeforeSend(ctx context.Context, f func() error) context.Context {
	return context.WithValue(ctx, beforeKey{}, f)
}

// note calls what BeforeSend put into ctx.
func (op Operation) note(ctx context.Context) error {
	f, ok := ctx.Value(beforeKey{}).(func() error)
	if !ok || op.reads() {
		return nil
	}
	return f()
}
