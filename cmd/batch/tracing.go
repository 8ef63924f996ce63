package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/urfave/cli/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"convbatch/client"
	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
)

// tracesWithin is how long the end waits for a collector to take what is left.
const tracesWithin = 3 * time.Second

// tracing are the spans of a command: of itself, its jobs, each request to the
// API and each commit. They hold names and numbers, no URL, body, key or error
// text. A nil *tracing, as of everybody who did not ask, traces nothing.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	command  trace.Span
	ctx      context.Context // of the command's span
}

// newTracing begins the span of a command when OpenTelemetry's variables name a
// collector. What is wrong with that one later is a warning, and nothing about the run.
func (p *program) newTracing(c *cli.Context, log *slog.Logger) (*tracing, error) {
	if wanted, err := p.tracesWanted(); !wanted {
		return nil, err
	}
	var once sync.Once
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		once.Do(func() { log.Warn("traces may be missing", "error", withoutURLs(err)) })
	}))
	otel.SetLogger(logr.FromSlogHandler(withoutValues{log.Handler()}))
	exporter, err := otlptracehttp.New(c.Context)
	if err != nil {
		return nil, usageError("the variables OTEL_EXPORTER_OTLP_… can not be used: %s", withoutURLs(err))
	}
	about, err := resource.New(c.Context, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "batch"), attribute.String("service.version", version)),
		resource.WithFromEnv()) // last, since OTEL_SERVICE_NAME has the last word
	if err != nil {
		return nil, usageError("the variable OTEL_RESOURCE_ATTRIBUTES can not be used: want NAME=VALUE, several with commas between them")
	}
	t := &tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}
	t.tracer = t.provider.Tracer("convbatch")
	t.ctx, t.command = t.tracer.Start(c.Context, "batch "+c.Command.Name)
	return t, nil
}

// tracesWanted says whether the variables ask for traces, in a way that is known.
func (p *program) tracesWanted() (bool, error) {
	value := func(name string) string {
		if v, ok := p.env(name); ok {
			return strings.TrimSpace(v)
		}
		return ""
	}
	if strings.EqualFold(value("OTEL_SDK_DISABLED"), "true") || strings.EqualFold(value("OTEL_TRACES_EXPORTER"), "none") {
		return false, nil
	}
	wanted := false
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		if value(name) == "" {
			continue
		}
		if u, err := url.Parse(value(name)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return false, usageError("the variable %s: want the URL of a collector, such as http://localhost:4318", name)
		}
		wanted = true
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if wanted && value(name) == "grpc" {
			return false, usageError("the variable %s: batch speaks OTLP over HTTP alone; want http/protobuf, and the collector's port for it (4318)", name)
		}
	}
	return wanted, nil
}

// end ends the command's span and waits a moment until what is left was sent.
func (t *tracing) end(code int) {
	if t == nil {
		return
	}
	t.command.SetAttributes(attribute.Int("process.exit.code", code))
	if code != exitDone {
		t.command.SetStatus(codes.Error, fmt.Sprint("exit ", code))
	}
	t.command.End()
	ctx, cancel := context.WithTimeout(context.Background(), tracesWithin)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// jobTrace is the span of one job, below which those of its calls and commits are.
type jobTrace struct {
	*tracing
	span trace.Span
	ctx  context.Context
}

// job begins the span of a job.
func (t *tracing) job(job jobs.Job) *jobTrace {
	if t == nil {
		return nil
	}
	ctx, span := t.tracer.Start(t.ctx, "job "+job.Name, trace.WithAttributes(
		attribute.String("batch.job", job.Name), attribute.String("batch.kind", job.Kind)))
	return &jobTrace{t, span, ctx}
}

// end ends the span of a job with what became of it.
func (t *jobTrace) end(s summary) {
	if t == nil {
		return
	}
	t.span.SetAttributes(
		attribute.String("batch.run_id", s.RunID), attribute.String("batch.state", s.State), attribute.Int64("batch.rows", s.Rows),
		attribute.Int64("batch.done", s.Done), attribute.Int64("batch.failed", s.Failed), attribute.Int64("batch.in_doubt", s.InDoubt),
		attribute.Int64("batch.requests", s.Requests), attribute.Int64("batch.throttled", s.Throttled))
	if s.State != string(sinks.Completed) {
		t.span.SetStatus(codes.Error, s.State)
	}
	t.span.End()
}

// clientOptions make a span of each request.
func (t *jobTrace) clientOptions() []client.Option {
	if t == nil {
		return nil
	}
	return []client.Option{client.Traced(func(operation string, attempt int) func(int) {
		_, span := t.tracer.Start(t.ctx, operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("batch.operation", operation), attribute.Int("batch.attempt", attempt)))
		return func(status int) {
			if status != 0 {
				span.SetAttributes(attribute.Int("http.response.status_code", status))
			}
			if status < 200 || status >= 400 {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}
	})}
}

// sink makes a span of each commit.
func (t *jobTrace) sink(s pipeline.Sink) pipeline.Sink {
	if t == nil {
		return s
	}
	return tracedSink{s, t}
}

type tracedSink struct {
	pipeline.Sink
	t *jobTrace
}

// Commit commits.
func (s tracedSink) Commit(ctx context.Context, c pipeline.Commit) error {
	records := len(c.Records)
	for _, o := range c.Outcomes {
		records += len(o.Records)
	}
	_, span := s.t.tracer.Start(s.t.ctx, "commit", trace.WithAttributes(
		attribute.Int("batch.outcomes", len(c.Outcomes)), attribute.Int("batch.records", records), attribute.Bool("batch.claim", c.Claim != nil)))
	err := s.Sink.Commit(ctx, c)
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
	return err
}

// withoutURLs is what an error says, without URLs: theirs may hold a key.
func withoutURLs(err error) string {
	words := strings.Fields(withoutURL(err).Error())
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// withoutValues logs what OpenTelemetry finds wrong with its variables, without
// their values: headers among them are keys.
type withoutValues struct{ slog.Handler }

// Handle logs the message alone.
func (h withoutValues) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, "OpenTelemetry: "+r.Message, r.PC))
}

// WithAttrs leaves them out.
func (h withoutValues) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup leaves it out.
func (h withoutValues) WithGroup(string) slog.Handler { return h }
