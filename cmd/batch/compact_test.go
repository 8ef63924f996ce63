package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/sinks"
)

func TestCompactMergesWhatRunsHaveLeft(t *testing.T) {
	t.Parallel()
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
	compact := func(args ...string) (c sinks.Compaction) {
		t.Helper()
		r := w.batch(append([]string{"compact", "--json"}, args...)...)
		require.Zero(t, r.code, r.stderr)
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &c))
		return c
	}
	assert.Equal(t, exitUsage, w.batch("compact", "messages").code, "there are none yet")
	assert.Equal(t, exitUsage, w.batch("compact").code)
	for n := range 4 {
		w.recipients("recipients.csv", 10*n+10)
		for _, job := range []string{"send", "first"} { // which reads a part again that it knows
			_, r := w.run(job)
			require.Zero(t, r.code, r.stderr)
		}
	}
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
