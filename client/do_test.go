package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNothingLeavesWithoutALimiter(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(200, `{}`))
	c, err := New(config(s.URL))
	require.NoError(t, err)
	_, err = c.SendMessage(t.Context(), []byte(`{}`))
	e := mustFail(t, err)
	assert.Equal(t, NotSent, e.Intent)
	assert.Contains(t, e.Error(), "For")
	assert.Zero(t, s.calls.Load())
}

func TestASendReachesTheServerAsItIs(t *testing.T) {
	t.Parallel()
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "POST /v1/projects/p%2F1/messages:send HTTP/1.1", r.Method+" "+r.URL.EscapedPath()+" "+r.Proto)
		assert.Equal(t, "Bearer "+testToken, r.Header.Get("Authorization"))
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		assert.Equal(t, "batch", r.Header.Get("User-Agent"))
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		assert.Equal(t, `{"a": 1}`, string(body[:n]))
		fmt.Fprint(w, `{"message_id": "01"}`)
	})
	c, g := mustClient(t, s.URL, func(cfg *Config) { cfg.Project = "p/1" })
	r, err := c.SendMessage(t.Context(), []byte(`{"a": 1}`))
	require.NoError(t, err)
	assert.Equal(t, `{"message_id": "01"}`, string(r.Body))
	assert.Equal(t, 200, r.Status)
	assert.Equal(t, 1, r.Attempts)
	assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
	assert.Equal(t, Counters{Requests: 1, Ended: 1}, counted(t, c))
	assert.EqualValues(t, 1, g.succeeded.Load())
}

func TestAnIDThatWouldNameSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	c, g := mustClient(t, "http://127.0.0.1:1")
	for _, id := range []string{"", ".", ".."} {
		_, err := c.GetContact(t.Context(), id)
		assert.Equal(t, Failed, mustFail(t, err).Intent)
	}
	assert.Zero(t, g.granted())
}

func TestWhatAnAnswerMeansForTheRow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		calls  int64 // made for a send, of 4 allowed
		intent Intent
		says   string
		reads  int64 // made for a read
		read   Intent
	}{
		{400, `{"error":{"status":"INVALID_ARGUMENT","message":"no","details":[{"field_violations":[{"field":"f","description":"d"}]}]}}`,
			1, Failed, "Messages_SendMessage: 400 INVALID_ARGUMENT: no (f: d)", 1, Failed},
		{403, `{"code":403,"message":"BILLING_CREDIT_LIMIT_BREACHED","status":"PERMISSION_DENIED"}`, 1, Fatal, "top up the account", 1, Fatal},
		{403, `{"code":403,"message":"no","status":"UNAUTHORIZED"}`, 1, Failed, "UNAUTHORIZED", 1, Failed},
		{401, `{"message":"no"}`, 1, Fatal, "SINCH_KEY_SECRET", 1, Fatal},
		{404, `{}`, 1, Failed, "404: Not Found", 1, Failed},
		{302, ``, 1, Failed, "A redirect is not followed", 1, Failed},
		{500, `<html>`, 1, InDoubt, "HTML", 4, Failed},
		{501, `{}`, 1, InDoubt, "501", 3, Failed}, // the method may never exist
		{502, `<html><title>Bad gateway</title>`, 1, InDoubt, "Bad gateway", 4, Failed},
		{504, ``, 1, InDoubt, "empty body", 4, Failed},
		{408, ``, 1, InDoubt, "408", 4, Failed},
		{503, `{"message":"busy"}`, 4, Failed, "503: busy, after 4 attempts", 4, Failed},
		{425, `{"message":"early"}`, 4, Failed, "early", 4, Failed},
		{200, `<html>`, 1, InDoubt, "a gateway's", 4, Failed},
		{200, ``, 1, InDoubt, "empty body", 4, Failed},
		{200, `{"a":`, 1, InDoubt, "cut off", 4, Failed},
	} {
		t.Run(fmt.Sprint(c.status, c.body), func(t *testing.T) {
			t.Parallel()
			s := mustServe(t, answers(c.status, c.body))
			client, g := mustClient(t, s.URL)
			_, err := client.SendMessage(t.Context(), []byte(`{}`))
			e := mustFail(t, err)
			assert.Equal(t, c.intent, e.Intent)
			assert.Equal(t, c.status, e.Status)
			assert.EqualValues(t, c.calls, e.Attempts)
			assert.Equal(t, c.calls, s.calls.Load())
			assert.Contains(t, e.Error(), c.says)

			_, err = client.ListContacts(t.Context(), ContactQuery{})
			e = mustFail(t, err)
			assert.Equal(t, c.read, e.Intent)
			assert.Equal(t, c.reads, s.calls.Load()-c.calls)
			assert.EqualValues(t, c.calls+c.reads, g.granted(), "each try takes a token of the limiter")
			assert.Equal(t, c.calls+c.reads-2, client.Counters().Retries)
			assert.Zero(t, g.succeeded.Load())
		})
	}
}

