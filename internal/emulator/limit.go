package emulator

import (
	"math"
	"sync"
	"time"
)

// window admits a number of requests in any sliding second. Refused requests
// do not count.
type window struct {
	mu    sync.Mutex
	width int64
	taken []int64 // a ring: when each of the last admitted requests came
	next  int
}

// newWindow allows rate requests a second; nil, which admits everything, for
// a rate of 0. Below one a second the window grows instead.
func newWindow(rate float64) *window {
	if rate <= 0 {
		return nil
	}
	n := max(1, int(rate))
	w := &window{taken: make([]int64, n), width: int64(float64(n) / rate * float64(time.Second))}
	for i := range w.taken {
		w.taken[i] = math.MinInt64 / 2
	}
	return w
}

func (w *window) admit(now int64) bool {
	if w == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now-w.taken[w.next] < w.width {
		return false
	}
	w.taken[w.next] = now
	w.next = (w.next + 1) % len(w.taken)
	return true
}

// bucket is a level that drains with time: the token endpoint's own limit,
// that of calls with a bare key, and the app's queue of outgoing messages.
type bucket struct {
	mu    sync.Mutex
	level float64
	at    int64
	size  float64
	drain float64 // a second; 0: nothing is ever held
}

// put adds one, unless the bucket is full.
func (b *bucket) put(now int64) bool { return b.putAll(1, now) }

// putAll adds n, unless there is no room for all of them.
func (b *bucket) putAll(n int, now int64) bool {
	if b.drain == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(now)
	if b.level+float64(n) > b.size {
		return false
	}
	b.level += float64(n)
	return true
}

// fill is how much the bucket holds.
func (b *bucket) fill(now int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(now)
	return int64(math.Ceil(b.level))
}

func (b *bucket) settle(now int64) {
	if now > b.at {
		b.level = max(0, b.level-float64(now-b.at)/float64(time.Second)*b.drain)
		b.at = now
	}
}
