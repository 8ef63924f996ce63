package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestManyWorkersFetchOneToken(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(200, `{}`))
	c, _ := mustClient(t, s.URL)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 10 {
				_, err := c.SendMessage(t.Context(), []byte(`{}`))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, s.tokens.Load())
	_, err := c.For(&gate{}).SendMessage(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	assert.EqualValues(t, 1, s.tokens.Load(), "clients made by For share it")
}

func TestATokenCanBeHadWithoutACall(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(200, `{}`))
	c, _ := mustClient(t, s.URL)
	require.NoError(t, c.Authorize(t.Context()))
	require.NoError(t, c.Authorize(t.Context()))
	assert.EqualValues(t, 1, s.tokens.Load())
	assert.Zero(t, c.Counters().Requests)
	s.Close()

	c, _ = mustClient(t, s.URL, func(cfg *Config) { cfg.Attempts = 1 })
	err := c.Authorize(t.Context())
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, Fatal, e.Intent)
	assert.Contains(t, err.Error(), "token: no access token: the token endpoint can not be reached")
}

func TestAnExpiredTokenIsRenewedOnceAndCostsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, header := range []string{`Bearer error="invalid_token", error_description="The token has Expired"`, ""} {
		var over atomic.Bool
		var s *server
		s = mustServe(t, func(w http.ResponseWriter, r *http.Request) {
			if over.Load() && s.tokens.Load() == 1 {
				if header != "" {
					w.Header().Set("WWW-Authenticate", header)
				}
				w.WriteHeader(401)
				return
			}
			fmt.Fprint(w, `{}`)
		})
		c, _ := mustClient(t, s.URL)
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		require.NoError(t, err)
		over.Store(true)
		var wg sync.WaitGroup
		for range 64 { // they all see the 401, and one of them goes
			wg.Go(func() {
				r, err := c.SendMessage(t.Context(), []byte(`{}`))
				if assert.NoError(t, err) {
					assert.Equal(t, 1, r.Attempts)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 2, s.tokens.Load())
		assert.Zero(t, c.Counters().Retries)
	}
}

func TestA401ThatRenewingDoesNotMendEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, header   string
		auth          string
		calls, tokens int64
		says          string
	}{
		{"a new token counts as expired too", `Bearer error_description="expired"`, "oauth2", 2, 2, "clock"},
		{"not about time", `Bearer error="insufficient_scope"`, "oauth2", 1, 1, "SINCH_KEY_ID"},
		{"a fresh token, no header", "", "oauth2", 1, 1, "SINCH_KEY_ID"},
		{"a password does not expire", `Basic realm="expired"`, "basic", 1, 0, "SINCH_KEY_ID"},
	} {
		s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
			if c.header != "" {
				w.Header().Set("WWW-Authenticate", c.header)
			}
			w.WriteHeader(401)
		})
		client, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.Auth = c.auth })
		_, err := client.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, Fatal, e.Intent, c.why)
		assert.Contains(t, e.Error(), c.says, c.why)
		assert.Equal(t, c.calls, s.calls.Load(), c.why)
		assert.Equal(t, c.tokens, s.tokens.Load(), c.why)
	}
}

// endpoint starts a token endpoint that answers in turn, and an API.
func endpoint(t *testing.T, handlers ...http.HandlerFunc) (url string, visits *atomic.Int64) {
	t.Helper()
	visits = new(atomic.Int64)
	next := inTurn(handlers...)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/oauth2/token" {
			fmt.Fprint(w, `{}`)
			return
		}
		visits.Add(1)
		id, secret, _ := r.BasicAuth()
		assert.Equal(t, "k1 "+testSecret, id+" "+secret)
		assert.Equal(t, "client_credentials", r.FormValue("grant_type"))
		next(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, visits
}

func TestATokenEndpointInTroubleIsAskedAgainByOne(t *testing.T) {
	t.Parallel()
	url, visits := endpoint(t, answers(429, ``), answers(500, `<html>`), answers(200, `{}`), answers(200, tokenBody))
	c, _ := mustClient(t, url)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			r, err := c.SendMessage(t.Context(), []byte(`{}`))
			if assert.NoError(t, err) {
				assert.Equal(t, 1, r.Attempts)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 4, visits.Load())
}

func TestNoTokenEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, body string
		status    int
		visits    int64
		says      string
	}{
		{"wrong secret, repeated", `{"error":"invalid_client","error_description":"` + testSecret + `"}`, 401, 1, "answered 401 invalid_client: it refuses the credentials, check api.key_id (SINCH_KEY_ID)"},
		{"wrong secret, as the RFC has it", `{"error":"invalid_client"}`, 400, 1, "400 invalid_client"},
		{"a code that is a text", `{"error":"` + testSecret + `"}`, 400, 1, "answered 400: it refuses"},
		{"an error with a 200", `{"error":"invalid_client"}`, 200, 1, "invalid_client"},
		{"no such place", `<html>`, 404, 1, "api.urls.token"},
		{"down", ``, 503, 4, "answered 503, after 4 attempts"},
		{"busy", ``, 429, 4, "answered 429, after 4 attempts"},
		{"garbage", `<html>`, 200, 4, "holds no token"},
	} {
		url, visits := endpoint(t, answers(c.status, c.body))
		client, _ := mustClient(t, url)
		_, err := client.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, Fatal, e.Intent, c.why)
		assert.Contains(t, e.Error(), c.says, c.why)
		assert.Zero(t, e.Attempts, c.why)
		assert.Equal(t, c.visits, visits.Load(), c.why)
		for cause := error(e); cause != nil; cause = errors.Unwrap(cause) {
			assert.NotContains(t, fmt.Sprintf("%v %+v", cause, cause), testSecret, c.why)
		}
	}
}

func TestWaitingForATokenEndsWithTheContextAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	url, visits := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done(): // the first one left
		}
		fmt.Fprint(w, tokenBody)
	})
	c, _ := mustClient(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.SendMessage(ctx, []byte(`{}`))
		first <- err
	}()
	<-arrived
	go func() {
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		second <- err
	}()
	cancel()
	e := mustFail(t, <-first)
	assert.Equal(t, NotSent, e.Intent)
	<-arrived
	close(release)
	require.NoError(t, <-second)
	assert.EqualValues(t, 2, visits.Load())
}

// clockwork is an API and its token endpoint in process, for a bubble of time.
type clockwork struct {
	tokens   atomic.Int64
	lifetime string
	down     atomic.Bool
}

func (c *clockwork) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := 200, `{}`
	if strings.HasSuffix(r.URL.Path, "/oauth2/token") {
		c.tokens.Add(1)
		body = `{"access_token":"t"` + c.lifetime + `}`
		if c.down.Load() {
			status = 500
		}
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func TestATokenIsRenewedAheadOfItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lifetime string
		until    time.Duration // it is used as it is
	}{
		{`,"expires_in":3600`, 59 * time.Minute},
		{`,"expires_in":50`, 40 * time.Second}, // a minute ahead would be before its beginning
		{``, 59 * time.Minute},                 // not said
	} {
		synctest.Test(t, func(t *testing.T) {
			api := &clockwork{lifetime: c.lifetime}
			client, _ := mustClient(t, "http://127.0.0.1:1", func(cfg *Config) { cfg.Transport = api })
			send := func() {
				_, err := client.SendMessage(t.Context(), []byte(`{}`))
				require.NoError(t, err)
			}
			send()
			time.Sleep(c.until - time.Second)
			send()
			assert.EqualValues(t, 1, api.tokens.Load(), c.lifetime)
			time.Sleep(2 * time.Second)
			api.down.Store(true)
			send()
			send()
			assert.EqualValues(t, 2, api.tokens.Load(), "one failed renewal is left at that for a while")
			time.Sleep(renewPause)
			api.down.Store(false)
			send()
			send()
			assert.EqualValues(t, 3, api.tokens.Load())
		})
	}
}

func TestBasicAsksForNoToken(t *testing.T) {
	t.Parallel()
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, ok := r.BasicAuth()
		assert.True(t, ok)
		assert.Equal(t, "k1 "+testSecret, id+" "+secret)
		fmt.Fprint(w, `{}`)
	})
	c, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.Auth = "basic" })
	_, err := c.SendMessage(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	assert.Zero(t, s.tokens.Load())
}

func TestWhoAsksForATokenSaysSo(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		seen := make(chan string, 1)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Get("User-Agent")
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, tokenBody)
		}))
		t.Cleanup(s.Close)
		c, _ := mustClient(t, s.URL, over)
		_, err := c.credentials.get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "batch", <-seen)
	})
}
