package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stub answers sends with as little work as net/http allows, so that what is
// measured against it is the client. It keeps nothing but a count and, where it
// is asked to, the times. What a job asks before it sends is answered as well,
// and lists are empty.
type stub struct {
	latency  *delay
	limit    *window // nil for none
	sends    atomic.Int64
	first    atomic.Int64 // when the first send came, in nanoseconds since 1970
	arrivals *arrivals    // nil for none
}

// sends is what the stub has had, by GET /bench/sends.
type sends struct {
	Count int64 `json:"count"`
	First int64 `json:"first"` // when the first came, in nanoseconds since 1970; 0 for none
}

// window answers 429 with Retry-After: 2 to what is over a number of requests
// in a second.
type window struct {
	limit int
	mu    sync.Mutex
	begin time.Time
	count int
}

func (w *window) over(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.begin) >= time.Second {
		w.begin, w.count = now, 0
	}
	w.count++
	return w.count > w.limit
}

// serveStub listens on loopback, prints where as one line of JSON, and serves
// until the process is ended.
func serveStub(latency time.Duration, limit int, times bool) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &stub{latency: newDelay(latency)}
	if times {
		s.arrivals = &arrivals{}
	}
	if limit > 0 {
		s.limit = &window{limit: limit}
	}
	i := info{Project: "project", App: "app", KeyID: "key", KeySecret: "secret"}
	base := "http://" + listener.Addr().String()
	i.URLs.Conversation, i.URLs.Batch, i.URLs.Provisioning, i.URLs.Token = base, base, base, base+"/oauth2/token"
	if err := json.NewEncoder(os.Stdout).Encode(i); err != nil {
		return err
	}
	return http.Serve(listener, s)
}

// ServeHTTP answers one request.
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case path == "/bench/sends":
		_ = json.NewEncoder(w).Encode(sends{Count: s.sends.Load(), First: s.first.Load()})
	case strings.HasSuffix(path, "/messages:send"):
		if s.first.Load() == 0 {
			s.first.CompareAndSwap(0, now.UnixNano())
		}
		refused := s.limit != nil && s.limit.over(now)
		s.arrivals.add(now, refused)
		if refused {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error":{"code":429,"message":"too many requests","status":"RESOURCE_EXHAUSTED"}}`)
			return
		}
		s.latency.wait(now)
		_, _ = fmt.Fprintf(w, `{"message_id":"01BENCH%019d","accepted_time":"2026-01-01T00:00:00Z"}`, s.sends.Add(1))
	case strings.HasSuffix(path, "/token"):
		_, _ = io.WriteString(w, `{"access_token":"bench-access-token","token_type":"bearer","expires_in":3600}`)
	case strings.HasSuffix(path, "/messages"):
		_, _ = io.WriteString(w, `{"messages":[],"next_page_token":""}`)
	case strings.HasSuffix(path, "/apps/app"):
		_, _ = io.WriteString(w, `{"id":"app","processing_mode":"CONVERSATION","queue_stats":{"outbound_size":0,"outbound_limit":500000}}`)
	case path == arrivalsPath:
		_ = json.NewEncoder(w).Encode(s.arrivals.counted())
	default:
		http.NotFound(w, r)
	}
}
