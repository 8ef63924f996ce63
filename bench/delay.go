package main

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// delay lets each who waits go on after the same time. time.Sleep would, where
// little else goes on, be up to a millisecond late: a twentieth of 20 ms.
type delay struct {
	time  time.Duration
	queue chan waiter // in order, for all wait as long
}

type waiter struct {
	due  time.Time
	over chan struct{}
}

func newDelay(latency time.Duration) *delay {
	d := &delay{time: latency, queue: make(chan waiter, 1<<16)}
	go d.run()
	return d
}

func (d *delay) run() {
	runtime.LockOSThread() // which sleeps
	for w := range d.queue {
		for {
			left := time.Until(w.due)
			if left <= 0 {
				break
			}
			tv := unix.NsecToTimeval(left.Nanoseconds())
			if _, err := unix.Select(0, nil, nil, nil, &tv); err != nil && !errors.Is(err, unix.EINTR) {
				panic(err)
			}
		}
		close(w.over)
	}
}

// wait returns when the time is over since a request came.
func (d *delay) wait(since time.Time) {
	if d.time <= 0 {
		return
	}
	w := waiter{since.Add(d.time), make(chan struct{})}
	d.queue <- w
	<-w.over
}
