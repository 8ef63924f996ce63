package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

// notedJob sends batches of 100. refuseNoted names rows that have a note.
var notedJob = strings.Replace(batchJob, "    message:", `    message_metadata: {note: "{{.note}}"}
    message:`, 1) + "  batch_size: 100\n"

// refuseNoted is the API, which refuses a batch for its first row that has a note.
func refuseNoted(r *http.Request, api http.RoundTripper) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for i, to := range gjson.GetBytes(body, "recipient_and_params").Array() {
		if to.Get("message_metadata.note").Str == "" {
			continue
		}
		said := fmt.Sprintf(`{"code":400,"message":"Malformed request","status":"INVALID_REQUEST","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest",
			"field_violations":[{"field":"recipient_and_params[%d].recipient","description":"is not for notes"}]}]}`, i)
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(said))}, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return api.RoundTrip(r)
}

// noting writes n recipients, of whom some have a note.
func (w *workbench) noting(n int, noted ...int) {
	notes := make([]string, n)
	for _, i := range noted {
		notes[i] = "vip"
	}
	var b strings.Builder
	b.WriteString("phone,name,note\n")
	for i, note := range notes {
		fmt.Fprintf(&b, "%s,Guest %d,%s\n", number(i), i, note)
	}
	w.write("recipients.csv", b.String())
}

// errorsOf are the words of the rows of the last run that are in a state, by key.
func (w *workbench) errorsOf(state string) map[string]string {
	w.t.Helper()
	words := map[string]string{}
	for _, row := range w.query("select key, error from results where job = 'send' and state = '" + state + "' qualify run_id = max(run_id) over ()") {
		words[row["key"].(string)] = row["error"].(string)
	}
	return words
}

func TestARowThatTheAPIRefusesByNameFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", notedJob)
	calls := w.batching(0, false, nil)
	w.noting(250, 17, 18, 120)
	s, r := w.run("send")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.EqualValues(t, 247, s.Done)
	assert.EqualValues(t, 3, s.Failed)
	assertBatchesSettled(t, w, 250)
	assert.EqualValues(t, 6, calls.Load(), "two groups are called again without the row that is named")
	failed := w.errorsOf("failed")
	for i, place := range map[int]string{17: "[17]", 18: "[17]", 120: "[20]"} {
		assert.Contains(t, failed[number(i)], "400 INVALID_REQUEST")
		assert.Contains(t, failed[number(i)], "recipient_and_params"+place+".recipient: is not for notes")
	}
}

// A server that names one row a call is not asked without end.
func TestAGroupOfManyRefusedRowsIsGivenUp(t *testing.T) {
	t.Parallel()
	var noted []int
	for i := range 50 {
		noted = append(noted, i)
	}
	w := newWorkbench(t, emulator.Options{}, "", notedJob)
	calls := w.batching(0, false, nil)
	w.noting(100, noted...)
	s, r := w.run("send")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.EqualValues(t, 100, s.Failed)
	assert.EqualValues(t, 21, calls.Load())
	assert.Contains(t, w.errorsOf("failed")[number(99)], "with batch_size: 1, `batch retry` shows which row is at fault")
	assertBatchesSettled(t, w, 100)
}

// Where the answer names nobody all rows fail, and do what they say helps.
func TestABatchThatIsRefusedWithoutANameFailsWhole(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 20}, "", strings.Replace(batchJob,
		`{identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}`, `{contact_id: "{{.phone}}"}`, 1))
	var b strings.Builder
	b.WriteString("phone,name\n01GONE,x\n")
	for _, c := range onServer(t, w.api) {
		fmt.Fprintf(&b, "%s,y\n", c.Get("id").Str)
	}
	w.write("recipients.csv", b.String())
	s, r := w.run("send")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.EqualValues(t, 21, s.Failed)
	assert.Contains(t, w.errorsOf("failed")["01GONE"], "404 NOT_FOUND: contact not found; the call was refused as a whole: with batch_size: 1, `batch retry` shows which")
	assert.Zero(t, w.api.AcceptedCount())

	w.edit("reconcile_after: 1s", "reconcile_after: 1s\n    batch_size: 1")
	r = w.batch("retry", "--json", "send")
	s = r.summary(t)
	assert.EqualValues(t, 20, s.Done, r.stderr)
	assert.Len(t, w.errorsOf("failed"), 1)
	assert.Equal(t, 20, w.api.AcceptedCount())
}

// batching puts refuseNoted before the emulator, and breaks off the nth batch,
// which arrives or does not: then it calls reached, and nobody gets an answer
// before the caller is gone. It returns how many batches there were.
func (w *workbench) batching(n int64, arrives bool, reached func()) *atomic.Int64 {
	calls := new(atomic.Int64)
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		if r.Method != http.MethodPost || !strings.Contains(r.URL.Path, "/batch/") {
			return api.RoundTrip(r)
		}
		if calls.Add(1) != n {
			return refuseNoted(r, api)
		}
		if arrives {
			resp, err := refuseNoted(r, api)
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
		}
		_, _ = io.Copy(io.Discard, r.Body) // until then nobody notices that the caller is gone
		reached()
		<-r.Context().Done()
		return nil, errors.New("nobody waits for the answer")
	})
	return calls
}

// cutOff runs a job and kills it at its nth batch, which arrives or does not.
func (w *workbench) cutOff(n int64, arrives bool) {
	w.t.Helper()
	reached := make(chan struct{})
	w.batching(n, arrives, func() { close(reached) })
	p := w.start("run", "--json", "send")
	select {
	case <-reached:
	case <-time.After(30 * time.Second):
		require.Fail(w.t, "the batch was not sent", "%s%s", &p.out, &p.errors)
	}
	require.NoError(w.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
}

// A group whose rows change between a call and the look for it is found as it
// was sent. Row 5 opts out when the process has died; row 17 is refused.
func TestABatchIsFoundAsItWasSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused []int
		call    int64 // the first that the API does not refuse
	}{"whole": {nil, 1}, "without the row that was refused": {[]int{17}, 2}} {
		for _, arrives := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, arrives: %t", name, arrives), func(t *testing.T) {
				t.Parallel()
				w := newWorkbench(t, emulator.Options{Latency: 20 * time.Millisecond}, "limits: {in_flight: 1}", consentsJob+notedJob)
				w.edit("reconcile_after: 1s", "reconcile_after: 100ms")
				w.noting(500, c.refused...)
				w.cutOff(c.call, arrives)
				w.api.OptOut(emulator.OptOutAll, number(5))
				_, r := w.run("consents")
				require.Zero(t, r.code, r.stderr)

				s, r := w.run("send")
				assert.True(t, s.Resumed)
				assert.Zero(t, s.InDoubt, r.stderr)
				assert.EqualValues(t, len(c.refused), s.Failed)
				assertBatchesSettled(t, w, 500)
				words := "went out without it, since the API had refused it or it was suppressed then"
				if arrives {
					assert.Zero(t, s.Suppressed)
					assert.Equal(t, 1, sentTo(w)[number(5)], "who opted out when it was sent is done")
				} else {
					assert.EqualValues(t, 1, s.Suppressed)
					assert.Zero(t, sentTo(w)[number(5)])
					words = "is not for notes"
				}
				for _, i := range c.refused {
					assert.Contains(t, w.errorsOf("failed")[number(i)], words)
				}
			})
		}
	}
}