func TestEveryRequestIsTraced(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := mustServe(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprint(w, `{}`)
		}
	})
	c, g := mustClient(t, s.URL)
	var seen []string
	c = c.For(g, Traced(func(operation string, attempt int) func(int) {
		return func(status int) { seen = append(seen, fmt.Sprint(operation, " ", attempt, " ", status)) }
	}))
	_, err := c.GetContact(t.Context(), "01")
	require.NoError(t, err)
	assert.Equal(t, []string{"Contact_GetContact 1 503", "Contact_GetContact 2 0", "Contact_GetContact 3 200"}, seen)
}

func TestAReadIsTriedUntilItSucceeds(t *testing.T) {
	t.Parallel()
	s := mustServe(t, inTurn(answers(500, ``), answers(200, `<html>`), answers(503, ``), answers(200, `{"contacts":[{}]}`)))
	c, g := mustClient(t, s.URL)
	page, err := c.ListContacts(t.Context(), ContactQuery{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 1)
	assert.Equal(t, Counters{Requests: 4, Retries: 3, Ended: 4}, counted(t, c))
	assert.EqualValues(t, 1, g.succeeded.Load())
}

func TestA429HoldsEverybodyAndCostsNoAttempt(t *testing.T) {
	t.Parallel()
	refuse := func(header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			answers(429, body)(w, r)
		}
	}
	info := `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3s"}]}}`
	s := mustServe(t, inTurn(refuse("", ""), refuse("7", info), refuse("", info), refuse("later", "<html>"), refuse("0", ""),
		answers(503, ""), refuse("", ""), answers(200, `{}`)))
	c, g := mustClient(t, s.URL, func(cfg *Config) { cfg.Attempts = 2 })
	r, err := c.SendMessage(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	assert.Equal(t, 2, r.Attempts)
	assert.Equal(t, []string{"0s false", "7s true", "3s true", "0s false", "0s true", "0s false"}, g.throttled)
	assert.Equal(t, Counters{Requests: 8, Retries: 1, Throttled: 6, Ended: 8}, counted(t, c))
}

func TestTheNextTryWaitsForTheBackoffAndForWhatTheServerAsked(t *testing.T) {
	t.Parallel()
	s := mustServe(t, inTurn(answers(503, ""), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(503)
	}, answers(429, ""), answers(200, `{}`)))
	c, g := mustClient(t, s.URL, func(cfg *Config) { cfg.Backoff = func() Backoff { return steady(time.Second) } })
	_, err := c.SendMessage(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{0, time.Second, 9 * time.Second, 0}, g.waits, "after a 429 it is the hold that is waited for")
}

func TestAClosedGateLeavesTheRowUnsent(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(503, ``))
	c, g := mustClient(t, s.URL)
	g.shutAfter = 2
	_, err := c.SendMessage(t.Context(), []byte(`{}`))
	e := mustFail(t, err)
	assert.Equal(t, NotSent, e.Intent)
	assert.Equal(t, 2, e.Attempts)
	require.ErrorIs(t, err, errShut)
	assert.EqualValues(t, 2, s.calls.Load())
}

