package main

import (
	"encoding/base64"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
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
	places := map[string]string{"standard output": said.String(), "standard error": logged.String()}
	require.NoError(t, filepath.WalkDir(filepath.Join(w.dir, "store"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, "%s can be read by others", path)
		text, err := os.ReadFile(path)
		places[path] = string(text)
		return err
	}))
	assert.Greater(t, len(places), 10)
	for place, text := range places {
		for _, s := range secrets {
			assert.False(t, strings.Contains(text, s), "a secret is in %s", place)
		}
	}
	for _, private := range []string{"Guest", "Hi ", number(0)[1:], number(49)[1:]} {
		assert.NotContains(t, logged.String(), private, "text or number of a message in the log")
	}
}
