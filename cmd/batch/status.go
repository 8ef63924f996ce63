package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/sinks"
)

func (p *program) statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "what runs now and what ran last; works while jobs run",
		UsageText: "batch status\nbatch status --json spring-offer",
		ArgsUsage: "[JOB]",
		Flags:     []cli.Flag{storeFlag()},
		Action:    p.showStatus,
	}
}

// jobStatus is what one job does, or did last.
type jobStatus struct {
	Job     string  `json:"job"`
	Running bool    `json:"running"`
	Now     *status `json:"now,omitempty"` // while it runs
	Last    *last   `json:"last,omitempty"`
}

// last is the last run as it ended.
type last struct{ sinks.Run }

func (p *program) showStatus(c *cli.Context) error {
	store, names, err := p.readStore(c)
	if err != nil {
		return err
	}
	if c.Args().Present() {
		for _, name := range c.Args().Slice() {
			if !slices.Contains(names, name) {
				return noJob(name, cmp.Or(c.Path("store"), p.text(c, "file")), names)
			}
		}
		names = c.Args().Slice()
	}
	var all []jobStatus
	for _, name := range names {
		s, err := p.statusOf(c.Context, store, name)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	if p.flag(c, "json") {
		return writeJSON(p.stdout, map[string]any{"jobs": all})
	}
	for _, s := range all {
		fmt.Fprintln(p.stdout, s.words(p.now()))
	}
	return nil
}

func (p *program) statusOf(ctx context.Context, store *sinks.Store, job string) (jobStatus, error) {
	s := jobStatus{Job: job}
	if err := p.settle(ctx, store, job); err != nil {
		return s, err
	}
	pid, err := store.Holder(job)
	if err != nil {
		return s, err
	}
	runs, err := store.Runs(job)
	if err != nil {
		return s, err
	}
	s.Running = pid != 0
	if len(runs) > 0 {
		s.Last = &last{runs[len(runs)-1]}
	}
	if !s.Running {
		return s, nil
	}
	said, err := store.Statuses()
	if err != nil {
		return s, err
	}
	for _, at := range said {
		var now status
		if at.Job == job && at.Said != nil && json.Unmarshal(at.Said, &now) == nil && now.PID == pid {
			s.Now = &now
		}
	}
	return s, nil
}

func (s jobStatus) words(now time.Time) string {
	switch {
	case s.Now != nil:
		return fmt.Sprintf("%s (process %d, for %s)", s.Now.line(), s.Now.PID, now.Sub(s.Now.StartedAt).Round(time.Second))
	case s.Running:
		return s.Job + ": beginning"
	case s.Last == nil:
		return s.Job + ": never ran"
	}
	text := summarize(s.Last.Run, false).words()
	if s.Last.State == sinks.Interrupted && goesOn(s.Last.Run) {
		text += "\n  `batch run " + s.Job + "` resumes it"
	}
	if !s.Last.FinishedAt.IsZero() {
		text += fmt.Sprintf("\n  ended %s", s.Last.FinishedAt.Format(time.RFC3339))
	}
	return text
}
