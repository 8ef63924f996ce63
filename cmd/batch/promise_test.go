package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

func TestTheSameSendAgainSendsNothingAndAppendedRowsAlone(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 500)
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 500, s.Done)

	s, r = w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 500, s.Skipped)
	assert.EqualValues(t, 0, s.Done)
	assert.Equal(t, 500, w.api.AcceptedCount())
	plain := w.batch("run", "send")
	assert.Contains(t, plain.stdout, "nothing was sent: every key was done in an earlier run")

	w.recipients("recipients.csv", 600)
	s, r = w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 500, s.Skipped)
	assert.EqualValues(t, 100, s.Done)
	assert.Equal(t, 600, w.api.AcceptedCount())
	for _, a := range w.api.Accepted()[500:] {
		assert.GreaterOrEqual(t, "+"+a.Identity, number(500), "only appended rows are sent")
	}
}

func TestWhateverANameHoldsItArrivesExactly(t *testing.T) {
	t.Parallel()
	names := []string{
		`plain`, `"quoted"`, "two\nlines", "dos\r\nlines", `{braces}`, `{{.phone}}`, `{{`, `}}`, `${HOME}`, `$$`, `$`,
		`back\slash`, "tab\there", "emoji 🌷👩‍👩‍👧", `<b>&amp;</b>`, "'; DROP TABLE runs; --", "\u2028line sep", "nul-free é ß ﬁ", " padded ", "a,b;c",
	}
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	f, err := os.Create(filepath.Join(w.dir, "recipients.csv"))
	require.NoError(t, err)
	var text strings.Builder
	text.WriteString("phone,name\n")
	for i, name := range names {
		fmt.Fprintf(&text, "%s,\"%s\"\n", number(i), strings.ReplaceAll(name, `"`, `""`))
	}
	_, err = f.WriteString(text.String())
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s, r := w.run("send")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, len(names), s.Done)
	got := map[string]string{}
	for _, a := range w.api.Accepted() {
		got["+"+a.Identity] = a.Text
		assert.Contains(t, a.Body, `"+4670`, "the number keeps its plus")
	}
	for i, name := range names {
		assert.Equal(t, "Hi "+name, got[number(i)])
	}

	out := w.batch("results", "--format", "csv", "send")
	require.Zero(t, out.code, out.stderr)
	rows, err := csv.NewReader(strings.NewReader(strings.ReplaceAll(out.stdout, "\r\n", "\n"))).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, []string{"phone", "name", "_state", "_error"}, rows[0])
	assert.Len(t, rows, len(names)+1)
}

func TestASecondArchiveBringsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]emulator.Options{
		"windows":                  {Messages: 3000, Conversations: 50},
		"windows, ends inside":     {Messages: 3000, Conversations: 50, BoundsInclusive: true},
		"conversations":            {Messages: 3000, Conversations: 50, Profile: emulator.ProfileOld},
		"dispatch":                 {Messages: 3000, Mode: emulator.ModeDispatch, DispatchRetentionDays: 7},
		"dispatch on older server": {Messages: 3000, Mode: emulator.ModeDispatch, DispatchRetentionDays: 7, Profile: emulator.ProfileOld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, o, "", archiveJob)
			s, r := w.run("archive")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			require.NotZero(t, s.Records)
			assertArchived(t, w)

			w.api.AddMessages(40, time.Now().Add(-10*time.Second))
			w.api.AddMessages(7, time.Now().Add(-20*time.Minute)) // appeared late
			s, r = w.run("archive")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, 47, s.Records, "a second run brings what is new and what appeared late")
			assertArchived(t, w)

			s, r = w.run("archive")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.Zero(t, s.Records)
		})
	}
}

func TestManyMessagesOfOneInstantAreArchivedOnce(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Messages: 200, Conversations: 3, Profile: profile}, "", archiveJob)
			at := time.Now().Add(-48 * time.Hour)
			w.api.AddMessages(7000, at)
			w.api.AddMessages(3000, at.Add(time.Nanosecond))
			w.api.AddMessages(6000, at.Add(time.Second))
			_, r := w.run("archive")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assertArchived(t, w)
		})
	}
}

func TestAnAppThatStoresNothingIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Mode: emulator.ModeDispatch}, "", archiveJob)
	s, r := w.run("archive")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, s.Message, "the app stores no messages")
	assert.Contains(t, s.Message, "dispatch_retention_policy")
}

func TestRetriedFaultsOfAnArchiveLeaveNoHole(t *testing.T) {
	t.Parallel()
	var faults []emulator.Fault
	for _, kind := range []string{"500", "503", emulator.FaultResetAfter, emulator.FaultTruncate, emulator.FaultGarbage, emulator.FaultHTML, emulator.FaultEmpty, "401_expired"} {
		faults = append(faults, emulator.Fault{Operation: "Messages_ListMessages", Kind: kind, Rate: 0.03})
	}
	faults = append(faults, emulator.Fault{Operation: "*", Kind: "429", Every: 20, RetryAfter: "0"})
	w := newWorkbench(t, emulator.Options{Messages: 20_000, Conversations: 50, Faults: faults}, "retry: {attempts: 8, first: 5ms, max: 50ms}", archiveJob)
	_, r := w.run("archive")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assertArchived(t, w)
}

func TestALostAnswerThatIsHeldLeavesTheRowInDoubtAndItIsNotRepeated(t *testing.T) {
	t.Parallel()
	faults := []emulator.Fault{
		{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, Every: 50},
		{Operation: "Messages_SendMessage", Kind: "500", Every: 60, Accepted: true},
		{Operation: "Messages_SendMessage", Kind: emulator.FaultTruncate, Every: 70},
		{Operation: "Messages_SendMessage", Kind: "503", Every: 11},                  // not processed: tried again
		{Operation: "Messages_SendMessage", Kind: "429", Every: 13, RetryAfter: "0"}, // not processed: tried again
		{Operation: "Messages_SendMessage", Kind: emulator.FaultExpired, Every: 97},  // a new token, then again
	}
	w := newWorkbench(t, emulator.Options{Faults: faults}, "retry: {attempts: 8, first: 5ms, max: 20ms}", holdJob)
	w.recipients("recipients.csv", 2000)
	s, r := w.run("send")
	assert.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 2000, s.Done+s.InDoubt)
	assert.NotZero(t, s.InDoubt)
	seen := map[string]bool{}
	for _, a := range w.api.Accepted() {
		assert.False(t, seen[a.Identity], "%s twice", a.Identity)
		seen[a.Identity] = true
	}
	assert.GreaterOrEqual(t, len(seen), int(s.Done))

	// In doubt is for ever, until somebody decides: a further run does not send it.
	accepted := w.api.AcceptedCount()
	again, r := w.run("send")
	assert.Equal(t, exitIncomplete, r.code)
	assert.Equal(t, s.InDoubt, again.InDoubt)
	assert.Equal(t, s.Done, again.Skipped)
	assert.Equal(t, accepted, w.api.AcceptedCount())
}
