package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
	"convbatch/sources"
)

func (p *program) planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "what a run would do: rows, states, the first requests, the time it takes; sends nothing",
		UsageText: "batch plan spring-offer\nbatch plan --limit 10 spring-offer\nbatch plan --out plan.parquet spring-offer",
		ArgsUsage: "JOB",
		Flags: append([]cli.Flag{
			&cli.PathFlag{Name: "out", Usage: "a Parquet `FILE` of all rows: what becomes of each, its request, its SMS parts", EnvVars: []string{"BATCH_OUT"}},
		}, partFlags()...),
		Action: p.planJob,
	}
}

// plan is what a run of a job would do.
type plan struct {
	Job        string            `json:"job"`
	Kind       string            `json:"kind"`
	Resumes    string            `json:"resumes,omitempty"` // the unfinished run that would go on
	Rows       int64             `json:"rows"`
	Send       int64             `json:"send"`
	Actions    map[string]int64  `json:"actions,omitempty"` // of what is to send: what it does
	Failing    int64             `json:"failing,omitempty"` // known to fail, and so not sent
	Invalid    int64             `json:"invalid"`
	Suppressed int64             `json:"suppressed"`
	Skipped    int64             `json:"skipped"`
	InDoubt    int64             `json:"in_doubt"`
	Unfindable int64             `json:"unfindable,omitempty"` // to send, without room for their key
	Settled    int64             `json:"settled,omitempty"`    // by the run that would go on
	Reasons    map[string]int64  `json:"reasons,omitempty"`    // of what is invalid
	Failures   map[string]int64  `json:"failures,omitempty"`   // why what is failing does
	Calls      int64             `json:"calls,omitempty"`      // that send groups of rows
	Queue      *plannedQueue     `json:"app_queue,omitempty"`  // of a job that sends, where the server tells
	SMS        *plannedSMS       `json:"sms,omitempty"`        // of what is to send; nil where nothing goes by SMS
	Requests   []json.RawMessage `json:"first_requests,omitempty"`
	Windows    int               `json:"windows,omitempty"` // of a listing, to begin with
	From       string            `json:"from,omitempty"`
	To         string            `json:"to,omitempty"`
	LeftOut    []string          `json:"left_out,omitempty"` // columns of datasets that are not written
	Hashed     []string          `json:"hashed,omitempty"`   // columns of datasets that are hashed
	Rate       string            `json:"rate"`
	AtLeastS   float64           `json:"at_least_s"` // seconds, at that rate
}

const (
	firstRequests = 3
	reasonsKept   = 20
)

func (p *program) planJob(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError("plan: name one job, for example `batch plan spring-offer`")
	}
	r, chosen, done, err := p.open(c)
	if err != nil {
		return err
	}
	defer done()
	if r.asks.part, err = partOf(c, chosen); err != nil {
		return err
	}
	out := c.Path("out")
	if _, pulls := chosen[0].Spec.(jobs.Puller); pulls && out != "" {
		return usageError("--out: job %s is of kind %s, which reads a listing and has no rows", chosen[0].Name, chosen[0].Kind)
	}
	made, err := r.plan(r.stops.soft, chosen[0], out)
	if err != nil {
		return err
	}
	if p.flag(c, "json") {
		return writeJSON(p.stdout, made)
	}
	_, err = io.WriteString(p.stdout, made.words())
	return err
}

// plan finds out what a run would do. It takes the input down into a folder of
// its own, which it removes.
func (r *runner) plan(ctx context.Context, job jobs.Job, out string) (plan, error) {
	rate := allowed(job, r.file)
	made := plan{Job: job.Name, Kind: job.Kind, Rate: rate.String(), LeftOut: job.Keep.LeftOut(), Hashed: job.Keep.Hashed()}
	if pid, err := r.store.Holder(job.Name); err != nil {
		return made, err
	} else if pid != 0 {
		return made, &sinks.LockedError{Job: job.Name, PID: pid}
	}
	if err := r.p.settle(ctx, r.store, job.Name); err != nil {
		return made, err
	}
	unfinished, err := r.unfinished(job.Name)
	if err != nil {
		return made, err
	}
	switch spec := job.Spec.(type) {
	case jobs.Pusher:
		if err = r.planRows(ctx, job, spec, unfinished, &made, out); err == nil {
			r.planQueue(ctx, job, &made)
		}
	case jobs.Puller:
		err = r.planWindows(ctx, job, spec, unfinished, &made)
	}
	calls := made.Send + int64(made.Windows)
	if made.Calls > 0 {
		calls = made.Calls
	}
	made.AtLeastS = float64(calls) / rate.PerSecond() // 0 without a limit
	return made, err
}

// unfinished returns the run that `batch run` would resume, if there is one.
func (r *runner) unfinished(job string) (*sinks.Run, error) {
	runs, err := r.store.Runs(job)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 || !goesOn(runs[len(runs)-1]) {
		return nil, nil
	}
	return &runs[len(runs)-1], nil
}

