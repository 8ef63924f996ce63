package main

import (
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"convbatch/internal/live"
)

// drawEvery is how often live bars are drawn.
const drawEvery = 200 * time.Millisecond

// liveBars draws a live bar for each job under way, and writes a last line of
// each that ended above them.
type liveBars struct {
	region *live.Region
	stop   func()

	mu   sync.Mutex
	bars []*liveBar // in the order in which they began
}

// newLiveBars draws on a terminal until it is closed. What is said meanwhile
// stands above the bars.
func (p *program) newLiveBars(f *os.File) *liveBars {
	b := &liveBars{}
	b.region = live.New(f, sizeOf(f), b.view)
	end := every(drawEvery, b.region.Draw)
	p.errs.over(b.region)
	b.stop = func() {
		end()
		b.region.Close()
		p.errs.over(f)
	}
	return b
}

// every calls do again and again, in a goroutine, until the returned function is called.
func every(pause time.Duration, do func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do()
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// sizeOf returns a function that says how large a terminal is now.
func sizeOf(f *os.File) func() (width, height int) {
	return func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}
}

func (b *liveBars) view(width, height int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]shown, 0, len(b.bars))
	for _, of := range b.bars {
		if of.began {
			all = append(all, shown{status: of.last})
		}
	}
	return draw(all, width, height)
}

func (b *liveBars) job(string) bar {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := &liveBar{of: b}
	b.bars = append(b.bars, of)
	return of
}

func (b *liveBars) close() { b.stop() }

// liveBar is the bar of one job; liveBars' lock guards it.
type liveBar struct {
	of    *liveBars
	last  status
	began bool
}

func (l *liveBar) update(s status) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.last, l.began = s, true
}

// done takes the bar away and leaves a line of how far it came.
func (l *liveBar) done() {
	l.of.mu.Lock()
	l.of.bars = slices.DeleteFunc(l.of.bars, func(b *liveBar) bool { return b == l })
	l.of.mu.Unlock()
	_, _ = io.WriteString(l.of.region, l.last.final()+"\n") // a terminal that is gone shows nothing
}

// errs is where messages go: standard error, above the live bars while there are some.
type errs struct {
	mu sync.Mutex
	w  io.Writer
}

// over sends what comes from now on to w.
func (e *errs) over(w io.Writer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.w = w
}

// Write writes a message.
func (e *errs) Write(text []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.w.Write(text)
}
