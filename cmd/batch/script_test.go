package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// Every script has this job file, these rows, and an emulator of its own.
const (
	scriptJobs = `version: 1
api:
  project: ${SINCH_PROJECT_ID}
  region: eu
  key_id: ${SINCH_KEY_ID}
  key_secret: ${SINCH_KEY_SECRET}
  urls:
    conversation: ${SINCH_CONVERSATION_URL}
    batch: ${SINCH_BATCH_URL}
    provisioning: ${SINCH_PROVISIONING_URL}
    token: ${SINCH_TOKEN_URL}
store: ./store
retry: {attempts: 3, first: 1ms, max: 2ms}
jobs:
  nightly: {kind: message_archive, app: "${SINCH_APP_ID}", since: 31d, settle: 1ms}
  spring:
    kind: bulk_send
    app: ${SINCH_APP_ID}
    from: {csv: recipients.csv}
    key: phone
    request:
      recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
      message: {text_message: {text: "Hi {{.name}}"}}
`
	scriptRows = "phone,name\n+46700000001,Ada\n+46700000002,Bo\n+46700000003,Cy\n"
)

type emulatorKey struct{}

// The command line, as testdata/scripts has it: what is typed, what comes out
// and where, and the exit code.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripts("scripts"))
}

// scripts are those of a folder of testdata, with what they are run with.
func scripts(folder string) testscript.Params {
	return testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", folder),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			if _, err := released(); err != nil {
				return err
			}
			if builds != "" {
				e.Setenv("PATH", builds+":"+e.Getenv("PATH"))
			}
			api, err := emulator.Serve(context.Background(), "127.0.0.1:0", emulator.Options{Messages: 40, Conversations: 5, Contacts: 5})
			if err != nil {
				return err
			}
			e.Defer(func() { _ = api.Close() })
			e.Values[emulatorKey{}] = api
			e.Vars = append(append(e.Vars, quickExit, "TOMORROW="+time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)), accountEnv(api.Info())...)
			return errors.Join(
				os.WriteFile(filepath.Join(e.WorkDir, "jobs.yaml"), []byte(scriptJobs), 0o600),
				os.WriteFile(filepath.Join(e.WorkDir, "recipients.csv"), []byte(scriptRows), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     scriptCode,
			"tested":   scriptTested,
			"accepted": scriptAccepted,
			"requests": scriptRequests,
			"runid":    scriptRunID,
			"emulator": scriptEmulator,
			"mistake":  scriptMistake,
			"locked":   scriptLocked,
			"replace":  scriptReplace,
		},
	}
}

// accountEnv is what an emulator says of itself as the variables of jobs.example.yaml.
func accountEnv(i emulator.Info) []string {
	return []string{
		"SINCH_PROJECT_ID=" + i.Project, "SINCH_APP_ID=" + i.App, "SINCH_KEY_ID=" + i.KeyID, "SINCH_KEY_SECRET=" + i.KeySecret,
		"SINCH_CONVERSATION_URL=" + i.URLs.Conversation, "SINCH_BATCH_URL=" + i.URLs.Batch,
		"SINCH_PROVISIONING_URL=" + i.URLs.Provisioning, "SINCH_TOKEN_URL=" + i.URLs.Token,
	}
}

// code CODE COMMAND… runs a command that must end with that exit code.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, ts.ReadFile("stderr"))
	}
}

// tested has the script run the test binary, as workbench.asTested does.
func scriptTested(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("PATH", os.Getenv("PATH"))
}

// accepted N checks how many messages the script's emulator accepted.
func scriptAccepted(ts *testscript.TestScript, _ bool, args []string) {
	if n := ts.Value(emulatorKey{}).(*emulator.Server).AcceptedCount(); fmt.Sprint(n) != args[0] {
		ts.Fatalf("%d messages were accepted, want %s", n, args[0])
	}
}

// requests N checks how many calls reached the script's emulator, of whatever kind.
func scriptRequests(ts *testscript.TestScript, _ bool, args []string) {
	api := ts.Value(emulatorKey{}).(*emulator.Server)
	if n := len(api.Requests()) + api.TokenRequests(); fmt.Sprint(n) != args[0] {
		ts.Fatalf("%d requests arrived, want %s", n, args[0])
	}
}

// runid JOB sets RUN to the id of the job's last run.
func scriptRunID(ts *testscript.TestScript, _ bool, args []string) {
	var runs []struct {
		ID string `json:"run_id"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join("store", "jobs", args[0], "runs.json"))), &runs))
	ts.Setenv("RUN", runs[len(runs)-1].ID)
}

// emulator ARG… starts `batch emulator` until the end of the script, and sets
// the variables of the job file emulated.yaml to what it printed.
func scriptEmulator(ts *testscript.TestScript, _ bool, args []string) {
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "batch", append([]string{"emulator", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	ts.Check(cmd.Start())
	line, readErr := bufio.NewReader(out).ReadBytes('\n')
	ts.Defer(func() {
		stop()
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait() // which repeats that the context ended
		if code := cmd.ProcessState.ExitCode(); code != 0 || len(rest)+errs.Len() > 0 {
			ts.Logf("emulator: exit code %d, printed %q %q", code, rest, errs.String())
			ts.Fatalf("the emulator did not end quietly")
		}
	})
	ts.Check(readErr)
	var info emulator.Info
	ts.Check(json.Unmarshal(line, &info))
	for _, pair := range accountEnv(info) {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" {
			ts.Fatalf("%s is empty in %s", name, line)
		}
		ts.Setenv(name, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs("emulated.yaml"), []byte(strings.Replace(scriptJobs, "./store", "./emulated", 1)), 0o600))
}

func TestTheObjectOfRunHasTheKeysOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Messages: 10}, "", sendJob+archiveJob)
	w.recipients("recipients.csv", 3)
	r := w.batch("run", "--json", "archive", "send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Empty(t, r.stderr)
	var report map[string][]map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &report), r.stdout)
	require.Len(t, report, 1)
	require.Len(t, report["jobs"], 2)
	want := strings.Fields(`job run_id kind state resumed rows done failed invalid suppressed skipped in_doubt records
		requests retries throttled started_at finished_at elapsed_s message`)
	for _, job := range report["jobs"] {
		var keys []string
		for key := range job {
			keys = append(keys, key)
		}
		assert.ElementsMatch(t, want, keys)
		assert.Equal(t, "completed", job["state"])
		assert.Equal(t, false, job["resumed"])
	}
	assert.Equal(t, "archive", report["jobs"][0]["job"], "in the order of the command line")
	assert.EqualValues(t, 10, report["jobs"][0]["records"])
	assert.EqualValues(t, 3, report["jobs"][1]["done"])
	assert.EqualValues(t, 3+1, report["jobs"][1]["requests"], "and one look at the app's queue")
}
