package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "s3cr3t-of-the-key"
	testToken  = "t0k3n-of-the-hour"
	tokenBody  = `{"access_token":"` + testToken + `","token_type":"bearer","expires_in":3600}`
)

// gate is a limiter that lets everything through and takes notes.
type gate struct {
	mu        sync.Mutex
	waits     []time.Duration
	throttled []string
	succeeded atomic.Int64
	shutAfter int // grants until it is closed; 0 is never
}

var errShut = errors.New("the gate is shut")

func (g *gate) Wait(ctx context.Context, after time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shutAfter > 0 && len(g.waits) == g.shutAfter {
		return errShut
	}
	g.waits = append(g.waits, after)
	return ctx.Err()
}

func (g *gate) Throttled(d time.Duration, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.throttled = append(g.throttled, fmt.Sprint(d, known))
}

func (g *gate) Succeeded() { g.succeeded.Add(1) }

func (g *gate) granted() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waits)
}

// steady always waits the same.
type steady time.Duration

func (s steady) NextBackOff() time.Duration { return time.Duration(s) }

// server is an API of one handler, and a token endpoint.
type server struct {
	*httptest.Server
	calls  atomic.Int64 // to the API
	tokens atomic.Int64 // asked for
}

// mustServe starts a server; api answers everything but the token endpoint.
func mustServe(t testing.TB, api http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/oauth2/token" {
			s.tokens.Add(1)
			fmt.Fprint(w, tokenBody)
			return
		}
		s.calls.Add(1)
		api(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func config(base string) Config {
	return Config{
		Project:   "p1",
		KeyID:     "k1",
		KeySecret: testSecret,
		URLs:      URLs{Conversation: base, Batch: base, Provisioning: base, Token: base + "/oauth2/token"},
		Timeout:   10 * time.Second,
		Attempts:  4,
		Backoff:   func() Backoff { return steady(0) },
		ParseRetryAfter: func(h string, _ time.Time) (time.Duration, bool) {
			d, err := time.ParseDuration(h + "s")
			return d, err == nil
		},
	}
}

// mustClient makes a client of s, changed by opts, behind a gate.
func mustClient(t testing.TB, base string, opts ...func(*Config)) (*Client, *gate) {
	t.Helper()
	cfg := config(base)
	for _, opt := range opts {
		opt(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		var carries any = c.wire
		if a, ok := carries.(asked); ok {
			carries = a.RoundTripper
		}
		if pool, ok := carries.(interface{ CloseIdleConnections() }); ok {
			pool.CloseIdleConnections()
		}
	})
	g := &gate{}
	return c.For(g), g
}

func mustFail(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	mustKeepSecrets(t, e)
	return e
}

// mustKeepSecrets looks at everything that v can be printed as.
func mustKeepSecrets(t testing.TB, v any) {
	t.Helper()
	asJSON, err := json.Marshal(v)
	require.NoError(t, err)
	for _, s := range []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), string(asJSON)} {
		for _, secret := range []string{testSecret, testToken, "azE6czNjcjN0LW9mLXRoZS1rZXk="} {
			assert.False(t, strings.Contains(s, secret), "a secret shows in %s", s)
		}
	}
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// inTurn answers each request with the next handler, and stays with the last.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(n.Add(1), int64(len(handlers)))-1](w, r)
	}
}