func TestInsistingRepeatsA5xxButNeverForgetsTheDoubt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		then   http.HandlerFunc
		shut   int
		intent Intent
	}{
		{"attempts run out", answers(500, ``), 0, InDoubt},
		{"a no to the repeat says nothing of the first", answers(400, `{}`), 0, InDoubt},
		{"never processed afterwards", answers(503, ``), 0, InDoubt},
		{"the gate is shut meanwhile", answers(200, `{}`), 1, InDoubt},
	} {
		s := mustServe(t, inTurn(answers(500, ``), c.then))
		base, _ := mustClient(t, s.URL)
		g := &gate{shutAfter: c.shut}
		_, err := base.For(g, RetryInDoubt()).SendMessage(t.Context(), []byte(`{}`))
		assert.Equal(t, c.intent, mustFail(t, err).Intent, c.why)
	}
	s := mustServe(t, inTurn(answers(500, ``), answers(200, `{}`)))
	base, _ := mustClient(t, s.URL)
	r, err := base.For(&gate{}, RetryInDoubt()).SendMessage(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	assert.Equal(t, 2, r.Attempts)
}

func TestTheCallersContextDoesNotCutACallThatIsOut(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, `{}`)
	})
	c, _ := mustClient(t, s.URL)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := c.SendMessage(ctx, []byte(`{}`))
		result <- err
	}()
	<-arrived
	cancel()
	close(release)
	require.NoError(t, <-result)
	_, err := c.SendMessage(ctx, []byte(`{}`))
	assert.Equal(t, NotSent, mustFail(t, err).Intent)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCancelCallsCutsOffWhatIsOut(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		grace := errors.New("the grace is over")
		for _, read := range []bool{false, true} {
			arrived, release := make(chan struct{}), make(chan struct{})
			s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-release
			})
			c, _ := mustClient(t, s.URL, over)
			result := make(chan error)
			go func() {
				var err error
				if read {
					_, err = c.ListApps(t.Context())
				} else {
					_, err = c.SendMessage(t.Context(), []byte(`{}`))
				}
				result <- err
			}()
			<-arrived
			other := c.For(&gate{})
			c.CancelCalls(grace)
			err := <-result
			close(release)
			e := mustFail(t, err)
			require.ErrorIs(t, err, grace)
			if read {
				assert.Equal(t, NotSent, e.Intent, "a read is not settled, and may be repeated")
			} else {
				assert.Equal(t, InDoubt, e.Intent)
			}
			_, err = c.SendMessage(t.Context(), []byte(`{}`))
			assert.Equal(t, NotSent, mustFail(t, err).Intent, "later calls are not sent at all")
			require.ErrorIs(t, err, grace)
			assert.EqualValues(t, 1, s.calls.Load())
			ctx, release2 := other.halt.bind(t.Context())
			require.NoError(t, ctx.Err(), "another job's client goes on")
			release2()
		}
	})
}

// roundTrip lets a function be a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnAttemptEndsAfterItsTimeoutAndNotBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c, _ := mustClient(t, "http://127.0.0.1:1", func(cfg *Config) {
			cfg.Auth, cfg.Timeout = "basic", 30*time.Second
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				calls.Add(1)
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
		})
		start := time.Now()
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, InDoubt, e.Intent)
		assert.Equal(t, "Messages_SendMessage: no complete answer within 30s (api.timeout)", e.Error())
		assert.Equal(t, 30*time.Second, time.Since(start))
		_, err = c.GetMessage(t.Context(), "m", "")
		assert.Equal(t, Failed, mustFail(t, err).Intent)
		assert.Equal(t, 150*time.Second, time.Since(start), "a read has its four attempts")
		assert.EqualValues(t, 5, calls.Load())
	})
}

func TestNotFoundAppHintsAtRegionAndProject(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(404, `{"code":404,"message":"app not found.","status":"NOT_FOUND"}`))
	c, _ := mustClient(t, s.URL)
	_, err := c.GetApp(t.Context(), "01")
	assert.Equal(t, "App_GetApp: 404 NOT_FOUND: app not found. An app of another region or project is not found either: check api.region and api.project.", mustFail(t, err).Error())
}

// counted is what a client says it did, but for how long that took: some time.
func counted(t *testing.T, c *Client) Counters {
	t.Helper()
	n := c.Counters()
	assert.Positive(t, n.OnWire)
	n.OnWire = 0
	return n
}
