package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

const sendJob = `
send:
  kind: bulk_send
  app: APP
  from: {csv: recipients.csv}
  key: phone
  request:
    recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
    message: {text_message: {text: "Hi {{.name}}"}}
`

// holdJob leaves rows in doubt to a person.
const holdJob = sendJob + "  in_doubt: hold\n"

// Promise 1 and 2, for sends: whatever the moments of death, no message is
// accepted twice, every row ends in one state, and done means accepted.
func TestFiftyKillsOfASendLoseNothingAndRepeatNothing(t *testing.T) {
	t.Parallel()
	const rows = 22_000 // nearly twice what is moved out of the ledger at a time
	w := newWorkbench(t, emulator.Options{Latency: 5 * time.Millisecond}, "limits: {requests: 750/s, in_flight: 32}", sendJob)
	w.recipients("recipients.csv", rows)
	w.killing("send", 50, uint64(time.Now().UnixNano()), 900*time.Millisecond)

	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, r.stderr)
	assert.Equal(t, "completed", s.State)
	assert.EqualValues(t, rows, s.Rows)
	assert.EqualValues(t, rows, s.settled(), "every row is in exactly one state")
	assert.EqualValues(t, rows, s.Done+s.InDoubt)

	accepted := map[string]string{}
	for _, a := range w.api.Accepted() {
		if _, twice := accepted["+"+a.Identity]; twice {
			t.Errorf("%s was sent twice", a.Identity)
		}
		accepted["+"+a.Identity] = a.MessageID
	}
	seen := map[string]bool{}
	for _, row := range w.query("select key, state, ref from results where job = 'send'") {
		key := row["key"].(string)
		require.False(t, seen[key], "row %s is twice in results", key)
		seen[key] = true
		switch row["state"] {
		case "done":
			assert.Equal(t, accepted[key], row["ref"], "the id that the API gave to %s", key)
		case "in_doubt":
			delete(accepted, key)
			continue
		default:
			t.Errorf("%s is %s", key, row["state"])
		}
		delete(accepted, key)
	}
	assert.Len(t, seen, rows)
	assert.Empty(t, accepted, "accepted and in no result")
	t.Logf("done %d, in doubt %d", s.Done, s.InDoubt)
}

const archiveJob = `
archive:
  kind: message_archive
  app: APP
  since: 60d
  settle: 1s
`

func TestFiftyKillsOfAnArchiveLoseNothingAndRepeatNothing(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			o := emulator.Options{Messages: 30_000, Conversations: 600, Contacts: 600, Latency: 10 * time.Millisecond, Profile: profile}
			requests, kills := "30/s", 50
			if profile == emulator.ProfileOld {
				o.Messages, requests, kills = 10_000, "200/s", 25
			}
			w := newWorkbench(t, o, "limits: {requests: "+requests+", in_flight: 16}", archiveJob)
			w.killing("archive", kills, uint64(time.Now().UnixNano()), 900*time.Millisecond)
			s, r := w.run("archive")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.Equal(t, "completed", s.State)
			assert.EqualValues(t, s.Rows, s.settled())
			assertArchived(t, w)
		})
	}
}

// assertArchived compares the archive with the server: each message once, its
// body byte for byte.
func assertArchived(t *testing.T, w *workbench) {
	t.Helper()
	want := map[string]string{}
	for m := range w.api.Messages() {
		want[m.ID] = fmt.Sprintf("%x", sha256.Sum256(m.Body))
	}
	rows := w.query("select id, sha256(body) as body, count(*) as n from messages group by all")
	for _, row := range rows {
		id := row["id"].(string)
		require.EqualValues(t, 1, row["n"], "message %s", id)
		require.Equal(t, want[id], strings.ToLower(row["body"].(string)), "body of message %s", id)
		delete(want, id)
	}
	assert.Empty(t, want, "not archived")
	assert.NotEmpty(t, rows)
}
