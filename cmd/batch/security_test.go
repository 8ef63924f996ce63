package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// mustBePrivate checks that every file and folder is its owner's alone, and
// returns how many files there are.
func mustBePrivate(t *testing.T, dir string) (files int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o700)
		if !d.IsDir() {
			want = 0o600
			files++
		}
		assert.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	return files
}

// openly is a command whose process may make files that everybody can write.
func (w *workbench) openly(args ...string) *exec.Cmd {
	cmd := w.command(args...)
	cmd.Args = append([]string{"sh", "-c", `umask 000; exec "$0" "$@"`, cmd.Path}, args...)
	cmd.Path = "/bin/sh"
	return cmd
}

// Whatever the umask, what is kept is its owner's alone: in the middle of a
// run, after its death, and at its end. What the death leaves holds no secret.
func TestTheStoreIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	const rows = 3000
	w := newWorkbench(t, emulator.Options{Messages: 200}, "limits: {requests: unlimited, in_flight: 16}", sendJob+archiveJob)
	temp := filepath.Join(w.dir, "temp")
	require.NoError(t, os.Mkdir(temp, 0o700))
	w.env = append(w.env, "TMPDIR="+temp)
	w.recipients("recipients.csv", rows)
	store := filepath.Join(w.dir, "store")
	archive := w.openly("run", "archive")
	require.NoError(t, archive.Run())
	assert.NotZero(t, mustBePrivate(t, filepath.Join(store, "datasets")))

	h := newHostile(t, accepted, flat, says(500, "ECHO"))
	h.against(w)
	cmd := w.openly("run", "send")
	require.NoError(t, cmd.Start())
	for range rows / 2 {
		<-h.sends
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it was killed")
	require.FileExists(t, filepath.Join(store, "jobs", "send", "ledger.duckdb.wal"))
	mustBePrivate(t, store)
	mustBePrivate(t, temp)
	assert.Empty(t, searched(t, store).leaks(h.seen()...))

	out, err := w.openly("run", "--json", "send").Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitIncomplete, exit.ExitCode(), "%s%s", out, exit.Stderr)
	require.NoError(t, w.openly("results", "--format", "csv", "--output", filepath.Join(store, "rows.csv"), "send").Run())
	require.NoError(t, w.openly("sql", "--format", "parquet", "--output", filepath.Join(store, "rows.parquet"), "from results").Run())
	assert.Greater(t, mustBePrivate(t, store), 10)
	assert.Empty(t, searched(t, store).leaks(h.seen()...))
}

// A certificate that nobody vouches for gets no credentials, whichever service
// it speaks for.
func TestAServerThatNobodyVouchesForIsToldNothing(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"token", "conversation"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{}, quickRetry, sendJob)
			w.recipients("recipients.csv", 2)
			var asked atomic.Int64
			target, err := url.Parse(w.api.URL())
			require.NoError(t, err)
			proxy := httputil.NewSingleHostReverseProxy(target)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				proxy.ServeHTTP(rw, r)
			}))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
			t.Cleanup(s.Close)
			urls := w.api.Info().URLs
			if service == "token" {
				w.edit("token: "+quote(urls.Token), "token: "+quote(strings.Replace(urls.Token, w.api.URL(), s.URL, 1)))
			} else {
				w.edit("conversation: "+quote(urls.Conversation), "conversation: "+quote(strings.Replace(urls.Conversation, w.api.URL(), s.URL, 1)))
			}
			r := w.batch("run", "send")
			said := r.stdout + r.stderr
			assert.Equal(t, exitFailed, r.code, said)
			assert.Contains(t, said, "certificate signed by unknown authority")
			assert.Zero(t, asked.Load(), "a request was made")
			assert.Zero(t, w.api.AcceptedCount())

			w.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
			w.env = append(w.env, "SSL_CERT_FILE="+filepath.Join(w.dir, "ca.pem"))
			r = w.batch("run", "send")
			assert.Zero(t, r.code, "once somebody does, it works: %s%s", r.stdout, r.stderr)
			assert.NotZero(t, asked.Load())
			assert.Equal(t, 2, w.api.AcceptedCount())
		})
	}
}

