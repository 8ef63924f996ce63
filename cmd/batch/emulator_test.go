package main

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

// What the flags of the emulator say about queue, lists and tokens is what it does.
func TestTheEmulatorDoesWhatItsFlagsSay(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.env = []string{"BATCH_EMULATOR_DRAIN_RATE=6/m"}
	p := w.start("emulator", "--listen", "127.0.0.1:0", "--queue-limit", "2", "--list-delay", "1h", "--token-lifetime", "90s", "--messages", "0")
	require.Eventually(t, func() bool { return strings.Contains(p.out.String(), "\n") }, 10*time.Second, 5*time.Millisecond, &p.errors)
	info := gjson.Parse(p.out.String())
	base, app := info.Get("urls.conversation").String()+"/v1/projects/"+info.Get("project").String(), info.Get("app").String()

	var token string
	call := func(method, url, body string) (int, gjson.Result) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		if token == "" {
			req.SetBasicAuth(info.Get("key_id").String(), info.Get("key_secret").String())
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, gjson.ParseBytes(text)
	}
	_, answer := call(http.MethodPost, info.Get("urls.token").String(), "grant_type=client_credentials")
	assert.EqualValues(t, 90, answer.Get("expires_in").Int())
	token = answer.Get("access_token").String()

	send := `{"app_id":"` + app + `","recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"46700000001"}]}},"message":{"text_message":{"text":"hi"}}}`
	for _, want := range []int{200, 200, 429} { // a third has no room for ten seconds
		status, answer := call(http.MethodPost, base+"/messages:send", send)
		assert.Equal(t, want, status, answer.Raw)
	}
	_, answer = call(http.MethodGet, base+"/apps/"+app, "")
	assert.EqualValues(t, 2, answer.Get("queue_stats.outbound_limit").Int())
	_, answer = call(http.MethodGet, base+"/messages?page_size=10", "")
	assert.Empty(t, answer.Get("messages").Array(), "they are not in lists yet: %s", answer.Raw)

	p.signal(syscall.SIGTERM)
	assert.Zero(t, p.end(10*time.Second).code)
}
