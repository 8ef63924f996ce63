package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// soon is long enough for anything that is going to happen.
const soon = 10 * time.Second

func newPool(t testing.TB, size int) *Pool {
	p := New(size)
	t.Cleanup(p.CloseIdleConnections)
	return p
}

func request(t testing.TB, method, url, text string) *http.Request {
	t.Helper()
	var body io.Reader
	if text != "" {
		body = strings.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return req
}

// whole sends a request and reads the whole answer.
func whole(t testing.TB, p *Pool, req *http.Request) (*http.Response, string, error) {
	t.Helper()
	resp, err := p.Do(req, time.Now().Add(soon))
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, resp.Body.Close())
	return resp, string(text), err
}

// script answers each connection in turn by what a function of it does; the
// connections are counted.
func script(t testing.TB, answers ...func(c net.Conn, in *bufio.Reader)) (url string, accepted *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted = new(atomic.Int64)
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			answer := answers[min(int(accepted.Add(1)), len(answers))-1]
			wg.Go(func() {
				defer c.Close()
				answer(c, bufio.NewReader(c))
			})
		}
	})
	return "http://" + l.Addr().String(), accepted
}

// says reads a request and answers with text.
func says(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err == nil {
			_, err = io.Copy(io.Discard, req.Body)
		}
		if err == nil {
			_, _ = io.WriteString(c, text)
		}
	}
}

func isUnsent(err error) bool {
	var unsent *Unsent
	return errors.As(err, &unsent)
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/parts": // of unknown length
			for range 3 {
				fmt.Fprintf(w, "part %s ", text)
				_ = http.NewResponseController(w).Flush()
			}
		default:
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header.Get("X-Word"), text)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := newPool(t, 4)
	for range 3 {
		for _, c := range []struct{ method, path, body, want string }{
			{"GET", "/a%2Fb?c=d%20e", "", "GET /a%2Fb?c=d%20e word "},
			{"POST", "/", "hello", "POST / word hello"},
			{"POST", "/", "", "POST / word "},
			{"PUT", "/", strings.Repeat("x", 100_000), "PUT / word " + strings.Repeat("x", 100_000)},
			{"DELETE", "/", "", "DELETE / word "},
			{"HEAD", "/", "", ""},
			{"GET", "/empty", "", ""},
			{"POST", "/parts", "1", "part 1 part 1 part 1 "},
		} {
			req := request(t, c.method, s.URL+c.path, c.body)
			req.Header.Set("X-Word", "word")
			_, text, err := whole(t, p, req)
			require.NoError(t, err, c)
			require.Equal(t, c.want, text)
		}
	}
	assert.EqualValues(t, 1, connections.Load())
}

// What a server sees is what it would see from net/http.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/a?b=c", "X-Word", "word", "body")
	f.Add("GET", "/%00", "Authorization", "Bearer a\r\nX: y", "")
	f.Add("DELETE", "//x", "Bad Name", "", "")
	f.Fuzz(func(t *testing.T, method, path, name, value, text string) {
		req, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(text))
		if err != nil {
			return
		}
		req.Header = http.Header{name: {value}, "Accept-Encoding": {"identity"}}
		message, err := appendRequest(nil, req)
		if err != nil {
			require.NotContains(t, err.Error(), "Bearer")
			return
		}
		in := bufio.NewReader(bytes.NewReader(message))
		read, err := http.ReadRequest(in)
		if err != nil {
			return // of a header that HTTP knows, with a value that it does not allow
		}
		body, err := io.ReadAll(read.Body)
		require.NoError(t, err)
		require.Equal(t, text, string(body))
		require.Equal(t, req.Method, read.Method)
		require.Equal(t, req.URL.RequestURI(), read.RequestURI)
		require.LessOrEqual(t, len(read.Header), 3, "no header came in by way of a value")
		rest, err := io.ReadAll(in)
		require.NoError(t, err)
		require.Empty(t, rest, "and no request")
	})
}

func TestNothingIsSentThatIsNoRequest(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	for name, spoil := range map[string]func(*http.Request){
		"a line end in a value": func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret\r\nX: y") },
		"a name with a space":   func(r *http.Request) { r.Header["X Y"] = []string{"z"} },
		"a length of its own":   func(r *http.Request) { r.Header["content-length"] = []string{"0"} },
		"no host":               func(r *http.Request) { r.Host = "a b" },
		"a body of no length":   func(r *http.Request) { r.ContentLength = -1 },
		"a body that is short":  func(r *http.Request) { r.ContentLength = 100 },
	} {
		req := request(t, "POST", "http://127.0.0.1:1/", "text")
		spoil(req)
		_, _, err := whole(t, p, req)
		require.Error(t, err, name)
		assert.True(t, isUnsent(err), name)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "refused", name)
	}
}

