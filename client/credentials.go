package client

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// renewPause lies between two renewals ahead of time, when the first failed.
const renewPause = 5 * time.Second

// credentials hold the one token that all calls share. However many ask for
// it at once, one of them goes to the token endpoint and the others wait.
type credentials struct {
	fetch      func(context.Context) (*token, error)
	attempts   int
	newBackoff func() Backoff
	hider      *hider
	long       bool // the secret is no word that any answer may hold

	mu      sync.Mutex
	current *token
	flight  *flight // nil when nobody is at the token endpoint
}

// flight is one visit to the token endpoint.
type flight struct {
	done      chan struct{} // closed when what follows is settled
	token     *token
	err       error
	abandoned bool // by its leader, whose context ended: somebody else must go
}

func newCredentials(cfg Config) *credentials {
	secret := cfg.KeySecret.Reveal()
	c := &credentials{
		attempts:   cfg.Attempts,
		newBackoff: cfg.Backoff,
		hider:      newHider(keySecrets(cfg.KeyID, secret)...),
		long:       len(secret) >= leastHidden,
	}
	if cfg.Auth == "basic" {
		c.current = basicToken(cfg.KeyID, secret)
		return c
	}
	c.fetch = newTokenEndpoint(cfg).fetch
	return c
}

// get returns a token that is good now. A token near its end is renewed by
// one caller while the others go on with it. It returns the error of ctx when
// that ends, else that of the token endpoint, which nothing will mend.
func (c *credentials) get(ctx context.Context) (*token, error) {
	for {
		c.mu.Lock()
		t, f, now := c.current, c.flight, time.Now()
		good := t != nil && (t.basic || now.Before(t.expiry))
		if good && (t.basic || f != nil || now.Before(t.renewAt)) {
			c.mu.Unlock()
			return t, nil
		}
		if f == nil {
			f = &flight{done: make(chan struct{})}
			c.flight = f
			c.mu.Unlock()
			return c.lead(ctx, f, t, good)
		}
		c.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !f.abandoned {
			return f.token, f.err
		}
	}
}

// lead goes to the token endpoint for everybody. With a token that is still
// good it goes once and is content with the old one.
func (c *credentials) lead(ctx context.Context, f *flight, old *token, good bool) (*token, error) {
	attempts := c.attempts
	if good {
		attempts = 1
	}
	f.token, f.err = c.visit(ctx, attempts)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	c.flight = nil
	switch {
	case f.err == nil:
		c.current = f.token
	case good:
		old.renewAt = time.Now().Add(renewPause)
		f.token, f.err = old, nil
	case ctx.Err() != nil:
		f.abandoned = true
	}
	return f.token, f.err
}

// visit asks the token endpoint up to attempts times.
func (c *credentials) visit(ctx context.Context, attempts int) (*token, error) {
	var policy Backoff
	for n := 1; ; n++ {
		t, err := c.fetch(ctx)
		if err == nil {
			return t, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		refusal := err.(*tokenError)
		if refusal.permanent {
			return nil, refusal
		}
		if n >= attempts {
			return nil, fmt.Errorf("%w, after %d attempts", refusal, n)
		}
		if policy == nil {
			policy = c.newBackoff()
		}
		timer := time.NewTimer(max(policy.NextBackOff(), refusal.retryAfter))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// drop forgets t, unless somebody has replaced it meanwhile.
func (c *credentials) drop(t *token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == t {
		c.current = nil
	}
}
