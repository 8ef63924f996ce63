package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// Invariant 6, over everything that leaves the program but the calls
// themselves: the store, standard output, standard error at its most talkative.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	faults := []emulator.Fault{
		{Operation: "token", Kind: "503", First: 1},
		{Operation: "Messages_SendMessage", Kind: "503", Every: 7},
		{Operation: "Messages_SendMessage", Kind: emulator.FaultGarbage, Every: 11},
		{Operation: "Messages_SendMessage", Kind: emulator.FaultExpired, First: 1},
	}
	w := newWorkbench(t, emulator.Options{Messages: 50, Faults: faults}, quickRetry, sendJob+archiveJob)
	w.recipients("recipients.csv", 50)
	target, err := url.Parse(w.api.URL())
	require.NoError(t, err)
	var mu sync.Mutex
	credentials := map[string]bool{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	recorder := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		mu.Lock()
		credentials[credential] = true
		mu.Unlock()
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(recorder.Close)
	w.edit(w.api.URL(), recorder.URL)

	var said, logged strings.Builder
	for _, line := range [][]string{
		{"validate"}, {"plan", "send"}, {"run", "send"}, {"run", "--json", "archive", "send"}, {"status", "--json"},
		{"results", "send"}, {"results", "--format", "jsonl", "send"},
		{"sql", "--format", "jsonl", "select * from runs"}, {"sql", "--format", "jsonl", "select * from results"},
	} {
		r := w.batch(append([]string{"--log-level", "debug", "--log-format", "json"}, line...)...)
		require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%v: %s%s", line, r.stdout, r.stderr)
		said.WriteString(r.stdout)
		logged.WriteString(r.stderr)
	}
	w.edit("${TEST_SECRET}", "${TEST_SECRET}x") // a refusal is no reason to tell it
	r := w.batch("--log-level", "debug", "run", "send", "archive")
	assert.Equal(t, exitFailed, r.code)
	said.WriteString(r.stdout)
	logged.WriteString(r.stderr)
	require.Contains(t, logged.String(), "call is tried again", "the log was on")

	secret := w.api.Info().KeySecret
	secrets := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))}
	for credential := range credentials {
		secrets = append(secrets, credential) // tokens, and the key as it goes to the token endpoint
	}
	require.GreaterOrEqual(t, len(secrets), 5, "two tokens and two keys were seen")
	found := searched(t, filepath.Join(w.dir, "store"))
	assert.Greater(t, len(found), 10)
	found["standard output"], found["standard error"] = said.String(), logged.String()
	assert.Empty(t, found.leaks(secrets...))
	for _, private := range []string{"Guest", "Hi ", number(0)[1:], number(49)[1:]} {
		assert.NotContains(t, logged.String(), private, "text or number of a message in the log")
	}
}

// A server that repeats what it is sent, in whatever form and in whatever part
// of an answer, brings no secret into what is kept or said.
func TestWhatAHostileServerRepeatsIsNowhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		auth, format string
		rows         []reply
	}{
		{"oauth2", "text", append([]reply{expired}, replies...)},
		{"basic", "json", replies},
	} {
		t.Run(c.auth, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{}, quickRetry, sendJob+strings.Replace(sendJob, "send:", "other:", 1))
			h := newHostile(t, c.rows...)
			h.against(w)
			w.edit("region: eu", "region: eu\n  auth: "+c.auth)
			w.recipients("recipients.csv", 3*len(c.rows))
			said := w.provoked(h, c.auth, "--log-level", "debug", "--log-format", c.format)

			require.Contains(t, said["standard error"], "call is tried again", "the log was on")
			require.Contains(t, said["standard output"], "[redacted]", "and something was repeated")
			found := searched(t, filepath.Join(w.dir, "store"))
			found["standard output"], found["standard error"] = said["standard output"], said["standard error"]
			assert.Empty(t, found.leaks(h.seen()...))
			assert.Zero(t, h.visits.Load(), "no redirect was followed")
			for place, text := range found {
				if place == "standard error" || filepath.Base(place) == "status.json" || filepath.Base(place) == "runs.json" {
					assert.NotContains(t, text, "Guest", place)
					assert.NotRegexp(t, `4670\d{7}`, text, place)
				}
			}
		})
	}
}

// provoked runs the jobs send and other against a hostile server until each of
// its ways was met, and returns what was said.
func (w *workbench) provoked(h *hostile, auth string, flags ...string) places {
	w.t.Helper()
	said := places{}
	batch := func(code int, args ...string) {
		w.t.Helper()
		r := w.batch(append(flags, args...)...)
		require.Equal(w.t, code, r.code, "%v: %s%s", args, r.stdout, r.stderr)
		said["standard output"] += r.stdout
		said["standard error"] += r.stderr
	}
	batch(exitIncomplete, "run", "send")
	batch(exitDone, "results", "--format", "jsonl", "send")
	batch(exitDone, "sql", "--format", "jsonl", "select * from results")
	h.answer(says(401, `{"message":"ECHO"}`, "WWW-Authenticate: Bearer ECHO"), nil)
	batch(exitFailed, "run", "--json", "other")
	if auth == "oauth2" {
		for _, token := range tokenReplies {
			h.answer(nil, token)
			batch(exitFailed, "run", "other")
		}
	}
	h.answer(says(403, `{"message":"ECHO"}`), nil)
	batch(exitFailed, "run", "other")
	batch(exitDone, "status")
	batch(exitDone, "sql", "--format", "jsonl", "select * from runs")
	return said
}