func TestWhetherARequestMayHaveLeftIsKnown(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		_, _, err = whole(t, newPool(t, 1), request(t, method, "http://"+l.Addr().String(), "text"))
		assert.True(t, isUnsent(err), "nobody is there: %v", err)

		for name, answer := range map[string]func(net.Conn, *bufio.Reader){
			"hangs up at once":         says(""),
			"hangs up in the head":     says("HTTP/1.1 200 OK\r\nContent-Le"),
			"speaks something else":    says("220 mail.example.com ESMTP\r\n"),
			"never comes to an answer": says(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 9)),
			"has an endless head":      says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 1100)),
		} {
			url, accepted := script(t, answer)
			_, _, err := whole(t, newPool(t, 1), request(t, method, url, "text"))
			require.Error(t, err, name)
			assert.False(t, isUnsent(err), "%s: %v", name, err)
			assert.EqualValues(t, 1, accepted.Load(), "%s: it is not repeated", name)
		}
	}
}

func TestAConnectionThatTheServerClosedIsNotUsed(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, answer := range map[string]func(c net.Conn, in *bufio.Reader){
		"closed":                       says(ok),
		"closed after a word":          says(ok + "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"),
		"announced as closing":         says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
		"of an old server":             says("HTTP/1.0 200 OK\r\n\r\nok"),
		"with an answer to its end":    says("HTTP/1.1 200 OK\r\n\r\nok"),
		"with more than was asked for": says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more"),
	} {
		url, accepted := script(t, answer)
		p := newPool(t, 1)
		for i := range 3 {
			_, text, err := whole(t, p, request(t, "POST", url, "text"))
			require.NoError(t, err, name)
			require.Equal(t, "ok", text)
			require.EqualValues(t, i+1, accepted.Load(), name)
			for _, h := range p.hosts { // the server's end arrives
				for _, c := range h.idle {
					require.Eventually(t, func() bool { return !c.quiet() }, soon, time.Millisecond)
				}
			}
		}
	}
}

func TestAnAnswerThatIsNotReadCostsTheConnection(t *testing.T) {
	t.Parallel()
	url, accepted := script(t, says("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nok"))
	p := newPool(t, 1)
	for i := range 3 {
		resp, err := p.Do(request(t, "GET", url, ""), time.Now().Add(soon))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NoError(t, resp.Body.Close(), "twice does no harm")
		require.EqualValues(t, i+1, accepted.Load())
	}
}

func TestProvisionalAnswersArePassedOver(t *testing.T) {
	t.Parallel()
	url, _ := script(t, says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"))
	resp, text, err := whole(t, newPool(t, 1), request(t, "GET", url, ""))
	require.NoError(t, err)
	assert.Equal(t, 404, resp.StatusCode)
	assert.Equal(t, "no", text)
}

func TestAnAnswerBeforeTheRequestIsThroughIsRead(t *testing.T) {
	t.Parallel()
	url, _ := script(t, func(c net.Conn, in *bufio.Reader) {
		_, _ = in.ReadString('\n')
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, in)
	})
	resp, text, err := whole(t, newPool(t, 1), request(t, "POST", url, strings.Repeat("x", 8<<20)))
	require.NoError(t, err)
	assert.Equal(t, 413, resp.StatusCode)
	assert.Equal(t, "big", text)
}

