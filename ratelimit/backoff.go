package ratelimit

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// NewBackoff returns a policy with full jitter: the nth wait (from 0) is
// anywhere between 0 and first doubled n times, at most max. It never gives up
// by itself. A policy belongs to one call: it is not safe for several at once.
func NewBackoff(first, max time.Duration) backoff.BackOff {
	// The library draws from interval ± interval, so the middle is half of the
	// widest wait.
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(first, max)/2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMultiplier(2),
		backoff.WithMaxInterval(max/2),
		backoff.WithMaxElapsedTime(0),
	)
}
