package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// stops holds the two stages of stopping. A first SIGINT or SIGTERM ends soft:
// nothing new is begun and calls in flight may finish. A second ends hard.
type stops struct {
	soft, hard context.Context
	first      atomic.Int32 // the signal that began the stop
}

// watchSignals listens until the returned function is called.
func (p *program) watchSignals(ctx context.Context) (*stops, func()) {
	s := &stops{}
	var stopSoft, stopHard context.CancelFunc
	s.hard, stopHard = context.WithCancel(ctx)
	s.soft, stopSoft = context.WithCancel(s.hard)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-ch:
				if s.first.CompareAndSwap(0, int32(sig.(syscall.Signal))) {
					fmt.Fprintf(p.errs, "batch: %s: calls in flight may finish (30 s at most); again to end at once\n", sig)
					stopSoft()
				} else {
					stopHard()
				}
			case <-done:
				return
			}
		}
	}()
	return s, func() {
		signal.Stop(ch)
		close(done)
		stopSoft()
		stopHard()
	}
}

// exitCode is 128 and the number of the signal that began the stop.
func (s *stops) exitCode() int { return 128 + int(s.first.Load()) }

func (s *stops) stopped() bool { return s.first.Load() != 0 }
