package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/internal/bucket"
	"convbatch/jobs"
	"convbatch/sinks"
)

func (p *program) uploadCommand() *cli.Command {
	return &cli.Command{
		Name:  "upload",
		Usage: "bring to the bucket of upload: what it lacks of datasets and results",
		Description: "Runs upload what they write by themselves, once the job file says upload:. This is for what was written\n" +
			"before, and after `batch compact`: merged files come, and those that they were made of leave before.\n" +
			"What is there under its name in its size is left. Jobs may run meanwhile.",
		UsageText: "batch upload --dry-run\nbatch upload",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "dry-run", Usage: "only say what would be uploaded", EnvVars: []string{"BATCH_DRY_RUN"}}},
		Action:    p.upload,
	}
}

func (p *program) upload(c *cli.Context) error {
	file, err := p.load(c)
	if err != nil {
		return err
	}
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	if _, ok := file.UploadPlace(); !ok {
		return usageError("upload: %s does not say where to; add upload: s3://BUCKET/PREFIX to it", file.Path)
	}
	stops, done := p.watchSignals(c.Context)
	defer done()
	to, err := openBucket(file, stops.soft.Done(), log)
	if err != nil {
		return err
	}
	defer to.Close()
	store, err := sinks.OpenStore(file.StorePath())
	if err != nil {
		return err
	}
	// What a process that died had committed comes first into its place.
	if err := p.settleAll(stops.soft, store); err != nil {
		return err
	}
	did, err := store.UploadTo(to).Upload(stops.soft, c.Bool("dry-run"))
	switch {
	case stops.stopped():
		return &exitError{stops.exitCode(), fmt.Errorf("stopped; the same command goes on: %w", err)}
	case err != nil:
		return err
	case p.flag(c, "json"):
		return writeJSON(p.stdout, did)
	}
	_, err = fmt.Fprintln(p.stdout, uploadWords(did, to.String(), c.Bool("dry-run")))
	return err
}

// uploadWords says what was uploaded, or would be.
func uploadWords(u sinks.Uploaded, to string, plan bool) string {
	verb := "uploaded to"
	if plan {
		verb = "would be uploaded to"
	}
	words := fmt.Sprintf("%s, %s MiB, %s %s; %s there", plural(int64(u.Files), "file"), count(u.Bytes>>20), verb, to, count(int64(u.There)))
	if u.Replaced > 0 {
		words += fmt.Sprintf("; %s replaced by merged ones", count(int64(u.Replaced)))
	}
	return words
}

// upload makes the store of the runner bring what jobs write to the bucket that
// the job file names, if it names one, until the returned function is called.
func (r *runner) upload() (done func(), err error) {
	if _, ok := r.file.UploadPlace(); !ok {
		return func() {}, nil
	}
	// A first signal lets commits try on: what they hold is known nowhere else.
	to, err := openBucket(r.file, r.stops.hard.Done(), r.log)
	if err != nil {
		return nil, err
	}
	r.store = r.store.UploadTo(to)
	return to.Close, nil
}

// openBucket opens the bucket that a job file names. When stop is done, what
// failed is not tried again.
func openBucket(file *jobs.File, stop <-chan struct{}, log *slog.Logger) (*bucket.Bucket, error) {
	place, _ := file.UploadPlace()
	to, err := bucket.Open(bucket.Options{
		Scheme: place.Scheme, Bucket: place.Bucket, Prefix: place.Prefix, Endpoint: place.Endpoint, Region: place.Region,
		Attempts: file.Retry.Attempts, First: file.Retry.First.Duration(), Max: file.Retry.Max.Duration(), Stop: stop,
		Retrying: func(err error, wait time.Duration) {
			log.Warn("the bucket could not be used, and is tried again", "in", wait.Round(time.Millisecond).String(), "error", err)
		},
	})
	if err != nil {
		return nil, usageError("%s: upload: %w", file.Path, err)
	}
	return to, nil
}
