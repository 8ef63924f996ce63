package faultproxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"convbatch/internal/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const proper = `{"id":"a proper answer"}`

// bench is a proxy before a server that counts what reaches it.
type bench struct {
	url     string
	proxy   *faultproxy.Proxy
	client  *http.Client
	reached atomic.Int64
}

func newBench(t *testing.T, seed uint64, faults ...faultproxy.Fault) *bench {
	t.Helper()
	b := &bench{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.reached.Add(1)
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Saw", fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), body))
		_, _ = io.WriteString(w, proper)
	}))
	t.Cleanup(server.Close)
	b.proxy = faultproxy.New(server.URL, seed)
	require.NoError(t, b.proxy.SetFaults(faults))
	front := httptest.NewServer(b.proxy)
	t.Cleanup(front.Close)
	b.url = front.URL
	b.client = &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	t.Cleanup(b.client.CloseIdleConnections)
	return b
}

// post sends one request; the error is that of the call or of reading its answer.
func (b *bench) post(ctx context.Context, path string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+path, strings.NewReader("hello"))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer x")
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func always(kind faultproxy.Kind, upTo time.Duration) faultproxy.Fault {
	return faultproxy.Fault{Match: "^POST /send", Kind: kind, Rate: 1, UpTo: faultproxy.Duration(upTo)}
}

func TestWhatNoFaultFitsPassesAsItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, always(faultproxy.ResetBefore, 0))
	resp, body, err := b.post(t.Context(), "/other%2Fpath?q=a%2Bb")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "POST /other%2Fpath?q=a%2Bb Bearer x hello", resp.Header.Get("X-Saw"))
	assert.Equal(t, proper, body)
	assert.Equal(t, map[faultproxy.Kind]int{faultproxy.Pass: 1}, b.proxy.Counts().Requests)
}

func TestEachFaultDoesWhatItsNameSays(t *testing.T) {
	t.Parallel()
	for kind, want := range map[faultproxy.Kind]struct {
		reached int64
		status  int // 0: no answer
		body    string
		err     error
	}{
		faultproxy.ResetBefore: {err: syscall.ECONNRESET},
		faultproxy.Unavailable: {status: 503, body: `"UNAVAILABLE"`},
		faultproxy.Held:        {reached: 1, status: 200, body: proper},
		faultproxy.ResetAfter:  {reached: 1, err: syscall.ECONNRESET},
		faultproxy.Late:        {reached: 1, status: 200, body: proper},
		faultproxy.Slow:        {reached: 1, status: 200, body: proper},
		faultproxy.Truncated:   {reached: 1, status: 200, err: io.ErrUnexpectedEOF},
		faultproxy.Garbage:     {reached: 1, status: 200, body: "not what you asked for"},
		faultproxy.HTML:        {reached: 1, status: 502, body: "<html>"},
		faultproxy.ErrorAfter:  {reached: 1, status: 500, body: "INTERNAL"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var upTo time.Duration
			if kind == faultproxy.Held || kind == faultproxy.Late || kind == faultproxy.Slow {
				upTo = 40 * time.Millisecond
			}
			b := newBench(t, 1, always(kind, upTo))
			resp, body, err := b.post(t.Context(), "/send")
			if want.err != nil {
				require.ErrorIs(t, err, want.err)
			} else {
				require.NoError(t, err)
				assert.Contains(t, body, want.body)
			}
			if want.status != 0 {
				assert.Equal(t, want.status, resp.StatusCode)
			}
			assert.Equal(t, want.reached, b.reached.Load(), "requests that reached the server")
			assert.Equal(t, map[faultproxy.Kind]int{kind: 1}, b.proxy.Counts().Requests)
		})
	}
}

