package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/wire"
)

// hangUp closes the connection without an answer; with reset the other side
// sees an RST.
func hangUp(t *testing.T, w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	assert.NoError(t, err)
	if reset {
		assert.NoError(t, conn.(*net.TCPConn).SetLinger(0))
	}
	assert.NoError(t, conn.Close())
}

// overEachCarrier runs a test over our own connections and over those of
// net/http, which are for where a proxy stands between.
func overEachCarrier(t *testing.T, test func(t *testing.T, over func(*Config))) {
	for name, over := range map[string]func(*Config){
		"our own":  func(*Config) {},
		"net/http": func(cfg *Config) { cfg.Transport = pool(8) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, over)
		})
	}
}

func TestABrokenConnectionNeverRepeatsASend(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		for _, reset := range []bool{false, true} {
			for _, used := range []bool{false, true} { // net/http repeats by itself on used connections only
				var breaking atomic.Bool
				s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if breaking.Load() {
						hangUp(t, w, reset)
						return
					}
					fmt.Fprint(w, `{}`)
				})
				c, g := mustClient(t, s.URL, over, func(cfg *Config) { cfg.Auth = "basic" })
				if used {
					_, err := c.SendMessage(t.Context(), []byte(`{}`))
					require.NoError(t, err)
				}
				breaking.Store(true)
				before := s.calls.Load()
				_, err := c.SendMessage(t.Context(), []byte(`{}`))
				e := mustFail(t, err)
				assert.Equal(t, InDoubt, e.Intent)
				assert.Contains(t, e.Error(), "the connection broke")
				assert.EqualValues(t, 1, s.calls.Load()-before)

				_, err = c.GetMessage(t.Context(), "m", "")
				assert.Equal(t, Failed, mustFail(t, err).Intent)
				assert.EqualValues(t, g.granted(), s.calls.Load(), "net/http repeats no read without a token of the limiter")
				assert.EqualValues(t, 5, s.calls.Load()-before)
			}
		}
	})
}

func TestABrokenConnectionRepeatsNothingBehindOurBack(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "POST"} {
			for _, body := range [][]byte{nil, []byte(`{"batch_id":"01"}`)} {
				for _, reset := range []bool{false, true} {
					var breaking atomic.Bool
					var got atomic.Int64 // bodies, whole
					s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
						if b, _ := io.ReadAll(r.Body); string(b) == string(body) {
							got.Add(1)
						}
						if breaking.Load() {
							hangUp(t, w, reset)
							return
						}
						fmt.Fprint(w, `{}`)
					})
					c, g := mustClient(t, s.URL, over, func(cfg *Config) { cfg.Auth, cfg.Attempts = "basic", 2 })
					op := Operation{Service: "batch", Method: method, Path: "/v1/projects/{project_id}/messages", Body: body != nil, Idempotent: true}
					if method != http.MethodHead { // which is answered by nothing
						_, err := c.Call(t.Context(), op, Call{Body: body}) // net/http repeats by itself on used connections only
						require.NoError(t, err, method)
					}
					breaking.Store(true)
					for range 2 {
						_, err := c.Call(t.Context(), op, Call{Body: body})
						assert.Contains(t, mustFail(t, err).Error(), "the connection broke", method)
					}
					assert.EqualValues(t, g.granted(), s.calls.Load(), "%s: a token of the limiter for each", method)
					assert.EqualValues(t, s.calls.Load(), got.Load(), "%s: each attempt has the body", method)
				}
			}
		}
	})
}

func TestAReadThatIsNotIdempotentIsNeverRepeated(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		invite := MustLookUp("RcsSendersController_retryTestNumber_v1")
		r := Call{Params: params{"senderId": "s", "testNumber": "+46701234567"}}
		for _, broken := range []http.HandlerFunc{
			answers(500, ``), answers(200, `<html>`), answers(204, ``), func(w http.ResponseWriter, _ *http.Request) { hangUp(t, w, false) },
		} {
			s := mustServe(t, inTurn(answers(200, `{"state":"PENDING"}`), broken))
			c, g := mustClient(t, s.URL, over, func(cfg *Config) { cfg.Auth = "basic" })
			noted := 0
			ctx := BeforeSend(t.Context(), func() error { noted++; return nil })
			_, err := c.Call(ctx, invite, r)
			require.NoError(t, err)
			_, err = c.Call(ctx, invite, r) // on a used connection
			assert.Equal(t, InDoubt, mustFail(t, err).Intent)
			assert.Equal(t, []int64{2, 2, 2}, []int64{s.calls.Load(), int64(g.granted()), int64(noted)})
		}
	})
}

func TestAConnectionThatDiesWhileIdleRepeatsNoReadBehindOurBack(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		s := mustServe(t, inTurn(answers(200, `{}`), func(w http.ResponseWriter, r *http.Request) { hangUp(t, w, false) }, answers(200, `{}`)))
		c, g := mustClient(t, s.URL, over, func(cfg *Config) { cfg.Auth = "basic" })
		for range 2 {
			_, err := c.GetMessage(t.Context(), "m", "")
			require.NoError(t, err)
		}
		assert.EqualValues(t, 3, s.calls.Load())
		assert.Equal(t, 3, g.granted())
	})
}

func TestARefusedConnectionIsNoDoubt(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		c, g := mustClient(t, "http://"+l.Addr().String(), over, func(cfg *Config) { cfg.Auth = "basic" })
		_, err = c.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, Failed, e.Intent)
		assert.Contains(t, e.Error(), "could not connect")
		assert.Contains(t, e.Error(), "after 4 attempts")
		assert.Equal(t, 4, g.granted())
	})
}

