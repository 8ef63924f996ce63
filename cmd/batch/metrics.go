package main

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
)

func metricsFlags() []cli.Flag {
	return []cli.Flag{
		&cli.PathFlag{Name: "metrics-file", Usage: "write metrics to this `FILE` (.prom), for the textfile collector of Prometheus' node_exporter", EnvVars: []string{"BATCH_METRICS_FILE"}},
		&cli.StringFlag{Name: "metrics-listen", Usage: "while jobs run, answer /metrics on this `ADDRESS`, HOST:PORT; without a host on loopback alone", EnvVars: []string{"BATCH_METRICS_LISTEN"}},
	}
}

// metrics are the figures of a run for Prometheus. It is a display: it knows
// what the progress shows. That they can not be written or asked for is a
// warning, and nothing about the run.
type metrics struct {
	registry *prometheus.Registry
	out      []metricsOut

	jobs []*jobMetrics
	exit atomic.Int32 // of the process; -1 while it runs
	mu   sync.Mutex   // held while they leave
}

// jobMetrics is what is known of one job.
type jobMetrics struct {
	name string

	mu      sync.Mutex
	now     status    // its ID is "" before the run began
	success time.Time // when a run was completed last; zero when none was
	moved   func()    // told when there is something new
}

// metricsOut is a way that metrics leave.
type metricsOut interface {
	moved() // called when a figure changed
	close()
}

// newMetrics gets ready what the line asks for, for the jobs that it names.
func newMetrics(c *cli.Context, r *runner, chosen []jobs.Job) (*metrics, error) {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.exit.Store(-1)
	for _, job := range chosen {
		if m.of(job.Name) != nil {
			continue // named twice
		}
		of := &jobMetrics{name: job.Name, moved: m.changed}
		runs, err := r.store.Runs(job.Name)
		if err != nil { // the run writes the history anew
			r.log.Warn("when the job last succeeded is not known to the metrics", "job", job.Name, "error", err)
		}
		for _, run := range runs {
			if run.State == sinks.Completed {
				of.success = run.FinishedAt
			}
		}
		m.jobs = append(m.jobs, of)
	}
	if err := m.registry.Register(m); err != nil {
		return nil, err
	}
	if path := c.Path("metrics-file"); path != "" {
		if !strings.HasSuffix(path, ".prom") {
			return nil, usageError("--metrics-file %s: want a name that ends in .prom, since the textfile collector reads no other", path)
		}
		m.out = append(m.out, &metricsFile{path: path, from: m.registry, log: r.log})
	}
	if address := c.String("metrics-listen"); address != "" {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, usageError("--metrics-listen %s: want HOST:PORT, or :PORT for loopback", address)
		}
		if host == "" {
			host = "127.0.0.1"
		}
		m.out = append(m.out, listenMetrics(net.JoinHostPort(host, port), m.registry, r.log))
	}
	return m, nil
}

// changed lets metrics leave. One after the other, or an older figure could
// take the place of a newer one.
func (m *metrics) changed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, out := range m.out {
		out.moved()
	}
}

// of are the figures of a job; nil for one that was not named.
func (m *metrics) of(name string) *jobMetrics {
	for _, of := range m.jobs {
		if of.name == name {
			return of
		}
	}
	return nil
}

func (m *metrics) job(name string) bar { return m.of(name) }

func (m *metrics) close() {}

func (j *jobMetrics) update(s status) {
	j.mu.Lock()
	j.now = s
	j.mu.Unlock()
	j.moved()
}

func (j *jobMetrics) done() {}

// end says how the jobs and the process ended. Of a job that another process
// runs, that one says how it is; where that is so of all, nothing is said.
func (m *metrics) end(summaries []summary, code int) {
	mine := 0
	for _, s := range summaries {
		of := m.of(s.Job)
		if s.State == stateLocked {
			continue
		}
		mine++
		of.mu.Lock()
		of.now.Run = s.run()
		of.now.WaitsFor = ""
		if s.State == string(sinks.Completed) && s.RunID != "" {
			of.success = s.FinishedAt
		}
		of.mu.Unlock()
	}
	m.exit.Store(int32(code))
	if mine > 0 {
		m.changed()
	}
	for _, out := range m.out {
		out.close()
	}
}