func (r *runner) planRows(ctx context.Context, job jobs.Job, spec jobs.Pusher, unfinished *sinks.Run, made *plan, out string) error {
	calls := planCalls(spec, r.p.now())
	switch {
	case unfinished != nil && out != "":
		return usageError("--out: run %s of job %s goes on with the input that it began with, whose rows are in `batch results`", unfinished.ID, job.Name)
	case unfinished != nil && r.asks.part.given():
		return r.asks.part.refuse(*unfinished)
	case unfinished != nil:
		// What is left of it is decided by its own input, not by the file of today.
		made.Resumes, made.Rows = unfinished.ID, unfinished.Rows
		made.Settled, made.Send = unfinished.Settled(), unfinished.Rows-unfinished.Settled()
		made.Calls = calls.atLeast(made.Send)
		return nil
	}
	dir, err := os.MkdirTemp("", "batch-plan-")
	if err != nil {
		return fmt.Errorf("plan %s: %w", job.Name, err)
	}
	defer os.RemoveAll(dir)
	taken, err := takeDown(ctx, takeDownOptions{
		spec: spec, env: r.env(job, r.api), dir: r.file.Dir, store: r.store, job: job.Name, into: dir, name: "input", part: r.asks.part,
	})
	if err != nil {
		return err
	}
	in, err := sources.OpenInput(taken.input, taken.fates, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	made.Rows, made.Actions = taken.intake.Rows, map[string]int64{}
	made.Reasons, made.Failures = map[string]int64{}, map[string]int64{}
	stopped := func() error { return context.Cause(ctx) }
	plan := func(write func(plannedRow) error) error { return made.rows(spec, calls, in, stopped, write) }
	if out == "" {
		err = plan(func(plannedRow) error { return nil })
	} else {
		err = sinks.WriteRows(out, plan)
	}
	calls.state(made)
	return err
}

// unsent counts a row that is not sent.
func (m *plan) unsent(state pipeline.State, reason string) {
	switch state {
	case pipeline.Skipped:
		m.Skipped++
	case pipeline.Suppressed:
		m.Suppressed++
	case pipeline.InDoubt:
		m.InDoubt++
	case pipeline.Failed:
		m.Failing++
		countReason(m.Failures, reason)
	default:
		m.Invalid++
		countReason(m.Reasons, reason)
	}
}

// countReason counts a reason for which rows are not sent.
func countReason(reasons map[string]int64, reason string) {
	if _, ok := reasons[reason]; !ok && len(reasons) >= reasonsKept {
		reason = "other reasons"
	}
	reasons[reason]++
}

func (r *runner) planWindows(ctx context.Context, job jobs.Job, spec jobs.Puller, unfinished *sinks.Run, made *plan) error {
	if unfinished != nil {
		made.Resumes, made.Rows, made.Settled = unfinished.ID, unfinished.Rows, unfinished.Settled()
		made.Windows = int(made.Rows - made.Settled)
		return made.span(unfinished.Data)
	}
	runs, err := r.store.Runs(job.Name)
	if err != nil {
		return err
	}
	b, err := spec.Begin(ctx, r.env(job, r.api), lastCompleted(runs, job.Kind))
	if err != nil {
		return fmt.Errorf("job %s: %w", job.Name, err)
	}
	made.Windows = len(b.Items)
	return made.span(b.Data)
}

// span reads what a run of windows covers. Lists that are read whole have none.
func (m *plan) span(data json.RawMessage) error {
	if len(data) == 0 {
		return nil
	}
	var span struct{ From, To time.Time }
	if err := json.Unmarshal(data, &span); err != nil {
		return fmt.Errorf("read what the run covers: %w", err)
	}
	m.From, m.To = span.From.Format(time.RFC3339), span.To.Format(time.RFC3339)
	return nil
}

// words is the plan for a person.
func (m *plan) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", m.Job, m.Kind)
	switch {
	case m.Resumes != "" && m.From == "" && m.Windows > 0:
		fmt.Fprintf(&b, "  resumes run %s: %s are left, each to its end\n", m.Resumes, plural(int64(m.Windows), "part"))
	case m.Resumes != "" && m.From == "":
		fmt.Fprintf(&b, "  resumes run %s: %s of %s are settled, %s are left; its input is the one that was taken down when it began\n",
			m.Resumes, count(m.Settled), plural(m.Rows, "row"), count(m.Rows-m.Settled))
	case m.Resumes != "":
		fmt.Fprintf(&b, "  resumes run %s: messages accepted from %s until %s, %d windows are left\n", m.Resumes, m.From, m.To, m.Windows)
	case m.From == "" && m.Windows > 0:
		fmt.Fprintf(&b, "  reads %s to the end, and what belongs to their entries; how long they are is not known before\n", plural(int64(m.Windows), "list"))
	case m.From != "":
		fmt.Fprintf(&b, "  reads messages accepted from %s until %s, in %d windows to begin with\n", m.From, m.To, m.Windows)
	default:
		fmt.Fprintf(&b, "  %s: %s to send, %s invalid, %s suppressed, %s skipped, %s in doubt since an earlier run\n",
			plural(m.Rows, "row"), count(m.Send), count(m.Invalid), count(m.Suppressed), count(m.Skipped), count(m.InDoubt))
	}
	plannedKeep(&b, m.LeftOut, m.Hashed)
	for _, group := range []struct {
		what string
		rows map[string]int64
	}{{"invalid, ", m.Reasons}, {"will fail, ", m.Failures}, {"", m.Actions}} {
		for _, why := range slices.Sorted(maps.Keys(group.rows)) {
			fmt.Fprintf(&b, "    %s%s: %s\n", group.what, plural(group.rows[why], "row"), why)
		}
	}
	if m.SMS != nil {
		b.WriteString(m.SMS.words())
	}
	if m.Calls > 0 {
		fmt.Fprintf(&b, "  %s for %s; what they ask for, the API does in its own time\n", plural(m.Calls, "call"), plural(m.Send, "row"))
	}
	fmt.Fprintf(&b, "  at %s: at least %s\n", m.Rate, (time.Duration(m.AtLeastS * float64(time.Second))).Round(100*time.Millisecond))
	if m.Queue != nil {
		b.WriteString(m.Queue.words())
	}
	if m.Unfindable > 0 {
		fmt.Fprintf(&b, "  %s could not be looked for: such a row stays in doubt if its answer is lost\n", plural(m.Unfindable, "row"))
	}
	for i, body := range m.Requests {
		fmt.Fprintf(&b, "  request %d: %s\n", i+1, body)
	}
	return b.String()
}
