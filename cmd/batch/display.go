package main

import (
	"fmt"
	"io"
	"os"
	"time"

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
	if f, ok := p.liveTerminal(p.stderr); ok {
		return p.newLiveBars(f)
	}
	return lines{p.stderr}
}

// liveTerminal is w where that is a terminal on which lines can be drawn anew.
func (p *program) liveTerminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	if name, _ := p.env("TERM"); !ok || name == "dumb" {
		return nil, false
	}
	return f, term.IsTerminal(int(f.Fd()))
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
