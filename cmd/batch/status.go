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
		Name:  "status",
		Usage: "what runs now and what ran last; works while jobs run",
		Description: "With --watch on a terminal, the view of `batch run` from anywhere else; elsewhere a line every 30 s for\n" +
			"each job that runs. It ends with Ctrl-C or, where a job is named, with that job.",
		UsageText: "batch status\nbatch status --json spring-offer\nbatch status --watch",
		ArgsUsage: "[JOB]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "watch", Usage: "show it anew until Ctrl-C, or until the job that is named has ended", EnvVars: []string{"BATCH_WATCH"}},
			storeFlag(),
		},
		Action: p.showStatus,
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
	if c.Bool("watch") && p.flag(c, "json") {
		return usageError("--watch is for a person, --json for a program: choose one")
	}
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
	if c.Bool("watch") {
		return p.watchStatus(c.Context, store, c.Args().Slice())
	}
	all, err := p.statuses(c.Context, store, names)
	if err != nil {
		return err
	}
	if p.flag(c, "json") {
		return writeJSON(p.stdout, map[string]any{"jobs": all})
	}
	p.sayStatuses(all)
	return nil
}

func (p *program) sayStatuses(all []jobStatus) {
	for _, s := range all {
		fmt.Fprintln(p.stdout, s.words(p.now()))
	}
}

func (p *program) statuses(ctx context.Context, store *sinks.Store, jobs []string) (all []jobStatus, err error) {
	for _, job := range jobs {
		s, err := p.statusOf(ctx, store, job)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
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