// The server handles it, and the client hears nothing for as long as it waits.
func TestALostAnswerIsNeverHeardOf(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, always(faultproxy.Lost, 0))
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	ended := make(chan error, 1)
	go func() {
		_, _, err := b.post(ctx, "/send")
		ended <- err
	}()
	require.Eventually(t, func() bool { return b.reached.Load() == 1 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, 1, b.proxy.Counts().UnderWay)
	select {
	case err := <-ended:
		t.Errorf("the client heard something: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	giveUp()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool { return b.proxy.Counts().UnderWay == 0 }, 10*time.Second, time.Millisecond)
}

// A request that is held arrives though its client has gone.
func TestAHeldRequestArrivesAfterItsClientHasGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, always(faultproxy.Held, 2*time.Second)) // 1 s with this seed
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := b.post(ctx, "/send")
		ended <- err
	}()
	require.Eventually(t, func() bool { return b.proxy.Counts().UnderWay == 1 }, 10*time.Second, time.Millisecond)
	giveUp()
	require.ErrorIs(t, <-ended, context.Canceled)
	assert.Zero(t, b.reached.Load())
	require.Eventually(t, func() bool { return b.reached.Load() == 1 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return b.proxy.Counts().UnderWay == 0 }, 10*time.Second, time.Millisecond)
}

func TestTheSeedDecidesAndRatesAddUp(t *testing.T) {
	t.Parallel()
	faults := []faultproxy.Fault{
		{Match: "send", Kind: faultproxy.Unavailable, Rate: 0.2},
		{Match: "^POST", Kind: faultproxy.ErrorAfter, Rate: 0.3},
	}
	fates := func(seed uint64) (statuses []int) {
		b := newBench(t, seed, faults...)
		for range 1000 {
			resp, _, err := b.post(t.Context(), "/send")
			require.NoError(t, err)
			statuses = append(statuses, resp.StatusCode)
		}
		counts := b.proxy.Counts().Requests
		assert.InDelta(t, 200, counts[faultproxy.Unavailable], 50)
		assert.InDelta(t, 300, counts[faultproxy.ErrorAfter], 60)
		assert.Equal(t, 1000, counts[faultproxy.Unavailable]+counts[faultproxy.ErrorAfter]+counts[faultproxy.Pass])
		return statuses
	}
	first := fates(7)
	assert.Equal(t, first, fates(7))
	assert.NotEqual(t, first, fates(8))
}

func TestFaultsThatCanNotBeAreRefused(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]faultproxy.Fault{
		"match":                    {Match: "(", Kind: faultproxy.Lost},
		"is none of":               {Kind: "gremlins"},
		"not between 0 and 1":      {Kind: faultproxy.Lost, Rate: 1.5},
		"must be more than 0":      {Kind: faultproxy.Late, Rate: 0.1},
		"up_to belongs to":         {Kind: faultproxy.Lost, UpTo: 1},
		"kind \"pass\" is none of": {Kind: faultproxy.Pass},
	} {
		assert.ErrorContains(t, faultproxy.New("http://127.0.0.1:1", 1).SetFaults([]faultproxy.Fault{f}), want)
	}
}

// As a process it is steered over HTTP and ends with its input.
func TestRunServesUntilItsInputEnds(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	in, closeIn, err := os.Pipe()
	require.NoError(t, err)
	out, written, err := os.Pipe()
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(faultproxy.Run(server.URL, 1, in, written), in.Close(), written.Close()) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	url := strings.TrimSpace(line)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	do := func(method, path, body string) (int, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, text
	}

	status, _ := do(http.MethodGet, "/x", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, text := do(http.MethodPut, "/_proxy/faults", `[{"match": "x", "kind": "late", "rate": 1, "upto": "1s"}]`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, string(text), `unknown field "upto"`)
	rules, err := json.Marshal([]faultproxy.Fault{{Match: "^GET /x$", Kind: faultproxy.Late, Rate: 1, UpTo: 1}})
	require.NoError(t, err)
	status, text = do(http.MethodPut, "/_proxy/faults", string(rules))
	assert.Equal(t, http.StatusNoContent, status, "%s", text)
	_, _ = do(http.MethodGet, "/x", "")
	_, text = do(http.MethodGet, "/_proxy/counts", "")
	assert.Equal(t, `{"under_way":0,"requests":{"late":1,"pass":1}}`, string(bytes.TrimSpace(text)))

	require.NoError(t, closeIn.Close())
	require.NoError(t, <-ended)
	require.NoError(t, out.Close())
	_, err = client.Get(url + "/x")
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}
