package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/sinks"
	"convbatch/sources"
)

// archiving is an archive in many small files, and what made it.
func archiving(t *testing.T) *workbench {
	t.Helper()
	w := newWorkbench(t, emulator.Options{Messages: 400, Contacts: 50, Conversations: 40}, "", `
first: {kind: message_archive, app: APP, since: 30d, settle: 1ms}
send:
  kind: bulk_send
  app: APP
  from: {csv: recipients.csv}
  key: phone
  request:
    recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
    message: {text_message: {text: "Hi {{.name}}"}}
`)
	for n := range 4 {
		w.recipients("recipients.csv", 10*n+10)
		for _, job := range []string{"send", "first"} { // which reads a part again that it knows
			_, r := w.run(job)
			require.Zero(t, r.code, r.stderr)
		}
	}
	return w
}

func TestCompactMergesWhatRunsHaveLeft(t *testing.T) {
	t.Parallel()
	w := archiving(t)
	compact := func(args ...string) (c sinks.Compaction) {
		t.Helper()
		r := w.batch(append([]string{"compact", "--json"}, args...)...)
		require.Zero(t, r.code, r.stderr)
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &c))
		return c
	}
	assert.Equal(t, exitUsage, w.batch("compact", "contacts").code, "there are none yet")
	assert.Equal(t, exitUsage, w.batch("compact").code)
	const everything = "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(hash(id, body, date, run_id))::VARCHAR AS sum FROM messages"
	before := w.query(everything)
	planned := compact("--dry-run", "messages")
	assert.Positive(t, planned.Folders)
	done := compact("messages")
	assert.Equal(t, planned.FilesAfter, done.FilesAfter)
	assert.Less(t, done.FilesAfter, done.FilesBefore)
	assert.Equal(t, before, w.query(everything))
	r := w.batch("compact", "messages")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stdout, "messages: nothing to merge in ")

	_, r = w.run("first")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, before, w.query(everything), "the next run knows the messages that lie elsewhere now")
	w.write("jobs.yaml", "") // with --store no job file is needed
	assert.Zero(t, w.batch("compact", "--store", "store", "messages").code)
}

// An input that is a dataset is read whole, whoever merges its files meanwhile.
func TestAnInputWhoseFilesAreMergedIsReadWhole(t *testing.T) {
	t.Parallel()
	w := archiving(t)
	store, err := sinks.OpenStore(filepath.Join(w.dir, "store"))
	require.NoError(t, err)
	views := store.ViewsFor("messages", datasets())
	stale, err := views()
	require.NoError(t, err)
	c, err := store.Compact(t.Context(), messages(), false)
	require.NoError(t, err)
	require.Positive(t, c.Folders)
	listed := 0
	o := takeDownOptions{store: store, job: "copy", into: t.TempDir()}
	rows, err := o.openInput(t.Context(), sources.Spec{Dataset: "messages"}, func() ([]string, error) {
		if listed++; listed == 1 {
			return stale, nil
		}
		return views()
	})
	require.NoError(t, err)
	n := 0
	for ; err == nil; n++ {
		_, err = rows.Next()
	}
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, rows.Close())
	assert.Equal(t, 2, listed)
	assert.EqualValues(t, n-1, w.query("SELECT count(*) AS n FROM messages")[0]["n"])
}