func TestAConnectionResetBeforeTheRequestWasReadIsInDoubt(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		var accepted atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				accepted.Add(1)
				_, _ = conn.Read(make([]byte, 1)) // earlier it would be a failure to connect
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}
		})
		c, _ := mustClient(t, "http://"+l.Addr().String(), over, func(cfg *Config) { cfg.Auth = "basic" })
		_, err = c.SendMessage(t.Context(), []byte(`{}`))
		assert.Equal(t, InDoubt, mustFail(t, err).Intent, "from here it can not be told from one that was read")
		require.NoError(t, l.Close())
		wg.Wait()
		assert.EqualValues(t, 1, accepted.Load())
	})
}

func TestATruncatedAnswerIsNoAnswer(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		cutOff := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"contacts":[]}`) // valid as far as it goes
		}
		s := mustServe(t, cutOff)
		c, _ := mustClient(t, s.URL, over)
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, InDoubt, e.Intent)
		assert.Equal(t, 200, e.Status)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)

		s = mustServe(t, inTurn(cutOff, cutOff, answers(200, `{"contacts":[{"id":"1"}]}`)))
		c, _ = mustClient(t, s.URL, over)
		page, err := c.ListContacts(t.Context(), ContactQuery{})
		require.NoError(t, err)
		assert.Len(t, page.Items, 1)
	})
}

func TestAnAnswerThatStopsHalfwayTimesOut(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		release := make(chan struct{})
		s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"message_id":`)
			assert.NoError(t, http.NewResponseController(w).Flush())
			<-release
		})
		c, _ := mustClient(t, s.URL, over, func(cfg *Config) { cfg.Auth, cfg.Timeout = "basic", 50*time.Millisecond })
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, InDoubt, e.Intent)
		assert.Contains(t, e.Error(), "no complete answer within 50ms")
		close(release)
	})
}

// blank is a body without an end.
type blank struct{}

func (blank) Read(p []byte) (int, error) { return len(p), nil }
func (blank) Close() error               { return nil }

func TestAnAnswerLargerThanItMayBeIsAnError(t *testing.T) {
	t.Parallel()
	c, _ := mustClient(t, "http://127.0.0.1:1", func(cfg *Config) {
		cfg.Auth = "basic"
		cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: blank{}, Request: r}, nil
		})
	})
	_, err := c.SendMessage(t.Context(), []byte(`{}`))
	e := mustFail(t, err)
	assert.Equal(t, InDoubt, e.Intent)
	assert.Contains(t, e.Error(), "the answer is larger than 8 MiB")
	_, err = c.ListContacts(t.Context(), ContactQuery{})
	e = mustFail(t, err)
	assert.Equal(t, Failed, e.Intent)
	assert.Equal(t, 1, e.Attempts, "asking again brings the same")
	assert.Contains(t, e.Error(), "the answer is larger than 64 MiB")
}

func TestARedirectIsNotFollowedAndCarriesNoToken(t *testing.T) {
	t.Parallel()
	var visits atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		})
		c, _ := mustClient(t, s.URL)
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		assert.Equal(t, Failed, mustFail(t, err).Intent)
		_, err = c.ListApps(t.Context())
		assert.Equal(t, status, mustFail(t, err).Status)

		c, _ = mustClient(t, s.URL, func(cfg *Config) { cfg.URLs.Token = s.URL + "/moved" })
		_, err = c.ListApps(t.Context())
		e := mustFail(t, err)
		assert.Equal(t, Fatal, e.Intent)
		assert.Contains(t, e.Error(), "api.urls.token")
	}
	assert.Zero(t, visits.Load())
}

func TestWorkersReuseTheirConnections(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		var opened atomic.Int64
		s := httptest.NewUnstartedServer(answers(200, `{"contacts":[]}`))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		s.Start()
		t.Cleanup(s.Close)
		c, _ := mustClient(t, s.URL, over, func(cfg *Config) { cfg.Auth, cfg.InFlight = "basic", 64 })
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 2000 / 64 {
					_, err := c.ListContacts(t.Context(), ContactQuery{})
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		// A worker may dial at the moment in which its connection comes back, so
		// there may be a few more than workers; not reused, there would be 2,000.
		assert.LessOrEqual(t, opened.Load(), int64(2*64))
	})
}

func TestAReadIsSentWithoutABody(t *testing.T) {
	t.Parallel()
	overEachCarrier(t, func(t *testing.T, over func(*Config)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		seen := make(chan *http.Request, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			conn, err := l.Accept()
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			r, err := http.ReadRequest(bufio.NewReader(conn))
			assert.NoError(t, err)
			seen <- r
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
		})
		c, _ := mustClient(t, "http://"+l.Addr().String(), over, func(cfg *Config) { cfg.Auth = "basic" })
		_, err = c.ListApps(t.Context())
		require.NoError(t, err)
		wg.Wait()
		require.NoError(t, l.Close())
		r := <-seen
		assert.Zero(t, r.ContentLength)
		assert.Empty(t, r.TransferEncoding)
	})
}

func TestAProxyIsLeftToNetHTTP(t *testing.T) {
	t.Parallel()
	urls, err := URLs{}.normal("eu")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		by  string
		err error
	}{"none": {}, "one host's": {by: urls.Token}, "one that is wrong": {err: errors.New("no URL")}} {
		got := transport(8, urls, func(r *http.Request) (*url.URL, error) {
			if c.by == r.URL.String() {
				return url.Parse("http://proxy.example:3128")
			}
			return nil, c.err
		})
		if name == "none" {
			assert.IsType(t, &wire.Pool{}, got)
		} else {
			assert.IsType(t, &http.Transport{}, got, name)
		}
	}
}