func quote(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// Over plain HTTP only this machine is spoken to; what merely looks like it is
// not it.
func TestPlainHTTPIsForThisMachineAlone(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"conversation", "batch", "provisioning", "token"} {
		for base, fine := range map[string]bool{
			"http://127.0.0.1:1": true, "http://localhost:1": true, "http://[::1]:1": true, "https://gateway.example": true,
			"http://gateway.example": false, "http://10.0.0.1": false, "http://0.0.0.0": false, "http://[::]": false, "HTTP://gateway.example": false,
			"http://localhost.gateway.example": false, "http://127.0.0.1.gateway.example": false, "http://127.0.0.1@gateway.example": false,
			"http://gateway.example:127": false, "http://2130706433": false, "http://[::ffff:10.0.0.1]": false, "//127.0.0.1": false, "ws://127.0.0.1": false,
		} {
			file := filepath.Join(t.TempDir(), "jobs.yaml")
			require.NoError(t, os.WriteFile(file, []byte(`version: 1
api: {project: p, region: eu, key_id: k, key_secret: "${S}", urls: {`+service+`: "`+base+`"}}
jobs: {nightly: {kind: message_archive, app: a}}
`), 0o600))
			r := inProcess(t, program{env: func(string) (string, bool) { return "s", true }}, "validate", file)
			if fine {
				assert.Equal(t, exitDone, r.code, "%s %s: %s", service, base, r.stderr)
				continue
			}
			assert.Equal(t, exitUsage, r.code, "%s %s: %s", service, base, r.stdout)
			assert.Contains(t, r.stdout+r.stderr, "api.urls."+service+": must ", base)
		}
	}
}

// Names of files and columns, keys and texts may look like SQL, templates,
// variables or commands: they are names and texts, on the way and in the
// results.
func TestWhatFilesHoldIsText(t *testing.T) {
	t.Parallel()
	nasty := []string{
		"'; DROP TABLE runs; --", `"; DROP TABLE outcomes; --`, `it's "x"`, "$1 ? :x", "{{.phone}}", "${HOME} $HOME $(id) `id`",
		`\'; --`, "two\nlines", "é\u2028👩‍🚀", `"},"app_id":"other`, "-- x", "/* x", "=1+1", "%s%n",
	}
	const column = `na"me'; DROP VIEW results; --`
	w := newWorkbench(t, emulator.Options{}, quickRetry, `
send:
  kind: bulk_send
  app: APP
  from: {csv: "it's \"the; list\".csv"}
  key: "na\"me'; DROP VIEW results; --"
  request:
    recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
    message: {text_message: {text: "{{index . \"na\\\"me'; DROP VIEW results; --\"}}"}}
`)
	var text bytes.Buffer
	rows := csv.NewWriter(&text)
	require.NoError(t, rows.Write([]string{"phone", column}))
	for i, s := range nasty {
		require.NoError(t, rows.Write([]string{number(i), s}))
	}
	rows.Flush()
	w.write(`it's "the; list".csv`, text.String())
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	require.EqualValues(t, len(nasty), s.Done)
	sent := map[string]bool{}
	for _, a := range w.api.Accepted() {
		sent[a.Text] = true
	}
	for _, s := range nasty {
		assert.True(t, sent[s], "%q was sent as it is", s)
	}

	var keys []string
	for _, row := range w.query("select key from results order by seq") {
		keys = append(keys, row["key"].(string))
	}
	assert.Equal(t, nasty, keys)
	r = w.batch("results", "--format", "csv", "send")
	require.Zero(t, r.code, r.stderr)
	back, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"phone", column, "_state", "_error"}, back[0])
	for i, s := range nasty {
		assert.Equal(t, []string{number(i), s, "done", ""}, back[i+1])
	}
	again, r := w.run("send")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, len(nasty), again.Skipped, "keys are compared as they are")

	for _, args := range [][]string{
		{"results", "send' or '1'='1"}, {"results", "--state", "done') or ('1'='1", "send"}, {"run", "send'; --"}, {"plan", "../send"}, {"results", "../send"},
	} {
		assert.Equal(t, exitUsage, w.batch(args...).code, args)
	}
	assert.Equal(t, len(nasty), w.api.AcceptedCount())
}
