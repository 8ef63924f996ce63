package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"convbatch/internal/live"
	"convbatch/sinks"
)

// lookEvery is how often the store is looked at; a run says twice a second how it is.
const lookEvery = 500 * time.Millisecond

// watchStatus shows how jobs get on until it is interrupted or, where jobs are
// named, none of them runs any more: on a terminal in a live view, elsewhere by a
// line every 30 s for each that runs. Then it says how those that were named are.
func (p *program) watchStatus(ctx context.Context, store *sinks.Store, named []string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	w := &watcher{store: store, named: named, idle: map[string]idle{}, out: p.stdout, bars: map[string]*lineBar{}}
	if f, ok := p.liveTerminal(p.stdout); ok {
		w.region = live.New(f, sizeOf(f), w.view)
	}
	err := w.watch(ctx)
	if w.region != nil {
		w.region.Close()
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	all, err := p.statuses(ctx, store, named)
	if err == nil {
		p.sayStatuses(all)
	}
	return err
}

// watcher knows what the jobs of a store do.
type watcher struct {
	store *sinks.Store
	named []string // empty: all that the store has
	now   []shown
	idle  map[string]idle

	region *live.Region // nil where there is no terminal
	out    io.Writer    // for lines elsewhere
	bars   map[string]*lineBar
}

// idle is what there is to say of a job that does not run, as of its last status.
type idle struct {
	at   time.Time
	text string
}

// watch looks and shows until ctx ends or, where jobs are named, none runs.
func (w *watcher) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		running, err := w.look()
		if err != nil {
			return err
		}
		if len(w.named) > 0 && running == 0 {
			return nil
		}
		w.show()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look finds out what the jobs do, and how many of them run.
func (w *watcher) look() (running int, err error) {
	said, err := w.store.Statuses()
	if err != nil {
		return 0, err
	}
	w.now = nil
	for _, at := range said {
		if len(w.named) > 0 && !slices.Contains(w.named, at.Job) {
			continue
		}
		s := shown{status: status{Run: sinks.Run{Job: at.Job}}, idle: "beginning"}
		var now status
		switch {
		case at.PID == 0:
			if s.idle, err = w.words(at); err != nil {
				return 0, err
			}
		case at.Said != nil && json.Unmarshal(at.Said, &now) == nil && now.PID == at.PID:
			s = shown{status: now}
		}
		if at.PID != 0 {
			running++
		}
		w.now = append(w.now, s)
	}
	return running, nil
}

// words is one line about a job that does not run.
func (w *watcher) words(at sinks.Status) (string, error) {
	if known, ok := w.idle[at.Job]; ok && known.at.Equal(at.Written) {
		return known.text, nil
	}
	runs, err := w.store.Runs(at.Job)
	if err != nil {
		return "", err
	}
	text := "never ran"
	if len(runs) > 0 {
		run := runs[len(runs)-1]
		text = fmt.Sprintf("%s, %s of %s %s settled", run.State, count(run.Settled()), count(run.Rows), unit(run))
		if !run.FinishedAt.IsZero() {
			text += ", ended " + run.FinishedAt.Format(time.RFC3339)
		}
	}
	w.idle[at.Job] = idle{at.Written, text}
	return text, nil
}

func (w *watcher) show() {
	if w.region != nil {
		w.region.Draw()
		return
	}
	for _, s := range w.now {
		if s.idle != "" {
			continue
		}
		if w.bars[s.Job] == nil {
			w.bars[s.Job] = &lineBar{w: w.out} // the first line at once
		}
		w.bars[s.Job].update(s.status)
	}
}

func (w *watcher) view(width, height int) []string {
	if len(w.now) == 0 {
		return []string{shorten("no job has run yet", width)}
	}
	return draw(w.now, width, height)
}
