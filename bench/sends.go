package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// inFlight is how many calls may be on the wire at once, of batch and of floors.
const inFlight = 64

// measureSends sends the same bodies with batch and with a bare loop.
func measureSends(b *bench) error {
	head("rows", "latency", "who", "wall", "rows/s", "CPU a row", "peak memory", "CPU, ratio", "wall, ratio")
	for _, c := range []struct {
		rows    int
		latency time.Duration
	}{
		{10_000, 0}, {100_000, 0}, {1_000_000, 0}, {100_000, 20 * time.Millisecond},
	} {
		if err := b.sends(max(c.rows/b.scale, 1000), c.latency); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) sends(rows int, latency time.Duration) (err error) {
	s, err := start(b.self, "stub", "-latency", latency.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	dir := filepath.Join(b.dir, fmt.Sprintf("send-%d-%s", rows, latency))
	if err := errors.Join(writeRecipients(dir, rows), writeBodies(dir, rows)); err != nil {
		return err
	}
	if err := writeJobs(dir, s.info, "unlimited", sendJob); err != nil {
		return err
	}
	all, err := turns(rounds(rows, 100_000),
		func() (figures, error) {
			return measure(dir, b.self, "floor-send", s.URLs.Conversation+"/v1/projects/project/messages:send", "bodies.jsonl")
		},
		func() (figures, error) { return b.fresh(dir, "run", "--quiet", "send") },
		func() (figures, error) { return measure(dir, b.binary, "run", "--quiet", "send") })
	if err != nil {
		return err
	}
	least, ours, again := all[0], all[1], all[2]
	row(rows, latency, "floor", least.wall, perSecond(rows, least.wall), each(least.cpu, rows), mebibytes(least.peak), "", "")
	row(rows, latency, "batch", ours.wall, perSecond(rows, ours.wall), each(ours.cpu, rows), mebibytes(ours.peak),
		float64(ours.cpu)/float64(least.cpu), float64(ours.wall)/float64(least.wall))
	row(rows, latency, "batch, again: every key is done", again.wall, perSecond(rows, again.wall), each(again.cpu, rows), mebibytes(again.peak), "", "")
	return nil
}

const sendJob = `
  send:
    kind: bulk_send
    app: %s
    from: {csv: recipients.csv}
    key: phone
    request:
      recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
      message: {text_message: {text: "Hi {{.name}}, spring is here."}}
`

// writeRecipients makes the rows of a job.
func writeRecipients(dir string, rows int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeLines(filepath.Join(dir, "recipients.csv"), func(out *bufio.Writer) {
		fmt.Fprintln(out, "phone,name")
		for n := range rows {
			fmt.Fprintf(out, "+467%08d,Guest %d\n", n, n)
		}
	})
}

// writeBodies makes the bodies that a run sends for the rows.
func writeBodies(dir string, rows int) error {
	return writeLines(filepath.Join(dir, "bodies.jsonl"), func(out *bufio.Writer) {
		for n := range rows {
			fmt.Fprintf(out, `{"app_id":"app","recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"+467%08d"}]}},`+
				`"message":{"text_message":{"text":"Hi Guest %d, spring is here."}},"message_metadata":"batch:send:+467%08d"}`+"\n", n, n, n)
		}
	})
}

func writeLines(path string, write func(*bufio.Writer)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	write(out)
	return errors.Join(out.Flush(), f.Close())
}

// writeJobs writes a job file for a server.
func writeJobs(dir string, i info, limit, jobs string) error {
	return os.WriteFile(filepath.Join(dir, "jobs.yaml"), fmt.Appendf(nil, `version: 1
api:
  project: %s
  region: eu
  key_id: %s
  key_secret: %s
  urls: {conversation: %q, batch: %q, provisioning: %q, token: %q}
store: ./store
limits: {requests: %s, in_flight: %d}
jobs:
`+jobs, i.Project, i.KeyID, i.KeySecret, i.URLs.Conversation, i.URLs.Batch, i.URLs.Provisioning, i.URLs.Token, limit, inFlight, i.App), 0o600)
}