// run is what the summary says of a run.
func (s summary) run() sinks.Run {
	return sinks.Run{
		Job: s.Job, ID: s.RunID, Kind: s.Kind, State: sinks.RunState(s.State), Rows: s.Rows,
		Counts: sinks.Counts{
			Done: s.Done, Failed: s.Failed, Invalid: s.Invalid, Suppressed: s.Suppressed,
			Skipped: s.Skipped, InDoubt: s.InDoubt, Records: s.Records,
		},
		Requests: s.Requests, Retries: s.Retries, Throttled: s.Throttled,
		StartedAt: s.StartedAt, FinishedAt: s.FinishedAt, ElapsedS: s.ElapsedS,
	}
}

// metric describes one, of each job.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("batch_"+name, help, append([]string{"job"}, labels...), nil)
}

// What is counted starts again with every run, as counters of Prometheus may.
var (
	metricRows      = metric("rows_total", "Rows of the run, or parts of what it reads, that came to a state.", "state")
	metricExpected  = metric("run_rows", "Rows of the run, or parts of what it reads, as far as known.")
	metricRecords   = metric("records_total", "Records that the run put in datasets.")
	metricRequests  = metric("requests_total", "Calls of the API.")
	metricRetries   = metric("retries_total", "Calls of the API that were another attempt.")
	metricThrottled = metric("throttled_total", "Answers of the API that said: slower (429).")
	metricLimit     = metric("limit_per_second", "Calls a second that the job may make; not there where it is unlimited.")
	metricPace      = metric("pace_per_second", "Calls a second that the job makes at most now: below the limit after a 429.")
	metricWaiting   = metric("waiting", "1 while the run waits for something other than its pace, such as sending hours.")
	metricState     = metric("run_state", "1 for the state of the last run: running, completed, failed or interrupted.", "state")
	metricStart     = metric("run_start_timestamp_seconds", "When the last run began.")
	metricDuration  = metric("run_duration_seconds", "Time at work on the last run, over all its processes.")
	metricSuccess   = metric("last_success_timestamp_seconds", "When a run was completed last; rows of it may have failed.")
	metricExit      = prometheus.NewDesc("batch_exit_code", "The exit code of the process; not there while it runs.", nil, nil)
)

// Describe and Collect make metrics a prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		metricRows, metricExpected, metricRecords, metricRequests, metricRetries, metricThrottled, metricLimit, metricPace,
		metricWaiting, metricState, metricStart, metricDuration, metricSuccess, metricExit,
	} {
		to <- d
	}
}

// Collect sends the figures as they are now.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for _, of := range m.jobs {
		of.collect(to)
	}
	if code := m.exit.Load(); code >= 0 {
		to <- prometheus.MustNewConstMetric(metricExit, prometheus.GaugeValue, float64(code))
	}
}

func (j *jobMetrics) collect(to chan<- prometheus.Metric) {
	j.mu.Lock()
	s, success := j.now, j.success
	j.mu.Unlock()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, append([]string{j.name}, labels...)...)
	}
	if !success.IsZero() {
		send(metricSuccess, prometheus.GaugeValue, seconds(success))
	}
	if s.State == "" {
		return // it has not begun
	}
	for state, n := range map[pipeline.State]int64{
		pipeline.Done: s.Done, pipeline.Failed: s.Counts.Failed, pipeline.Invalid: s.Invalid,
		pipeline.Suppressed: s.Suppressed, pipeline.Skipped: s.Skipped, pipeline.InDoubt: s.InDoubt,
	} {
		send(metricRows, prometheus.CounterValue, float64(n), string(state))
	}
	for _, state := range []sinks.RunState{sinks.Running, sinks.Completed, sinks.Failed, sinks.Interrupted} {
		send(metricState, prometheus.GaugeValue, truth(s.State == state), string(state))
	}
	send(metricExpected, prometheus.GaugeValue, float64(s.Rows))
	send(metricRecords, prometheus.CounterValue, float64(s.Records))
	send(metricRequests, prometheus.CounterValue, float64(s.Requests))
	send(metricRetries, prometheus.CounterValue, float64(s.Retries))
	send(metricThrottled, prometheus.CounterValue, float64(s.Throttled))
	send(metricWaiting, prometheus.GaugeValue, truth(s.WaitsFor != ""))
	send(metricStart, prometheus.GaugeValue, seconds(s.StartedAt))
	send(metricDuration, prometheus.GaugeValue, s.ElapsedS)
	if s.Limit > 0 {
		send(metricLimit, prometheus.GaugeValue, s.Limit)
		send(metricPace, prometheus.GaugeValue, s.Pace)
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
