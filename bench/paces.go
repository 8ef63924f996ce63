package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// measurePaces sends at limits that are asked for, and lets the server say how
// well they are kept: the mean, and the busiest of all sliding seconds, which
// counts what was late on its way as well.
func measurePaces(b *bench) error {
	head("limit", "latency", "rows", "mean", "of the limit", "busiest second", "CPU a row", "of a core", "peak memory")
	for _, c := range []struct {
		limit   int
		seconds int
		latency time.Duration
	}{
		{25, 16, 0}, {800, 16, 0}, {5000, 10, 0}, {800, 20, 50 * time.Millisecond},
	} {
		if err := b.pace(c.limit, max(c.limit*c.seconds/b.scale, 2*c.limit), c.latency); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) pace(limit, rows int, latency time.Duration) error {
	ours, a, err := b.paced(fmt.Sprintf("pace-%d-%s", limit, latency), fmt.Sprintf("%d/s", limit), rows, "-latency", latency.String())
	if err != nil {
		return err
	}
	row(fmt.Sprintf("%d/s", limit), latency, rows, fmt.Sprintf("%.2f/s", a.mean()), percent(a.mean()/float64(limit)), a.Busiest,
		each(ours.cpu, rows), percent(ours.cpu.Seconds()/ours.wall.Seconds()), mebibytes(ours.peak))
	return nil
}

// paced sends rows at a limit to a stub of its own.
func (b *bench) paced(name, limit string, rows int, stub ...string) (ours figures, a arrived, err error) {
	s, err := start(b.self, append([]string{"stub", "-times"}, stub...)...)
	if err != nil {
		return ours, a, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if ours, err = b.send(filepath.Join(b.dir, name), s.info, limit, sendJob, rows); err == nil {
		a, err = s.arrived()
	}
	return ours, a, err
}

// send runs a job that sends, with a number of rows.
func (b *bench) send(dir string, i info, limit, job string, rows int) (figures, error) {
	if err := writeRecipients(dir, rows); err != nil {
		return figures{}, err
	}
	if err := writeJobs(dir, i, limit, job); err != nil {
		return figures{}, err
	}
	return measure(dir, b.binary, "run", "--quiet", "send")
}

// measureStorms sends more than the server takes: 5,000 rows to one that takes
// 500 in a second and answers the others with 429 and Retry-After: 2. The least
// that any client needs is nine seconds, which takes ten of the server's seconds
// whole, each begun with all that it takes. To know that, a client would have to
// be told. One that has to find out meets a 429, and then calls nothing for the
// two seconds that were asked for: its least is the time until then, the two
// seconds, and what is left at the rate that the server has shown to take.
func measureStorms(b *bench) error {
	const limit, retryAfter = 500, 2 * time.Second
	head("limit of batch", "rows", "sending took", "least", "ratio", "429s", "busiest second", "least of all", "ratio")
	rows := max(5000/b.scale, 2*limit)
	all := time.Duration(rows/limit-1) * time.Second
	for _, c := range []struct {
		limit string
		least time.Duration
	}{
		{"500/s", time.Duration(rows) * time.Second / limit},
		{"800/s", limit*time.Second/800 + retryAfter + time.Duration(rows-limit)*time.Second/limit},
		{"unlimited", retryAfter + time.Duration(rows-limit)*time.Second/limit},
	} {
		_, a, err := b.paced("storm-"+c.limit[:3], c.limit, rows, "-limit", fmt.Sprint(limit))
		if err != nil {
			return err
		}
		row(c.limit, rows, a.Span, c.least, a.Span.Seconds()/c.least.Seconds(), a.Refused, a.Busiest, all, a.Span.Seconds()/all.Seconds())
	}
	return nil
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
