package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// display shows how jobs get on: live bars on a terminal, a line every 30 s
// elsewhere, nothing when quiet.
type display interface {
	job(name string) bar
	close()
}

type bar interface {
	update(status)
	done()
}

func (p *program) newDisplay(quiet bool) display {
	if quiet {
		return silent{}
	}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &liveBars{progress: mpb.New(mpb.WithOutput(f), mpb.WithRefreshRate(200*time.Millisecond))}
	}
	return lines{p.stderr}
}

// displays are several, each of which shows the same.
type displays []display

func (d displays) job(name string) bar {
	var of bars
	for _, shows := range d {
		of = append(of, shows.job(name))
	}
	return of
}

func (d displays) close() {
	for _, shows := range d {
		shows.close()
	}
}

type bars []bar

func (b bars) update(s status) {
	for _, shows := range b {
		shows.update(s)
	}
}

func (b bars) done() {
	for _, shows := range b {
		shows.done()
	}
}

type silent struct{}

func (silent) job(string) bar { return silent{} }
func (silent) close()         {}
func (silent) update(status)  {}
func (silent) done()          {}

// lines writes one line every 30 s for each job.
type lines struct{ w io.Writer }

func (l lines) job(string) bar { return &lineBar{w: l.w, next: time.Now().Add(30 * time.Second)} }
func (lines) close()           {}

type lineBar struct {
	w    io.Writer
	next time.Time
}

func (l *lineBar) update(s status) {
	if now := time.Now(); now.After(l.next) {
		l.next = now.Add(30 * time.Second)
		fmt.Fprintln(l.w, s.line())
	}
}
func (*lineBar) done() {}

// liveBars draws a live bar for each job.
type liveBars struct{ progress *mpb.Progress }

func (b *liveBars) job(name string) bar {
	t := &termBar{}
	// Only of a bar that begins without a total can the total change later.
	t.bar = b.progress.New(0, mpb.BarStyle().Rbound("]"),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.Any(t.rows, decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(t.details)),
	)
	return t
}

func (b *liveBars) close() { b.progress.Wait() }

type termBar struct {
	bar  *mpb.Bar
	mu   sync.Mutex
	last status
}

func (t *termBar) update(s status) {
	t.mu.Lock()
	t.last = s
	t.mu.Unlock()
	t.bar.SetTotal(max(s.Rows, 1), false)
	t.bar.SetCurrent(s.Settled())
}

// done leaves the bar as it stands, whether all of it was settled or not.
func (t *termBar) done() { t.bar.Abort(false) }

func (t *termBar) status() status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *termBar) rows(decor.Statistics) string {
	s := t.status()
	return fmt.Sprintf("%s/%s", count(s.Settled()), count(s.Rows))
}

func (t *termBar) details(decor.Statistics) string {
	return "  " + strings.Join(t.status().details(), "  ")
}
