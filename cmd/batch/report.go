package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/internal/report"
	"convbatch/pipeline"
	"convbatch/sinks"
)

func (p *program) reportCommand() *cli.Command {
	return &cli.Command{
		Name:  "report",
		Usage: "a run as one HTML file: numbers, charts, the reasons of failure; nothing in it comes from elsewhere",
		Description: "The page can be sent to somebody: it has no keys of rows, no messages, and of what the API said\n" +
			"no number in full. It prints the name of the file.",
		UsageText: "batch report spring-offer\nbatch report --output friday.html nightly-archive\nbatch report --output - spring-offer | gzip > report.html.gz",
		ArgsUsage: "RUN|JOB",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "the `FILE` to write, report-RUN.html by default; - is standard output", EnvVars: []string{"BATCH_OUTPUT"}},
		},
		Action: p.report,
	}
}

func (p *program) report(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError("report: name one job, or the id of a run")
	}
	output := c.Path("output")
	if p.flag(c, "json") && output == "-" {
		return usageError("--json says where the report is, and --output - writes it to the same place: choose one")
	}
	store, _, err := p.readStore(c)
	if err != nil {
		return err
	}
	r, err := p.newReporter(c.Context, store, c.Args().First())
	if err != nil {
		return err
	}
	page, err := r.page(c.Context)
	if err != nil {
		return fmt.Errorf("report on run %s: %w", r.run.ID, err)
	}
	if output == "-" {
		return page.Write(p.stdout)
	}
	if output == "" {
		output = "report-" + r.run.ID + ".html"
	}
	if err := sinks.WriteFile(output, func(w io.Writer) error { return page.Write(w) }); err != nil {
		return err
	}
	if p.flag(c, "json") {
		return writeJSON(p.stdout, map[string]string{"job": r.run.Job, "run_id": r.run.ID, "file": output})
	}
	fmt.Fprintln(p.stdout, output)
	return nil
}

// reporter collects what there is to say of one run.
type reporter struct {
	store   *sinks.Store
	run     sinks.Run
	running bool
	now     time.Time
	results sinks.ResultsQuery
	samples []sinks.Pace
	counts  map[pipeline.State]int64 // of the rows, by the results
}

// newReporter finds the run. Of one under way it takes the counts that its
// process said last.
func (p *program) newReporter(ctx context.Context, store *sinks.Store, name string) (*reporter, error) {
	found, err := findRun(store, name)
	if err != nil {
		return nil, err
	}
	status, err := p.statusOf(ctx, store, found.Job) // which brings what a process that died had committed into its place
	if err != nil {
		return nil, err
	}
	r := &reporter{store: store, now: p.now().UTC(), counts: map[pipeline.State]int64{}}
	if r.run, err = findRun(store, found.ID); err != nil {
		return nil, err
	}
	if status.Now != nil && status.Now.ID == found.ID {
		r.run, r.running = status.Now.Run, true
	}
	if r.results.Files, err = store.ResultFiles(found.Job, found.ID); err != nil {
		return nil, err
	}
	samples, err := store.Pace(found.Job, found.ID)
	if err != nil {
		return nil, err
	}
	r.samples = thinned(samples, mostSteps)
	return r, r.each(ctx, r.results.ByState(), func(values []any) error {
		r.counts[pipeline.State(values[0].(string))] = values[1].(int64)
		return nil
	})
}

// end is the last moment of the run so far.
func (r *reporter) end() time.Time {
	end := r.run.FinishedAt
	if end.IsZero() {
		end = r.now
	}
	if end.After(r.run.StartedAt) {
		return end
	}
	return r.run.StartedAt.Add(time.Second) // the clock was set back
}

// each asks the store, of whose rows there are few.
func (r *reporter) each(ctx context.Context, query string, row func(values []any) error) error {
	return r.store.Stream(ctx, query, r.store.ViewsFor(query, datasets()), sinks.QueryOptions{}, row)
}

func (r *reporter) page(ctx context.Context) (report.Page, error) {
	page := report.Page{
		Title: r.run.Job, About: r.about(), Facts: r.facts(),
		End: fmt.Sprintf("Made by batch %s at %s UTC. All times are in UTC.", version, report.Instant(r.now)),
	}
	for _, part := range []func(context.Context) (report.Section, error){r.states, r.reasons, r.next, r.messages, r.overTime, r.pace} {
		section, err := part(ctx)
		if err != nil {
			return page, err
		}
		if section.Title != "" {
			page.Sections = append(page.Sections, section)
		}
	}
	return page, nil
}
