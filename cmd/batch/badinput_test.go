package main

import (
	"database/sql"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"convbatch/internal/emulator"
)

const quickRetry = "retry: {attempts: 2, first: 10ms, max: 20ms}"

// assertUntouched checks that no call was made, not even for a token.
func (w *workbench) assertUntouched() {
	w.t.Helper()
	assert.Zero(w.t, w.api.AcceptedCount())
	assert.Empty(w.t, w.api.Requests())
	assert.Zero(w.t, w.api.TokenRequests())
}

// edit replaces text in the job file.
func (w *workbench) edit(old, replacement string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "jobs.yaml"))
	require.NoError(w.t, err)
	require.Contains(w.t, string(text), old)
	w.write("jobs.yaml", strings.ReplaceAll(string(text), old, replacement))
}

func TestWrongInputIsExplainedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ csv, old, replacement, want string }{
		"a line with a field too many": {csv: "phone,name\n+46700000001,A\n+46700000002,B, Mrs\n",
			want: "job send: nothing was sent: recipients.csv line 3: 3 fields where the header has 2; a field that holds a ',' needs quotes around it"},
		"a line with a field too few": {csv: "phone,name\n+46700000001,A\n\n+46700000002\n",
			want: "job send: nothing was sent: recipients.csv line 4: 1 field where the header has 2"},
		"a quote that is not closed": {csv: "phone,name\n+46700000001,\"A\n+46700000002,B\n",
			want: "job send: nothing was sent: recipients.csv line 2: found a quoted field that is not closed"},
		"an empty file": {csv: "",
			want: "job send: nothing was sent: recipients.csv is empty: its first line should name the columns"},
		"not UTF-8": {csv: "phone,name\n+46700000001,\xc5sa\n",
			want: "job send: nothing was sent: recipients.csv line 2, field 2: "},
		"no such file": {csv: "phone,name\n", old: "csv: recipients.csv", replacement: "csv: guests.csv",
			want: "job send: nothing was sent: there is no file guests.csv"},
		"no such column in the request": {csv: "phone,nick\n+46700000001,A\n",
			want: "job send: nothing was sent: jobs.yaml:18:38: jobs.send.request.message.text_message.text: the input has no column \"name\"; there are phone, nick"},
		"no such key column": {csv: "phone,name\n+46700000001,A\n", old: "key: phone", replacement: "key: id",
			want: `job send: nothing was sent: key: the input has no column "id"; it has "phone", "name"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{}, "", sendJob)
			w.write("recipients.csv", c.csv)
			if c.old != "" {
				w.edit(c.old, c.replacement)
			}
			s, r := w.run("send")
			assert.Equal(t, exitUsage, r.code)
			assert.Equal(t, "failed", s.State)
			assert.True(t, strings.HasPrefix(s.Message, c.want), "%s\nwant %s", s.Message, c.want)
			r = w.batch("plan", "send")
			assert.Equal(t, exitUsage, r.code)
			assert.True(t, strings.HasPrefix(r.stderr, "batch: "+c.want), r.stderr)
			w.assertUntouched()
			assert.Contains(t, w.batch("status", "send").stdout, "never ran")
		})
	}
}

func TestAWrongRowIsInvalidAndTheOthersAreSent(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.write("recipients.csv", strings.Join([]string{
		"phone,name",
		"+46700000001,good",
		"0701740605,national",
		"+4670,short",
		"+46 70 000 00 02,spaces",
		"+46700000001,again", // the key of line 2
		",nobody",
		"+46700000003,",
		"",
	}, "\n"))
	s, r := w.run("send")
	assert.Equal(t, exitIncomplete, r.code)
	assert.EqualValues(t, 7, s.Rows)
	assert.EqualValues(t, 2, s.Done)
	assert.EqualValues(t, 5, s.Invalid)
	w.assertAcceptedOnce(2)
	reasons := map[string]string{}
	for _, row := range w.query("select seq, state, error from results order by seq") {
		reasons[row["state"].(string)] += row["error"].(string) + "\n"
	}
	const number = "recipient: the SMS identity is not a phone number in international form: "
	assert.Equal(t, "line 3: "+number+"it begins with 0 where the country code belongs\n"+
		"line 4: "+number+"it has 4 digits, 7 to 15 are possible\n"+
		"line 5: "+number+"it holds ' '\n"+
		"line 6: duplicate key: first on line 2\n"+
		"line 7: empty key\n", reasons["invalid"])
	assert.Contains(t, w.batch("plan", "send").stdout, "invalid, 1 row: duplicate key\n", "alike, however many")
}

func TestAStoreThatCanNotBeUsedIsSaidAndLeftAlone(t *testing.T) {
	t.Parallel()
	const ledger = "store/jobs/send/ledger.duckdb"
	for name, c := range map[string]struct {
		spoil func(t *testing.T, w *workbench)
		want  string // S stands for the absolute path of the store
	}{
		"made by a newer batch": {func(_ *testing.T, w *workbench) { w.write("store/store", "batch store, format 2\n") },
			"S has format 2 and this batch knows formats up to 1: use the batch that wrote it, or a newer one"},
		"with a marker of something else": {func(_ *testing.T, w *workbench) { w.write("store/store", "hello\n") },
			"S/store does not say which format the store has; is S the right folder?"},
		"with a ledger of a newer batch": {newerLedger,
			"S/jobs/send/ledger.duckdb has format 99 and this batch knows formats up to "},
		"with a ledger that is cut off": {func(t *testing.T, w *workbench) { require.NoError(t, os.Truncate(filepath.Join(w.dir, ledger), 5000)) },
			"S/jobs/send/ledger.duckdb is damaged and was left as it is: "},
		"with a ledger that is none": {func(_ *testing.T, w *workbench) { w.write(ledger, strings.Repeat("garbage ", 4000)) },
			"S/jobs/send/ledger.duckdb is damaged and was left as it is: "},
		"with an empty ledger": {func(_ *testing.T, w *workbench) { w.write(ledger, "") },
			"S/jobs/send/ledger.duckdb is damaged and was left as it is: it is empty; restore it from a backup, or move the job's folder away (the job then begins anew and knows nothing of what it sent)"},
		"with a ledger that is older than what was sent": {lostRun,
			"S/jobs/send/ledger.duckdb is damaged and was left as it is: it has lost run 01JQ5ZQ0M3ZC4Q4T2K7J8N9P0R, which began to send; ledger.duckdb.wal, where that stood, was cut or removed, or the ledger is an older one; restore it from a backup"},
		"that is a file": {func(_ *testing.T, w *workbench) { w.edit("store: ./store", "store: ./recipients.csv") },
			"the store recipients.csv is not a folder; choose another (store: in the job file)"},
		"where no folder can be made": {func(_ *testing.T, w *workbench) { w.edit("store: ./store", "store: /proc/no/store") },
			"make the store /proc/no/store: mkdir /proc/no: no such file or directory; choose another folder (store: in the job file)"},
		"on a file system that is read-only": {readOnlyStore,
			"lock job send: the store can not be written; check who owns it and how it is mounted: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{}, "", sendJob)
			w.recipients("recipients.csv", 3)
			_, r := w.run("send")
			require.Zero(t, r.code, r.stderr)
			w.recipients("recipients.csv", 5)
			c.spoil(t, w)
			before, _ := os.ReadFile(filepath.Join(w.dir, ledger))

			r = w.batch("run", "send")
			assert.Equal(t, exitFailed, r.code)
			want := strings.ReplaceAll(c.want, "S/", w.dir+"/store/")
			want = strings.ReplaceAll(strings.ReplaceAll(want, "S has", w.dir+"/store has"), "is S the", "is "+w.dir+"/store the")
			assert.Contains(t, r.stdout+r.stderr, want)
			assert.NotContains(t, r.stderr, "goroutine")
			assert.Equal(t, 3, w.api.AcceptedCount())
			after, _ := os.ReadFile(filepath.Join(w.dir, ledger))
			assert.Equal(t, before, after, "the ledger is as it was")
		})
	}
}

func newerLedger(t *testing.T, w *workbench) {
	db, err := sql.Open("duckdb", filepath.Join(w.dir, "store/jobs/send/ledger.duckdb"))
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO schema_version VALUES (99)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// lostRun leaves the journal of a run that the ledger does not have, as after a
// kill and the loss of its log.
func lostRun(_ *testing.T, w *workbench) {
	w.write("store/jobs/send/sending", "batch sending 1\nboot\n01JQ5ZQ0M3ZC4Q4T2K7J8N9P0R\n"+strings.Repeat("\x00", 200))
}

// readOnlyStore makes the store read-only: by a mount where that is permitted,
// else by permissions, which do for everybody but root.
func readOnlyStore(t *testing.T, w *workbench) {
	dir := filepath.Join(w.dir, "store")
	err := unix.Mount(dir, dir, "", unix.MS_BIND, "")
	if err == nil {
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		err = unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	if err == nil {
		return
	}
	if os.Geteuid() == 0 {
		t.Logf("no mount is permitted here (%v): a link to a place that takes no files stands in", err)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "jobs/send")))
		require.NoError(t, os.Symlink("/proc/self/task", filepath.Join(dir, "jobs/send")))
		return
	}
	job := filepath.Join(dir, "jobs/send")
	require.NoError(t, os.Chmod(filepath.Join(job, "ledger.duckdb"), 0o400))
	require.NoError(t, os.Chmod(job, 0o500))
	t.Cleanup(func() { _ = os.Chmod(job, 0o700) })
}

// The history of runs is written from the ledger, so that a damaged one costs nothing.
func TestADamagedHistoryIsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 3)
	_, r := w.run("send")
	require.Zero(t, r.code, r.stderr)
	w.write("store/jobs/send/runs.json", "{garbage")
	r = w.batch("status")
	assert.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stdout, "send: completed")
	w.write("store/jobs/send/runs.json", "")
	s, r := w.run("send")
	require.Zero(t, r.code, r.stdout)
	assert.EqualValues(t, 3, s.Skipped)
	w.assertAcceptedOnce(3)
}

func TestAWrongKeyEndsTheRunAndTheRightOneGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickRetry, sendJob+archiveJob)
	w.recipients("recipients.csv", 20)
	w.edit("${TEST_SECRET}", "${WRONG_SECRET:-not-the-secret}")
	const advice = "no access token: the token endpoint answered 401 invalid_client: it refuses the credentials, check api.key_id (SINCH_KEY_ID) and api.key_secret (SINCH_KEY_SECRET)"
	s, r := w.run("send")
	assert.Equal(t, exitFailed, r.code)
	assert.Equal(t, "App_GetApp: "+advice, s.Message, "which is read before anything is sent")
	assert.Zero(t, s.settled(), "every row is pending")
	r = w.batch("run", "send")
	assert.Contains(t, r.stdout, "0 of 20 rows settled: none")
	assert.Contains(t, r.stdout, "`batch run send` goes on with what is left")
	s, r = w.run("archive")
	assert.Equal(t, exitFailed, r.code)
	assert.Equal(t, "App_GetApp: "+advice, s.Message)
	assert.Empty(t, w.api.Requests())

	w.edit("${WRONG_SECRET:-not-the-secret}", "${TEST_SECRET}")
	s, r = w.run("send")
	require.Zero(t, r.code, r.stdout)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, 20, s.Done)
	assert.Empty(t, s.Message)
	w.assertAcceptedOnce(20)
}

func TestAWrongRegionOrProjectEndsTheRunWithAHint(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct{ send, archive string }{
		emulator.FaultNotFound: {
			"50 rows one after another were answered 404: is the app in this region and project? what is left stays for the next run; the API said: Messages_SendMessage: 404 ",
			"An app of another region or project is not found either: check api.region and api.project."},
		emulator.FaultForbidden: {
			"50 rows one after another were forbidden (403): does the key belong to this project? what is left stays for the next run; the API said: Messages_SendMessage: 403 ",
			"Does the key belong to this project? Check api.project and api.key_id."},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const rows = 200
			o := emulator.Options{Latency: 10 * time.Millisecond, Faults: []emulator.Fault{{Operation: "*", Kind: kind}}}
			w := newWorkbench(t, o, "limits: {in_flight: 4}\n"+quickRetry, sendJob+archiveJob)
			w.recipients("recipients.csv", rows)
			s, r := w.run("archive")
			assert.Equal(t, exitFailed, r.code)
			assert.Contains(t, s.Message, c.archive)
			s, r = w.run("send")
			assert.Equal(t, exitFailed, r.code)
			assert.True(t, strings.HasPrefix(s.Message, c.send), s.Message)
			assert.Less(t, s.settled(), int64(rows), "what was not sent is pending")
			assert.Zero(t, w.api.AcceptedCount())

			// Mended, the run is finished, and the next one sends what failed.
			require.NoError(t, w.api.SetFaults(nil))
			s, r = w.run("send")
			assert.Equal(t, exitIncomplete, r.code)
			assert.EqualValues(t, rows, s.Done+s.Failed)
			s, r = w.run("send")
			assert.Zero(t, r.code, r.stdout)
			assert.EqualValues(t, rows, s.Done+s.Skipped)
			w.assertAcceptedOnce(rows)
		})
	}
}

// A run that failed on its last row has nothing to resume: the next one sends again.
func TestARunThatFailedWithEveryRowSettledIsOver(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{{Operation: "*", Kind: emulator.FaultForbidden}}}, quickRetry, sendJob)
	w.recipients("recipients.csv", 3)
	s, r := w.run("send")
	assert.Equal(t, exitFailed, r.code)
	assert.EqualValues(t, 3, s.Failed)
	require.NoError(t, w.api.SetFaults(nil))
	s, r = w.run("send")
	assert.Zero(t, r.code, r.stdout)
	assert.False(t, s.Resumed)
	assert.EqualValues(t, 3, s.Done)
	w.assertAcceptedOnce(3)
}

func TestAServerThatAnswersHTMLEndsRunsAndLeavesSendsInDoubt(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			html := emulator.Fault{Operation: "*", Kind: emulator.FaultHTML, Status: status}
			w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{html}}, quickRetry, holdJob+archiveJob)
			w.recipients("recipients.csv", 3)
			s, r := w.run("archive")
			assert.Equal(t, exitFailed, r.code)
			assert.Contains(t, s.Message, "the server answered HTML, not JSON: is the URL a gateway's?")
			w.edit("in_doubt: hold", "in_doubt: reconcile")
			s, r = w.run("send")
			assert.Equal(t, exitFailed, r.code, "where nothing can be asked nothing is sent")
			assert.Contains(t, s.Message, "the server answered HTML, not JSON: is the URL a gateway's?")
			assert.Zero(t, w.api.Requests().Count("Messages_SendMessage", -1))
			w.edit("in_doubt: reconcile", "in_doubt: hold")
			s, r = w.run("send")
			assert.Equal(t, exitIncomplete, r.code)
			assert.EqualValues(t, 3, s.InDoubt, "it may have happened, and is not repeated")
			assert.Equal(t, 3, w.api.Requests().Count("Messages_SendMessage", -1))
			r = w.batch("results", "--format", "csv", "send")
			assert.Equal(t, 3, strings.Count(r.stdout, "the server answered HTML, not JSON"), r.stdout)
		})
	}
}

func TestAServerThatIsNotThereIsSaidSoon(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickRetry, sendJob+archiveJob)
	w.recipients("recipients.csv", 3)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	w.edit(w.api.URL(), "http://"+free.Addr().String())
	began := time.Now()
	const words = "no access token: the token endpoint can not be reached: dial tcp "
	s, r := w.run("send")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, s.Message, words)
	assert.Contains(t, s.Message, "connection refused, after 2 attempts")
	assert.Zero(t, s.settled(), "every row is pending")
	s, r = w.run("archive")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, s.Message, words)
	assert.Less(t, time.Since(began), 20*time.Second)

	w.edit("http://"+free.Addr().String(), w.api.URL())
	s, r = w.run("send")
	require.Zero(t, r.code, r.stdout)
	assert.EqualValues(t, 3, s.Done)
	w.assertAcceptedOnce(3)
}
