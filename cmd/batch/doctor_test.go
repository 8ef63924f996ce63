package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// doctor runs `batch doctor` and returns what it found that is not well, as
// "level check: words".
func (w *workbench) doctor(args ...string) (found []string, r result) {
	w.t.Helper()
	r = w.batch(append([]string{"doctor", "--json"}, args...)...)
	return w.ills(r.stdout), r
}

func (w *workbench) ills(stdout string) (found []string) {
	w.t.Helper()
	var report struct{ Checks []finding }
	require.NoError(w.t, json.Unmarshal([]byte(stdout), &report), stdout)
	seen := map[string]bool{}
	for _, f := range report.Checks {
		seen[f.Check] = true
		if f.Level != fine {
			found = append(found, string(f.Level)+" "+f.Check+": "+f.Says)
		}
	}
	for _, c := range checks {
		assert.True(w.t, seen[c.name], "nothing is said of %s", c.name)
	}
	return found
}

// hasIll says whether something was found that begins and goes on so.
func hasIll(found []string, begins, holds string) bool {
	return slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, begins) && strings.Contains(f, holds) })
}

const callbacksJob = `
callbacks:
  kind: webhook_apply
  app: APP
  from: {csv: callbacks.csv}
  key: url
  request: {target: "{{.url}}", target_type: "{{.type}}", triggers: ["{{.trigger}}"]}
`

func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	always := func(operation, kind string) []emulator.Fault {
		return []emulator.Fault{{Operation: operation, Kind: kind}}
	}
	for name, c := range map[string]struct {
		options  emulator.Options
		settings string
		jobs     string
		edit     [2]string
		finds    [2]string // how it begins, what it holds
		wrong    bool
	}{
		"a region": {options: emulator.Options{Faults: always("App_ListApps", emulator.FaultNotFound)}, wrong: true,
			finds: [2]string{"wrong region: eu is not the region of the project", "404"}},
		"a project": {options: emulator.Options{Faults: always("App_ListApps", emulator.FaultForbidden)}, wrong: true,
			finds: [2]string{"wrong region: the project's apps can not be listed", "403"}},
		"no way there": {options: emulator.Options{Faults: always("App_ListApps", "reset_before")}, wrong: true,
			finds: [2]string{"wrong region: the project's apps can not be listed", ""}},
		"an app": {edit: [2]string{"app: 01", "app: 02"}, wrong: true,
			finds: [2]string{"wrong apps: 02", ", of send, is no app of the project"}},
		"nothing to archive": {options: emulator.Options{Mode: emulator.ModeDispatch}, jobs: archiveJob, wrong: true,
			finds: [2]string{"wrong apps: ", "there is nothing for archive to archive"}},
		"nothing to look in": {options: emulator.Options{Mode: emulator.ModeDispatch}, wrong: true, // by the channel
			finds: [2]string{"warning apps: ", "send can not look for rows whose answer is lost"}},
		"no provisioning": {options: emulator.Options{DeniedGroups: []string{"conversation"}},
			finds: [2]string{"warning channels: ", "the Provisioning API does not say how its channels are: ConversationMessengerController_get_v1: 403"}},
		"no webhooks": {options: emulator.Options{Faults: always("Webhooks_ListWebhooks", "500"), DeniedGroups: []string{"conversation"}},
			finds: [2]string{"warning webhooks: ", "500"}},
		"a high rate": {settings: "limits: {requests: 801/s}", options: emulator.Options{DeniedGroups: []string{"conversation"}},
			finds: [2]string{"warning limits: 801/s is more than the 800/s", ""}},
		"no rate": {settings: "limits: {requests: unlimited}", options: emulator.Options{DeniedGroups: []string{"conversation"}},
			finds: [2]string{"warning limits: unlimited is more", ""}},
		"basic": {edit: [2]string{"region: eu", "region: eu\n  auth: basic"}, options: emulator.Options{DeniedGroups: []string{"conversation"}},
			finds: [2]string{"warning secrets: ", "basic authorization is for testing"}},
		"a secret in the file": {edit: [2]string{"${TEST_SECRET}", "in-the-file"}, wrong: true,
			finds: [2]string{"warning job file: ", "the secret stands in the file"}},
		"a store": {edit: [2]string{"store: ./store", "store: ./jobs.yaml"}, wrong: true,
			finds: [2]string{"wrong store: ", "is not a folder"}},
		"the Batch API": {jobs: "stop:\n  kind: api_call\n  from: {csv: a.csv}\n  key: id\n  operation: Batch_CancelBatch\n  request: {batch_id: \"{{.id}}\"}\n", wrong: true,
			options: emulator.Options{Faults: always("Batch_GetBatchStatus", "503")},
			finds:   [2]string{"wrong batch API: stop can not call it: Batch_GetBatchStatus: 503", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := c.jobs
			if job == "" {
				job = sendJob
			}
			settings := c.settings
			w := newWorkbench(t, c.options, settings+"\nretry: {attempts: 2, first: 1ms, max: 2ms}", job)
			if c.edit[0] != "" {
				w.edit(c.edit[0], c.edit[1])
			}
			found, r := w.doctor()
			assert.True(t, hasIll(found, c.finds[0], c.finds[1]), "%q", found)
			assert.Equal(t, c.wrong, r.code == exitFailed, "%d: %q", r.code, found)
			if c.wrong && strings.Contains(c.finds[0], "region") {
				assert.Contains(t, r.stdout, `"mend": "`, "how to mend it")
			}
			if strings.Contains(c.finds[0], "wrong apps: 02") {
				assert.True(t, hasIll(found, "skipped webhooks: ", ""), "%q", found)
			}
			assert.NotContains(t, r.stdout+r.stderr, w.api.Info().KeySecret)
			assert.NotContains(t, r.stdout+r.stderr, "secret-", "which the channels of the app have")
			assert.Zero(t, w.api.AcceptedCount(), "it reads only")
		})
	}
}

func TestTheDoctorLooksAtWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{DeniedGroups: []string{"conversation"}}, quickRetry, sendJob+callbacksJob)
	for _, c := range []struct{ hook, finds string }{
		{"", "has no webhook"},
		{"https://hooks.example.com/1,DISMISS,MESSAGE_DELIVERY", "has 1 webhook, and none with target_type HTTP"},
		{"https://hooks.example.com/2,HTTP,MESSAGE_INBOUND", "has no webhook for MESSAGE_DELIVERY, and send sends by it"},
		{"https://hooks.example.com/3,HTTP,MESSAGE_DELIVERY", ""},
	} {
		if c.hook != "" {
			w.write("callbacks.csv", "url,type,trigger\n"+c.hook+"\n")
			_, r := w.run("callbacks")
			require.Zero(t, r.code, r.stderr)
		}
		found, r := w.doctor("send")
		assert.Zero(t, r.code)
		assert.Equal(t, c.finds != "", hasIll(found, "warning webhooks: ", c.finds), "%q", found)
	}
}

func TestTheDoctorLooksAtTheStore(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{DeniedGroups: []string{"conversation"}, QueueLimit: 5, DrainRate: 0.001}, quickRetry, sendJob+callbacksJob)
	w.edit("key: phone", "key: phone\n    app_queue: ignore")
	w.write("recipients.csv", "phone,name\n"+number(1)+",A\nnone,B\n"+number(2)+",C\n"+number(3)+",D\n"+number(4)+",E\n")
	_, r := w.run("send")
	require.Equal(t, exitIncomplete, r.code, "a row is invalid: %s", r.stdout)
	require.NoError(t, os.Chmod(filepath.Join(w.dir, "store"), 0o755))
	found, r := w.doctor()
	assert.Zero(t, r.code, "%q", found)
	assert.True(t, hasIll(found, "warning store: ", "(mode 0755)"), "%q", found)
	assert.True(t, hasIll(found, "warning queue: ", "4 of 5 places are taken"), "%q", found)
	entries, err := filepath.Glob(filepath.Join(w.dir, "store", ".doctor*"))
	require.NoError(t, err)
	assert.Empty(t, entries, "nothing is left behind")

	// A run that is not finished, and a store of a later version.
	w.write("store/jobs/send/runs.json", `[{"job":"send","run_id":"R1","kind":"bulk_send","state":"interrupted","rows":9,"done":2,"input":"i","started_at":"2026-01-02T00:00:00Z"}]`)
	found, _ = w.doctor()
	assert.True(t, hasIll(found, "warning jobs: run R1 of send is interrupted: 7 of 9 are left", ""), "%q", found)
	w.write("store/jobs/send/runs.json", `[{"job":"send","run_id":"R1","kind":"bulk_send","state":"completed","rows":9,"done":9,"started_at":"2126-01-02T00:00:00Z"}]`)
	found, r = w.doctor()
	assert.Equal(t, exitFailed, r.code)
	assert.True(t, hasIll(found, "wrong jobs: the last run of send began ", "the clock was wrong then, or is now"), "%q", found)
	w.write("store/store", "batch store, format 99\n")
	found, r = w.doctor()
	assert.Equal(t, exitFailed, r.code)
	assert.True(t, hasIll(found, "wrong store: ", "format 99"), "%q", found)
	assert.True(t, hasIll(found, "skipped DuckDB: ", ""), "%q", found)
}

func TestTheDoctorSaysThatAJobRuns(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{DeniedGroups: []string{"conversation"}, Latency: 50 * time.Millisecond}, "limits: {in_flight: 1}", sendJob)
	w.recipients("recipients.csv", 10_000)
	running := w.start("run", "send")
	w.accepts(1)
	found, r := w.doctor()
	assert.Zero(t, r.code, "%q", found)
	assert.True(t, hasIll(found, "warning jobs: send is being run by process ", "exit code 4"), "%q", found)
	require.NoError(t, running.cmd.Process.Kill())
	_ = running.cmd.Wait() // which says that it was killed
	found, _ = w.doctor()
	assert.True(t, hasIll(found, "warning jobs: run ", "is interrupted"), "%q", found)
}

// The clock of this machine is compared with the Date of the API's answers.
func TestTheDoctorLooksAtTheClock(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{DeniedGroups: []string{"conversation"}}, quickRetry, sendJob)
	for ahead, finds := range map[time.Duration]string{
		2 * time.Second:        "",
		-20 * time.Second:      "warning clock: this machine is 20s behind the API",
		90 * time.Second:       "wrong clock: this machine is 1m30s ahead of the API",
		-26 * 8760 * time.Hour: "wrong system clock: this machine takes the time for ",
	} {
		p := program{env: w.secretOnly, now: func() time.Time { return time.Now().Add(ahead) }}
		r := inProcess(t, p, "-f", filepath.Join(w.dir, "jobs.yaml"), "doctor", "--json")
		found := w.ills(r.stdout)
		assert.Equal(t, strings.HasPrefix(finds, "wrong"), r.code == exitFailed, "%s: %d %q %s", ahead, r.code, found, r.stderr)
		clock := slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "clock: this machine") })
		assert.Equal(t, finds != "", clock)
		if finds != "" {
			// A second more or less: the Date is cut to seconds.
			assert.True(t, hasIll(found, finds, "") || hasIll(found, strings.Replace(strings.Replace(finds, "20s", "19s", 1), "1m30s", "1m31s", 1), "") ||
				hasIll(found, strings.Replace(finds, "20s", "21s", 1), ""), "%q", found)
		}
	}
}