func TestADeadlineEndsEverything(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
	hold := func(text string) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, in *bufio.Reader) {
			says(text)(c, in)
			_, _ = io.Copy(io.Discard, in) // until the other side ends it
		}
	}
	for name, text := range map[string]string{"before the answer": "", "in its head": head[:20], "in its body": head} {
		url, _ := script(t, hold(text))
		p := newPool(t, 1)
		within := func(wait time.Duration) (string, error) {
			resp, err := p.Do(request(t, "POST", url, "text"), time.Now().Add(wait))
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return string(body), err
		}
		wait := 50 * time.Millisecond
		text, err := within(wait)
		for ; isUnsent(err) && wait < soon; wait *= 2 { // a busy machine did not get as far as the request
			text, err = within(wait)
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
		assert.False(t, isUnsent(err), name)
		assert.LessOrEqual(t, len(text), 2)
	}

	url, _ := script(t, hold(head))
	p := newPool(t, 1)
	first, err := p.Do(request(t, "POST", url, "text"), time.Now().Add(soon))
	require.NoError(t, err)
	_, err = p.Do(request(t, "POST", url, "text"), time.Now().Add(20*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded, "in the queue for a connection")
	assert.True(t, isUnsent(err))
	require.ErrorContains(t, err, "wait for one of 1 connections")
	require.NoError(t, first.Body.Close())
}

func TestACancelledContextEndsEverything(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	url, _ := script(t, func(c net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		arrived <- struct{}{}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
		_, _ = io.Copy(io.Discard, in)
	})
	p, cause := newPool(t, 1), errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	resp, err := p.Do(request(t, "POST", url, "").WithContext(ctx), time.Time{})
	require.NoError(t, err)
	<-arrived
	read := make(chan error)
	go func() {
		_, err := io.ReadAll(resp.Body)
		read <- err
	}()
	cancel(cause)
	require.ErrorIs(t, <-read, cause)
	require.NoError(t, resp.Body.Close())

	_, err = p.Do(request(t, "POST", url, "").WithContext(ctx), time.Time{})
	require.ErrorIs(t, err, cause)
	assert.True(t, isUnsent(err), "it was over before")
	require.Empty(t, p.hosts[origin{"http", strings.TrimPrefix(url, "http://")}].slots, "every place is free again")
}

func TestPackedAnswersAreUnpacked(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Accepted", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		if r.URL.Path == "/spoiled" {
			fmt.Fprint(w, "this is not packed")
			return
		}
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("text ", 1000))
		_ = z.Close()
	}))
	t.Cleanup(s.Close)
	p := newPool(t, 1)
	resp, text, err := whole(t, p, request(t, "GET", s.URL, ""))
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("text ", 1000), text)
	assert.Equal(t, "gzip", resp.Header.Get("X-Accepted"))
	assert.True(t, resp.Uncompressed)
	assert.Empty(t, resp.Header.Get("Content-Encoding"))

	_, _, err = whole(t, p, request(t, "GET", s.URL+"/spoiled", ""))
	require.ErrorIs(t, err, gzip.ErrHeader)

	req := request(t, "GET", s.URL, "")
	req.Header.Set("Accept-Encoding", "gzip")
	resp, text, err = whole(t, p, req)
	require.NoError(t, err)
	assert.Equal(t, "gzip", resp.Header.Get("Content-Encoding"), "who asks for it gets it as it is")
	assert.Less(t, len(text), 500)
}

func TestThereAreNoMoreConnectionsThanAllowed(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
	}))
	t.Cleanup(s.Close)
	p := newPool(t, 3)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, _, err := whole(t, p, request(t, "GET", s.URL, ""))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, most.Load(), int64(3))
}

func TestConnectionsThatAreNotNeededAreClosed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	p := newPool(t, 3)
	resp, err := p.RoundTrip(request(t, "GET", s.URL, ""))
	require.NoError(t, err)
	require.Equal(t, http.NoBody, resp.Body)
	h := p.host(request(t, "GET", s.URL, "").URL)
	require.Len(t, h.idle, 1)
	old := h.idle[0]
	old.used = time.Now().Add(-idleFor)
	_, _, err = whole(t, p, request(t, "GET", s.URL, ""))
	require.NoError(t, err)
	require.Len(t, h.idle, 1)
	assert.NotSame(t, old, h.idle[0], "it is too old to be used")

	fresh := h.idle[0]
	h.idle = []*conn{old, fresh}
	h.mu.Lock()
	h.closeIdle(time.Now().Add(-time.Second))
	h.mu.Unlock()
	assert.Equal(t, []*conn{fresh}, h.idle)
	p.CloseIdleConnections()
	assert.Empty(t, h.idle)
}

func BenchmarkPost(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	b.Cleanup(s.Close)
	for name, t := range map[string]http.RoundTripper{"wire": newPool(b, 8), "net-http": s.Client().Transport} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := t.RoundTrip(request(b, "POST", s.URL, "text"))
				require.NoError(b, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(b, err)
				require.NoError(b, resp.Body.Close())
			}
		})
	}
}
