package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/sinks"
)

// someMetrics are those of a run that has something of everything.
func someMetrics(t *testing.T) *metrics {
	t.Helper()
	m := &metrics{registry: prometheus.NewRegistry()}
	m.exit.Store(exitIncomplete)
	m.jobs = []*jobMetrics{
		{name: "send", moved: m.changed, success: time.Unix(1_700_000_000, 0)},
		{name: "never"},
	}
	m.jobs[0].update(status{Limit: 20, Pace: 5, WaitsFor: "hours", Run: sinks.Run{
		State: sinks.Running, Rows: 10, Counts: sinks.Counts{Done: 3, Failed: 2, InDoubt: 1, Records: 7},
		Requests: 9, Retries: 4, Throttled: 2, StartedAt: time.Unix(1_700_000_100, 0), ElapsedS: 1.5,
	}})
	require.NoError(t, m.registry.Register(m))
	return m
}

func TestMetricsAreNamedAsPrometheusNamesThem(t *testing.T) {
	t.Parallel()
	problems, err := testutil.CollectAndLint(someMetrics(t))
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestMetricsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	want := `
# HELP batch_exit_code The exit code of the process; not there while it runs.
# TYPE batch_exit_code gauge
batch_exit_code 3
# HELP batch_last_success_timestamp_seconds When a run was completed last; rows of it may have failed.
# TYPE batch_last_success_timestamp_seconds gauge
batch_last_success_timestamp_seconds{job="send"} 1.7e+09
# HELP batch_rows_total Rows of the run, or parts of what it reads, that came to a state.
# TYPE batch_rows_total counter
batch_rows_total{job="send",state="done"} 3
batch_rows_total{job="send",state="failed"} 2
batch_rows_total{job="send",state="in_doubt"} 1
batch_rows_total{job="send",state="invalid"} 0
batch_rows_total{job="send",state="skipped"} 0
batch_rows_total{job="send",state="suppressed"} 0
# HELP batch_run_state 1 for the state of the last run: running, completed, failed or interrupted.
# TYPE batch_run_state gauge
batch_run_state{job="send",state="completed"} 0
batch_run_state{job="send",state="failed"} 0
batch_run_state{job="send",state="interrupted"} 0
batch_run_state{job="send",state="running"} 1
# HELP batch_waiting 1 while the run waits for something other than its pace, such as sending hours.
# TYPE batch_waiting gauge
batch_waiting{job="send"} 1
`
	require.NoError(t, testutil.CollectAndCompare(someMetrics(t), strings.NewReader(want),
		"batch_exit_code", "batch_last_success_timestamp_seconds", "batch_rows_total", "batch_run_state", "batch_waiting"))
}

// The file is what node_exporter reads: the job's figures as the summary has
// them, and after a failure still the last success.
func TestTheMetricsFileSaysHowARunEnded(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 20)
	file := filepath.Join(w.dir, "batch.prom")
	s := w.here("run", "--json", "--metrics-file", file, "send").summary(t)
	text := w.read("batch.prom")
	for _, line := range []string{
		`batch_rows_total{job="send",state="done"} 20`, `batch_run_state{job="send",state="completed"} 1`,
		fmt.Sprintf(`batch_requests_total{job="send"} %d`, s.Requests), `batch_run_rows{job="send"} 20`, "batch_exit_code 0",
	} {
		assert.Contains(t, text, line+"\n")
	}
	success := lineWith(text, "batch_last_success_timestamp_seconds{")
	assert.Regexp(t, `^batch_last_success_timestamp_seconds\{job="send"\} 1\.[0-9]+e\+09$`, success)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode().Perm())

	require.NoError(t, os.Remove(filepath.Join(w.dir, "recipients.csv")))
	r := w.here("run", "--metrics-file", file, "send")
	require.Equal(t, exitUsage, r.code)
	text = w.read("batch.prom")
	assert.Contains(t, text, `batch_run_state{job="send",state="failed"} 1`)
	assert.Contains(t, text, "batch_exit_code 2\n")
	assert.Equal(t, success, lineWith(text, "batch_last_success_timestamp_seconds{"))
	left, err := filepath.Glob(file + "*")
	require.NoError(t, err)
	assert.Equal(t, []string{file}, left, "nothing but the file is left")
}

func lineWith(text, prefix string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

func TestMetricsThatCanNotBeWrittenAreAWarning(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 3)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	r := w.here("run", "--metrics-file", filepath.Join(w.dir, "none", "batch.prom"), "--metrics-listen", taken.Addr().String(), "send")
	assert.Zero(t, r.code, r.stderr)
	assert.Equal(t, 1, strings.Count(r.stderr, "--metrics-file: the metrics can not be written"), r.stderr)
	assert.Contains(t, r.stderr, "--metrics-listen: nobody can ask for metrics")
	for flag, value := range map[string]string{"--metrics-file": "metrics.txt", "--metrics-listen": "9464"} {
		assert.Equal(t, exitUsage, w.here("run", flag, value, "send").code, flag)
	}
}

func TestMetricsCanBeAskedForWhileARunGoesOn(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	m := someMetrics(t)
	s := listenMetrics(address, m.registry, slog.New(slog.DiscardHandler))
	resp, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, string(body), `batch_requests_total{job="send"} 9`)
	s.close()
	_, err = http.Get("http://" + address + "/metrics")
	assert.Error(t, err, "it ends with the run")
}

// Another process runs the job, and says how it is.
func TestAJobThatIsLockedLeavesTheMetricsFileAlone(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 3)
	store, err := sinks.OpenStore(filepath.Join(w.dir, "store"))
	require.NoError(t, err)
	ledger, err := store.Ledger(t.Context(), "send")
	require.NoError(t, err)
	defer ledger.Close()
	w.write("batch.prom", "theirs\n")
	r := w.here("run", "--metrics-file", filepath.Join(w.dir, "batch.prom"), "send")
	assert.Equal(t, exitLocked, r.code)
	assert.Equal(t, "theirs\n", w.read("batch.prom"))
}
