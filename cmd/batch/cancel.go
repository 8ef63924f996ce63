package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/client"
	"convbatch/sinks"
)

func (p *program) cancelCommand() *cli.Command {
	return &cli.Command{
		Name:  "cancel",
		Usage: "take back the scheduled batches of a run; the next run sends their rows again",
		Description: "Of a job with mode: batch and send_after, until the messages are sent. What was cancelled is kept in the\n" +
			"store, so that the next run does not count its rows as sent.",
		UsageText: "batch cancel spring-offer",
		ArgsUsage: "RUN|JOB",
		Action:    p.cancelBatches,
	}
}

const (
	// How often, and how long apart, a batch is looked at until it is cancelled:
	// the API does that in its own time.
	cancelLooks = 5
	cancelPause = time.Second
)

// cancellation is what the API said of one batch.
type cancellation struct {
	Batch  string `json:"batch_id"`
	Rows   int64  `json:"rows"`
	Status string `json:"status,omitempty"` // the API's word
	Error  string `json:"error,omitempty"`
}

func (c cancellation) words() string {
	says := "it is " + c.Status
	switch {
	case c.Error != "":
		says = c.Error
	case c.Status == client.BatchCancelled:
		says = "cancelled"
	case c.Status == "PROCESSED":
		says = "too late: it is PROCESSED, its messages are sent"
	case c.Status != "":
		says += ": the API was asked to cancel it and has not yet; run this again to see"
	}
	return fmt.Sprintf("  %s, %s: %s", c.Batch, plural(c.Rows, "row"), says)
}

func (p *program) cancelBatches(c *cli.Context) (err error) {
	if c.NArg() != 1 {
		return usageError("cancel: name one job, or the id of a run")
	}
	file, err := p.load(c)
	if err != nil {
		return err
	}
	r, err := p.newRunner(c, file)
	if err != nil {
		return err
	}
	stops, done := p.watchSignals(c.Context)
	defer done()
	ctx := stops.soft
	run, err := findRun(r.store, c.Args().First())
	if err != nil {
		return err
	}
	batches, err := r.sentBatches(ctx, run)
	if err != nil {
		return err
	}
	for i := range batches {
		if err := r.cancelBatch(ctx, run, &batches[i]); err != nil {
			return errors.Join(err, p.sayCancelled(c, run, batches[:i]))
		}
	}
	if err := p.sayCancelled(c, run, batches); err != nil {
		return err
	}
	for _, b := range batches {
		if b.Status != client.BatchCancelled {
			return &exitError{code: exitIncomplete}
		}
	}
	return nil
}

// sentBatches are the batches that the results of a run name, in order. A run
// that a process works on may send further ones, so it is refused.
func (r *runner) sentBatches(ctx context.Context, run sinks.Run) ([]cancellation, error) {
	files, err := r.store.Results(ctx, run.Job, run.ID)
	if err != nil {
		return nil, err
	}
	var batches []cancellation
	if len(files) > 0 {
		query := fmt.Sprintf(`SELECT regexp_extract(ref, '^(.*):[0-9]+$', 1) AS id, count(*) FROM results
			WHERE job = '%s' AND run_id = '%s' AND state = 'done' AND id <> '' GROUP BY id ORDER BY min(seq)`, run.Job, run.ID)
		err = r.store.Stream(ctx, query, r.store.ViewsFor(query, datasets()), sinks.QueryOptions{MemoryMiB: 256, Threads: 1}, func(values []any) error {
			id, _ := values[0].(string)
			rows, _ := values[1].(int64)
			batches = append(batches, cancellation{Batch: id, Rows: rows})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for the batches of run %s: %w", run.ID, err)
		}
	}
	if len(batches) == 0 {
		return nil, usageError("run %s of job %s sent no batches: only those of mode: batch can be cancelled", run.ID, run.Job)
	}
	return batches, nil
}

// cancelBatch asks for a batch not to be sent, and keeps that it is not once
// the API says so. An error ends the command; one of the batch is in b.
func (r *runner) cancelBatch(ctx context.Context, run sinks.Run, b *cancellation) error {
	if _, err := r.api.CancelBatch(ctx, b.Batch); err != nil {
		return b.refused(err)
	}
	for look := range cancelLooks {
		if look > 0 {
			select {
			case <-time.After(cancelPause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		status, err := r.api.BatchStatus(ctx, b.Batch)
		if err != nil {
			return b.refused(err)
		}
		var said struct{ Status string }
		if err := json.Unmarshal(status.Body, &said); err != nil {
			return fmt.Errorf("read what the API says of batch %s: %w", b.Batch, err)
		}
		switch b.Status = said.Status; said.Status {
		case client.BatchCancelled:
			return r.store.AddCancelled(run.Job, sinks.CancelledBatch{ID: b.Batch, Run: run.ID, At: r.p.now().UTC()})
		case "PROCESSED":
			return nil
		}
	}
	return nil
}

// refused keeps what the API said against one batch. What it would say of any
// other as well is returned.
func (b *cancellation) refused(err error) error {
	var e *client.Error
	if errors.As(err, &e) && e.Intent == client.Failed {
		b.Error = e.Error()
		return nil
	}
	return fmt.Errorf("cancel batch %s: %w", b.Batch, err)
}

// sayCancelled prints what became of batches.
func (p *program) sayCancelled(c *cli.Context, run sinks.Run, batches []cancellation) error {
	if p.flag(c, "json") {
		return writeJSON(p.stdout, struct {
			Job     string         `json:"job"`
			RunID   string         `json:"run_id"`
			Batches []cancellation `json:"batches"`
		}{run.Job, run.ID, batches})
	}
	lines := []string{fmt.Sprintf("%s: batches of run %s", run.Job, run.ID)}
	for _, b := range batches {
		lines = append(lines, b.words())
	}
	_, err := fmt.Fprintln(p.stdout, strings.Join(lines, "\n"))
	return err
}
