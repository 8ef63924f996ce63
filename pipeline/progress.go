package pipeline

import "sync"

// Counts is how many items are in which state, and what they brought.
type Counts struct {
	States    map[State]int64
	Records   int64
	Mark      int64  // committed
	Waiting   int    // items in doubt that wait to be looked for
	LastError string // of an outcome that is failed, invalid or in doubt
}

// progress is what others may read while a run goes on.
type progress struct {
	mu     sync.Mutex
	counts Counts
	known  int64
}

func (p *progress) noteKnown(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = n
}

// Known is how many items the run has as far as is known: those it began with
// and those that others gave rise to.
func (p *progress) Known() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

func (p *progress) count(o Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts.States == nil {
		p.counts.States = make(map[State]int64)
	}
	p.counts.States[o.State]++
	p.counts.Records += int64(len(o.Records))
	if o.State == Failed || o.State == Invalid || o.State == InDoubt {
		p.counts.LastError = o.Error
	}
}

func (p *progress) noteMark(mark int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Mark = mark
}

func (p *progress) noteWaiting(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Waiting = n
}

// Counts returns what this process has settled so far.
func (p *progress) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts
	c.States = make(map[State]int64, len(p.counts.States))
	for k, v := range p.counts.States {
		c.States[k] = v
	}
	return c
}
