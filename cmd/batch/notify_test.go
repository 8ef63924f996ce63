package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// told is a receiver, which keeps what it is told and answers with the codes in
// turn, then 200.
type told struct {
	*httptest.Server
	mu     sync.Mutex
	paths  []string
	bodies []string
}

func newTold(t *testing.T, codes ...int) *told {
	r := &told{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paths, r.bodies = append(r.paths, req.Method+" "+req.URL.String()), append(r.bodies, string(body))
		if n := len(r.paths); n <= len(codes) {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(codes[n-1])
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *told) all() (paths, bodies []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paths, r.bodies
}

func TestWhoIsNotifiedGetsWhatJSONPrints(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 5)
	one, other, heart := newTold(t), newTold(t), newTold(t)
	r := w.here("run", "--json", "--notify", one.URL+"/token-1", "--notify", other.URL+"/?t=token-2", "--heartbeat", heart.URL+"/uuid?rid=7", "send")
	require.Zero(t, r.code, r.stderr)
	assert.NotContains(t, r.stderr, "token")
	paths, bodies := one.all()
	assert.Equal(t, []string{"POST /token-1"}, paths)
	assert.Equal(t, []string{r.stdout}, bodies)
	paths, bodies = other.all()
	assert.Equal(t, []string{"POST /?t=token-2"}, paths)
	assert.Equal(t, []string{r.stdout}, bodies)
	paths, bodies = heart.all()
	assert.Equal(t, []string{"POST /uuid?rid=7"}, paths)
	assert.Equal(t, []string{"exit 0\nsend: completed\n"}, bodies)
}

func TestAHeartbeatSaysThatARunFailed(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.write("recipients.csv", "phone,name\n,Nobody\n")
	heart := newTold(t)
	for range 2 {
		r := w.here("run", "--heartbeat", heart.URL+"/uuid", "send")
		assert.Equal(t, exitIncomplete, r.code, r.stderr)
	}
	w.write("jobs.yaml", "version: 2\n")
	assert.Equal(t, exitUsage, w.here("run", "--heartbeat", heart.URL+"/uuid", "send").code)
	paths, bodies := heart.all()
	assert.Equal(t, []string{"POST /uuid/fail", "POST /uuid/fail", "POST /uuid/fail"}, paths)
	assert.Equal(t, []string{"exit 3\nsend: completed\n", "exit 3\nsend: completed\n", "exit 2\n"}, bodies)
}

func TestARetryTells(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 2)
	require.Zero(t, w.here("run", "send").code)
	heart, one := newTold(t), newTold(t)
	assert.Zero(t, w.here("retry", "--heartbeat", heart.URL, "--notify", one.URL, "send").code)
	paths, _ := heart.all()
	assert.Equal(t, []string{"POST /"}, paths)
	_, bodies := one.all()
	require.Len(t, bodies, 1)
	var said summaryReport
	require.NoError(t, json.Unmarshal([]byte(bodies[0]), &said))
	assert.Contains(t, said.Jobs[0].Message, "nothing to retry")
}

// It is tried again when the receiver fails, and given up when it says no. The
// exit code is that of the run, and no word of the URL but its host is said.
func TestThatNobodyCouldBeToldIsAWarning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []int
		tries   int
		says    string
	}{
		"it fails at first":    {[]int{503, 429}, 3, ""},
		"it fails for ever":    {[]int{500, 500, 500, 500}, 3, "it answered 500"},
		"it says no":           {[]int{403}, 1, "it answered 403"},
		"it leads elsewhere":   {[]int{302}, 1, "redirects are not followed"},
		"it leads permanently": {[]int{308}, 1, "redirects are not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{}, "", sendJob)
			w.recipients("recipients.csv", 1)
			one := newTold(t, c.answers...)
			r := w.here("run", "--notify", one.URL+"/secret-path?token=secret-query", "send")
			assert.Zero(t, r.code)
			paths, _ := one.all()
			assert.Len(t, paths, c.tries)
			if c.says == "" {
				assert.Empty(t, r.stderr)
				return
			}
			assert.Contains(t, r.stderr, c.says)
			assert.Contains(t, r.stderr, strings.TrimPrefix(one.URL, "http://"))
			assert.NotContains(t, r.stderr, "secret")
			assert.NotContains(t, r.stderr, "elsewhere")
		})
	}
}

func TestNobodyListensToNotify(t *testing.T) {
	t.Parallel()
	gone := newTold(t)
	gone.Close()
	var logged strings.Builder
	u, err := url.Parse(gone.URL + "/secret-path")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a second signal: at once
	tells := &teller{heartbeat: u, http: http.DefaultClient, log: slog.New(slog.NewTextHandler(&logged, nil))}
	tells.end(ctx, tellWithin, nil, exitFailed)
	assert.Contains(t, logged.String(), "could not be told")
	assert.NotContains(t, logged.String(), "secret")
}

func TestAURLThatTellsIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 1)
	for _, u := range []string{"hooks.example.com/secret", "http://hooks.example.com/secret", "ftp://127.0.0.1/secret", "https:///secret", "http://127.0.0.1.example.com/secret", "http://[::1/secret"} {
		for _, flag := range []string{"--notify", "--heartbeat"} {
			r := w.here("run", flag, u, "send")
			assert.Equal(t, exitUsage, r.code, u)
			assert.Contains(t, r.stderr, flag)
			assert.NotContains(t, r.stderr, "secret")
		}
	}
	assert.NoDirExists(t, filepath.Join(w.dir, "store"), "nothing was begun")
}

// The URL usually comes from the environment, and help shows what flags are set to.
func TestHelpDoesNotShowWhoIsTold(t *testing.T) {
	heart := newTold(t)
	t.Setenv("BATCH_HEARTBEAT", heart.URL+"/secret")
	t.Setenv("BATCH_NOTIFY", heart.URL+"/secret")
	r := inProcess(t, program{}, "run", "--help")
	assert.Contains(t, r.stdout, "--heartbeat URL")
	assert.NotContains(t, r.stdout+r.stderr, "secret")
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 1)
	require.Zero(t, w.here("run", "send").code)
	paths, _ := heart.all()
	assert.Equal(t, []string{"POST /secret", "POST /secret"}, paths)
}
