package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

// spanCollector takes what OTLP exporters post.
type spanCollector struct {
	*httptest.Server
	mu       sync.Mutex
	requests int
	services map[string]bool
	spans    []*otlp.Span
	text     string // all of it
}

func newSpanCollector(t *testing.T) *spanCollector {
	c := &spanCollector{services: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "/v1/traces", r.URL.Path)
		var posted collector.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(body, &posted))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests++
		c.text += posted.String()
		for _, of := range posted.ResourceSpans {
			c.services[attributes(of.Resource.Attributes)["service.name"]] = true
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// attributes are those of a span, as texts.
func attributes(of []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, kv := range of {
		text := kv.Value.GetStringValue()
		if text == "" {
			text = strings.TrimPrefix(strings.ReplaceAll(kv.Value.String(), " ", ""), "int_value:")
		}
		all[kv.Key] = text
	}
	return all
}

// named are the spans of a name; each hangs below the one given.
func (c *spanCollector) named(t *testing.T, name string, below *otlp.Span) (spans []*otlp.Span) {
	t.Helper()
	parent := ""
	if below != nil {
		parent = hex.EncodeToString(below.SpanId)
	}
	for _, s := range c.spans {
		if s.Name == name {
			assert.Equal(t, parent, hex.EncodeToString(s.ParentSpanId), "where %s hangs", name)
			spans = append(spans, s)
		}
	}
	require.NotEmpty(t, spans, "no span %s", name)
	return spans
}

func TestTracesOfARunAreOfItsJobsCallsAndCommits(t *testing.T) {
	t.Parallel()
	to := newSpanCollector(t)
	o := emulator.Options{Faults: []emulator.Fault{{Operation: "Messages_SendMessage", Kind: "503", First: 2}}}
	w := newWorkbench(t, o, quickRetry, sendJob).asTested()
	w.recipients("recipients.csv", 20)
	w.env = append(w.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+to.URL, "OTEL_SERVICE_NAME=nightly", "OTEL_EXPORTER_OTLP_HEADERS=api-key=S3cret")
	s, r := w.run("send")
	require.Zero(t, r.code, r.stderr)
	assert.Empty(t, r.stderr)

	command := to.named(t, "batch run", nil)[0]
	assert.Equal(t, "0", attributes(command.Attributes)["process.exit.code"])
	job := to.named(t, "job send", command)[0]
	said := attributes(job.Attributes)
	assert.Equal(t, []string{"send", "bulk_send", s.RunID, "completed", "20", "20"},
		[]string{said["batch.job"], said["batch.kind"], said["batch.run_id"], said["batch.state"], said["batch.rows"], said["batch.done"]})

	calls := to.named(t, "Messages_SendMessage", job)
	assert.Len(t, calls, 22, "every attempt")
	answers := map[string]int{}
	for _, call := range calls {
		is := attributes(call.Attributes)
		answers[is["http.response.status_code"]]++
		assert.Equal(t, is["http.response.status_code"] == "503", call.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR)
		assert.Equal(t, otlp.Span_SPAN_KIND_CLIENT, call.Kind)
		assert.Contains(t, []string{"1", "2", "3"}, is["batch.attempt"])
		assert.Len(t, is, 3, "nothing else is said of a call")
	}
	assert.Equal(t, map[string]int{"200": 20, "503": 2}, answers)
	to.named(t, "commit", job)
	for _, span := range to.spans {
		assert.Equal(t, command.TraceId, span.TraceId)
		assert.LessOrEqual(t, span.StartTimeUnixNano, span.EndTimeUnixNano)
	}
	assert.Equal(t, map[string]bool{"nightly": true}, to.services)
	for _, secret := range []string{"46700000", "Guest", w.api.Info().KeySecret, w.api.Info().KeyID, "S3cret", "http://", w.api.Info().Project} {
		assert.False(t, strings.Contains(to.text, secret), "%s is in the traces", secret)
	}
}

func TestThereAreNoTracesUnlessTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	for _, off := range [][]string{nil, {"OTEL_SDK_DISABLED=true"}, {"OTEL_TRACES_EXPORTER=none"}, {"OTEL_TRACES_SAMPLER=always_off"}} {
		to := newSpanCollector(t)
		w := newWorkbench(t, emulator.Options{}, "", sendJob)
		w.recipients("recipients.csv", 2)
		w.env = append(w.env, off...)
		if off != nil {
			w.env = append(w.env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+to.URL+"/v1/traces")
		}
		_, r := w.run("send")
		assert.Zero(t, r.code, r.stderr)
		assert.Zero(t, to.requests, "%v", off)
	}
	var none *tracing
	assert.Nil(t, none.job(jobs.Job{}).clientOptions(), "nothing is asked of a call")
	assert.Nil(t, none.job(jobs.Job{}).sink(nil))
}

// A collector that is not there, or takes everything and never answers, costs
// a run nothing but a moment at its end.
func TestADeadCollectorHarmsNoRun(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	t.Cleanup(func() { close(released); silent.Close() })
	gone := httptest.NewServer(nil)
	gone.Close()
	const rows = 3000
	for _, url := range []string{silent.URL + "/t0ken", gone.URL + "/t0ken"} {
		w := newWorkbench(t, emulator.Options{}, "", sendJob)
		w.recipients("recipients.csv", rows) // more spans than the exporter's queue holds
		w.env = append(w.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+url, "OTEL_EXPORTER_OTLP_TIMEOUT=3600000", "OTEL_BSP_EXPORT_TIMEOUT=3600000")
		p := w.start("run", "--json", "send")
		r := p.end(2 * time.Minute)
		assert.Zero(t, r.code, r.stderr)
		assert.EqualValues(t, rows, r.summary(t).Done)
		assert.Equal(t, 1, strings.Count(r.stderr, "traces may be missing"), r.stderr)
		assert.NotContains(t, r.stderr, "t0ken")
	}
}

func TestVariablesOfTracesThatAreWrong(t *testing.T) {
	t.Parallel()
	for wrong, says := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318":                                           "the variable OTEL_EXPORTER_OTLP_ENDPOINT: want the URL of a collector",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:1 OTEL_EXPORTER_OTLP_PROTOCOL=grpc":      "want http/protobuf",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:1 OTEL_RESOURCE_ATTRIBUTES=t0ken":        "OTEL_RESOURCE_ATTRIBUTES can not be used",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:1 OTEL_EXPORTER_OTLP_HEADERS=key=t0ken%": "OpenTelemetry: escape header value",
	} {
		w := newWorkbench(t, emulator.Options{}, "", sendJob)
		w.recipients("recipients.csv", 1)
		w.env = append(w.env, strings.Fields(wrong)...)
		r := w.batch("run", "send")
		assert.Contains(t, r.stderr, says, wrong)
		assert.NotContains(t, r.stderr, "t0ken")
	}
}
