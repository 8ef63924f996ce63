// Package bucket keeps files as objects: in a bucket that speaks the protocol
// of S3, or in a folder that stands for one.
package bucket

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Options say where objects are kept, and how often that is tried.
type Options struct {
	Scheme   string // s3, gs (through its S3-compatible API) or file
	Bucket   string // "" for file
	Prefix   string // that names of objects begin with, without slashes at its ends; for file the folder
	Endpoint string // the URL of the service; http and https are known
	Region   string // "" where the service is asked for it

	Attempts   int           // how often a call is tried at most
	First, Max time.Duration // waits double from First to Max
	// Stop, when it is done, ends waiting for another attempt. Nil: never.
	Stop <-chan struct{}
	// Retrying, unless it is nil, is told of an attempt that failed before the
	// next is waited for.
	Retrying func(err error, wait time.Duration)
}

// Bucket is a place for objects. Its methods may be called by any number of
// goroutines. Their errors say which object, where, what the service said, and
// what to do; no secret is in them.
type Bucket struct {
	o     Options
	at    place
	tries atomic.Int64 // how often the next call is tried at most
}

// firstTries is how often the first call is tried at most: who begins wants to
// know soon that nobody answers.
const firstTries = 3

// place is what keeps objects. Names are whole, and their parts joined by slashes.
type place interface {
	put(ctx context.Context, name, path string) error
	get(ctx context.Context, name string) ([]byte, error)
	remove(ctx context.Context, name string) error
	list(ctx context.Context, prefix string, each func(name string, size int64) error) error
	// judge says what to do about an error, whether it may get better by itself,
	// and in short what went wrong.
	judge(err error) (hint string, again bool, short error)
	close()
}

// Open makes nothing and calls nobody: whether the place is there is found out
// by using it.
func Open(o Options) (*Bucket, error) {
	b := &Bucket{o: o}
	b.tries.Store(int64(min(o.Attempts, firstTries)))
	if o.Scheme == "file" {
		b.at = folder(o.Prefix)
		return b, nil
	}
	at, err := openS3(o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", b, err)
	}
	b.at = at
	return b, nil
}

// Close lets go of connections that are not in use.
func (b *Bucket) Close() { b.at.close() }

// String is the place as a job file names it.
func (b *Bucket) String() string {
	switch {
	case b.o.Scheme == "file":
		return "file://" + b.o.Prefix
	case b.o.Prefix == "":
		return b.o.Scheme + "://" + b.o.Bucket
	}
	return b.o.Scheme + "://" + b.o.Bucket + "/" + b.o.Prefix
}

// Put makes an object of a file. It replaces what has the name, and appears
// whole or not at all.
func (b *Bucket) Put(ctx context.Context, name, path string) error {
	return b.try(ctx, "put "+name+" into", func(ctx context.Context) error { return b.at.put(ctx, name, path) })
}

// Remove removes an object; it is no error that there is none.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	return b.try(ctx, "remove "+name+" from", func(ctx context.Context) error { return b.at.remove(ctx, name) })
}

// List calls each for every object whose name begins with prefix, in no
// particular order, until that returns an error. After an attempt that failed it
// begins anew, so each may be called twice for one.
func (b *Bucket) List(ctx context.Context, prefix string, each func(name string, size int64) error) error {
	return b.try(ctx, "list "+prefix+" in", func(ctx context.Context) error { return b.at.list(ctx, prefix, each) })
}

// try calls the place as often as Options say. After it was in vain, the next
// call is tried once: whoever ends because of the first is not kept waiting by
// what is left to do.
func (b *Bucket) try(ctx context.Context, what string, call func(context.Context) error) error {
	tries := b.tries.Load()
	waits := b.backoff()
	for n := int64(1); ; n++ {
		err := call(ctx)
		if err == nil {
			b.tries.Store(int64(b.o.Attempts))
			return nil
		}
		hint, again, err := b.at.judge(err)
		if ctx.Err() == nil && again && n < tries && b.wait(ctx, err, waits.NextBackOff()) {
			continue
		}
		if again {
			b.tries.Store(1)
		}
		return fmt.Errorf("%s %s: %w%s", what, b, err, hint)
	}
}

// wait waits for the next attempt, and says whether there is to be one.
func (b *Bucket) wait(ctx context.Context, err error, wait time.Duration) bool {
	if b.o.Retrying != nil {
		b.o.Retrying(err, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-b.o.Stop:
	}
	return false
}

func (b *Bucket) backoff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(b.o.First),
		backoff.WithMultiplier(2),
		backoff.WithMaxInterval(b.o.Max),
		backoff.WithMaxElapsedTime(0),
	)
}

// Probe tries out, with an object of its own that it removes, whatever is asked
// of the place: to write, read, list and remove. The error says which failed.
func (b *Bucket) Probe(ctx context.Context, path string, text []byte) (err error) {
	name := fmt.Sprintf(".batch-doctor-%016x", rand.Uint64())
	if err := b.Put(ctx, name, path); err != nil {
		return err
	}
	err = b.readAndList(ctx, name, text)
	if gone := b.Remove(ctx, name); err == nil {
		err = gone
	}
	return err
}

func (b *Bucket) readAndList(ctx context.Context, name string, want []byte) error {
	var got []byte
	err := b.try(ctx, "read "+name+" from", func(ctx context.Context) (err error) {
		got, err = b.at.get(ctx, name)
		return err
	})
	if err == nil && string(got) != string(want) {
		err = fmt.Errorf("read %s from %s: it has %d bytes and is not what was put there, which has %d", name, b, len(got), len(want))
	}
	if err != nil {
		return err
	}
	found := false
	if err := b.List(ctx, name, func(string, int64) error { found = true; return nil }); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("list %s: the object %s, which was just put there, is not among them: a service that lists late can not be used", b, name)
	}
	return nil
}
