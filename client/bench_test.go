package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// respond answers r in process.
func respond(r *http.Request, body string) *http.Response {
	return &http.Response{
		StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}
}

// BenchmarkSend is what a send costs this package: no network, no limiter.
func BenchmarkSend(b *testing.B) {
	c, _ := mustClient(b, "http://127.0.0.1:1", func(cfg *Config) {
		cfg.Auth = "basic"
		cfg.Transport = atOnce(func(r *http.Request) (*http.Response, error) {
			return respond(r, `{"message_id":"01HQXG5Z3M0000000000000000","accepted_time":"2026-03-01T00:00:00Z"}`), nil
		})
	})
	c = c.For(open{})
	body := []byte(`{"app_id":"01","recipient":{"contact_id":"02"},"message":{"text_message":{"text":"hello"}}}`)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.SendMessage(b.Context(), body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkListPage is what a page of 1000 messages costs, 600 bytes each.
func BenchmarkListPage(b *testing.B) {
	item := `{"id":"01HQXG5Z3M0000000000000000","text":"` + strings.Repeat("x", 560) + `"}`
	body := `{"messages":[` + strings.Repeat(item+",", 999) + item + `],"next_page_token":"n"}`
	c, _ := mustClient(b, "http://127.0.0.1:1", func(cfg *Config) {
		cfg.Auth = "basic"
		cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r, body), nil })
	})
	c = c.For(open{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		page, err := c.ListMessages(b.Context(), MessageQuery{PageSize: 1000, Start: time.Unix(1, 0)})
		if err != nil || len(page.Items) != 1000 {
			b.Fatal(len(page.Items), err)
		}
	}
}

// open is a limiter that does nothing at all.
type open struct{ unpaced }

func (open) Wait(context.Context, time.Duration) error { return nil }

// atOnce answers without connections, as a carrier.
type atOnce func(*http.Request) (*http.Response, error)

func (f atOnce) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (f atOnce) Do(r *http.Request, _ time.Time) (*http.Response, error) { return f(r) }
