package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

var optoutBatchJob = strings.Replace(optoutJob, "  via: VIA\n", "  mode: batch\n", 1)

const insertConsents = "Batch_InsertConsents"

// assertSame compares texts in any order.
func assertSame(t *testing.T, want, got []string, words ...any) {
	t.Helper()
	assert.Equal(t, slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got)), words...)
}

// A thousand changes are one call, wherever on the list they are.
func TestASyncInBatchesMakesACallForAThousandChanges(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "limits: {requests: unlimited}", optoutBatchJob+sendJob)
	w.optouts(people(0, 3000)...)
	assert.EqualValues(t, 3000, w.asPlanned("optouts").Done)
	assert.Equal(t, 3, w.api.Requests().Count(insertConsents, 200))

	var out []int // 15 among those who are out already and 50 behind them, and 20 of these are gone
	for i := range 3050 {
		if i%150 != 1 {
			out = append(out, i)
		}
		if i%201 == 200 {
			out = append(out, 20_000+i)
		}
	}
	w.optouts(out...)
	s := w.asPlanned("optouts")
	assert.EqualValues(t, 4, w.api.Requests().Count(insertConsents, 200), "a single call more")
	was := people(0, 3000)
	var added []int
	for _, i := range out {
		if _, found := slices.BinarySearch(was, i); !found {
			added = append(added, i)
		}
	}
	assert.EqualValues(t, len(added), s.Done)
	now := numbersOf(append(was, added...))
	assertSame(t, now, w.api.OptedOut(emulator.OptOutAll))
	for _, source := range []string{"job:optouts", "api"} {
		rows := w.queryHere("select identity from consents where state = 'out' and source = '" + source + "'")
		assertSame(t, now, column(rows, "identity"), source)
	}
	assert.Zero(t, w.asPlanned("optouts").Done)
	assert.EqualValues(t, 4, w.api.Requests().Count(insertConsents, -1))

	w.recipients("recipients.csv", 3040)
	assert.EqualValues(t, 40-len(slices.DeleteFunc(added, func(i int) bool { return i >= 3040 })), w.asPlanned("send").Done)
}

// Killed at any moment, a sync goes on where it was: in the end everybody is out,
// it knows that, and makes no call more.
func TestASyncInBatchesSurvivesKills(t *testing.T) {
	t.Parallel()
	slow := emulator.Duration(500 * time.Millisecond)
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: insertConsents, Kind: emulator.FaultDelayAfter, Every: 2, Delay: slow},
		{Operation: insertConsents, Kind: emulator.FaultDelay, Delay: slow},
	}}, "limits: {in_flight: 2, requests: unlimited}", optoutBatchJob)
	w.optouts(people(0, 500)...)
	s, r := w.runHere("optouts")
	require.Zero(t, r.code, r.stderr)
	require.EqualValues(t, 500, s.Done)
	w.optouts(people(200, 12_000)...)
	w.killing("optouts", 6, uint64(time.Now().UnixNano()), 900*time.Millisecond)
	s, r = w.runHere("optouts")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, 12_000, s.Rows, "the list, and 200 who left it")
	out := numbersOf(people(0, 12_000))
	assertSame(t, out, w.api.OptedOut(emulator.OptOutAll))
	for _, source := range []string{"job:optouts", "api"} {
		rows := w.queryHere("select identity from consents where state = 'out' and source = '" + source + "'")
		assertSame(t, out, column(rows, "identity"), source)
	}
	calls := w.api.Requests().Count(insertConsents, -1)
	s, r = w.runHere("optouts")
	require.Zero(t, r.code, r.stderr)
	assert.Zero(t, s.Done, "nothing is left to do")
	assert.Equal(t, calls, w.api.Requests().Count(insertConsents, -1))
}

// What the API will do later is asked for again. What it turns down fails for all
// rows of the call, which ends the run where a row's answer would be the app's;
// the rest goes on, and a retry asks for what failed, with a call for all.
func TestASyncInBatchesTriesAgain(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Faults: append(kindFaults(insertConsents), emulator.Fault{Operation: insertConsents, Kind: "404", First: 1})},
		"limits: {in_flight: 1}\nretry: {attempts: 30, first: 2ms, max: 10ms}", optoutBatchJob)
	w.optouts(people(0, 1500)...)
	s, r := w.runHere("optouts")
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, []int64{1000, 0}, []int64{s.Failed, s.Done})
	assert.Contains(t, s.Message, "were answered 404")
	for _, status := range []int{429, 503, 500, 0} {
		assert.Positive(t, w.api.Requests().Count(insertConsents, status), "a call was to be answered %d", status)
	}
	s, r = w.runHere("optouts")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, []any{true, int64(1000), int64(500)}, []any{s.Resumed, s.Failed, s.Done})
	calls := w.api.Requests().Count(insertConsents, -1)
	r = w.here("retry", "--json", "optouts")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, 1000, r.summary(t).Done)
	assert.Equal(t, calls+1, w.api.Requests().Count(insertConsents, -1))
	assertSame(t, numbersOf(people(0, 1500)), w.api.OptedOut(emulator.OptOutAll))
}

// refusing refuses every call of the Batch API that has one of some identities;
// where it names them, it names as many as most.
func (w *workbench) refusing(most int, bad ...string) {
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var wrong []string
		for i, record := range gjson.GetBytes(body, "consent_records").Array() {
			if slices.Contains(bad, record.Get("identification").String()) {
				wrong = append(wrong, fmt.Sprintf(`{"field":"consent_records[%d].identification","description":"is not valid"}`, i))
			}
		}
		if wrong == nil {
			return api.RoundTrip(r)
		}
		said := strings.Join(wrong[:min(most, len(wrong))], ",")
		return badRequest(`{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"no","details":[{"field_violations":[` + said + `]}]}}`), nil
	})
}

// A row that the API names fails alone, with what was said of it; the others
// are called again without it.
func TestARowThatTheAPINamesKeepsNoOtherBack(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 3} {
		w := newWorkbench(t, emulator.Options{}, "", optoutBatchJob)
		bad := numbersOf([]int{0, 7, 29})
		w.refusing(most, bad...)
		w.optouts(people(0, 30)...)
		s, r := w.runHere("optouts")
		require.Equal(t, exitIncomplete, r.code, r.stderr)
		assert.Equal(t, []int64{27, 3}, []int64{s.Done, s.Failed})
		assertSame(t, numbersOf(slices.DeleteFunc(people(0, 30), func(i int) bool { return i == 0 || i == 7 || i == 29 })),
			w.api.OptedOut(emulator.OptOutAll))
		assert.Equal(t, 1, w.api.Requests().Count(insertConsents, -1))
		failed := w.queryHere("select key, error, error_code, http_status from results where state = 'failed' order by key")
		assert.Equal(t, []string{"c0", "c29", "c7"}, column(failed, "key"))
		for _, row := range failed {
			assert.Equal(t, "INVALID_ARGUMENT", row["error_code"])
			assert.Equal(t, 1, strings.Count(fmt.Sprint(row["error"]), "is not valid"), row["error"])
		}
		// Those that failed are what the next run asks for, and they fail again.
		s, _ = w.runHere("optouts")
		assert.Equal(t, []int64{27, 3}, []int64{s.Skipped, s.Failed})
	}
}

// A refusal that names no row is that of all rows of the call, and of no other.
func TestARefusalThatNamesNoRowIsThatOfAllItsRows(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", optoutBatchJob)
	w.refusing(0, numbersOf([]int{1001})...)
	w.optouts(people(0, 1010)...)
	s, r := w.runHere("optouts")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.Equal(t, []int64{1000, 10}, []int64{s.Done, s.Failed})
	assertSame(t, numbersOf(people(0, 1000)), w.api.OptedOut(emulator.OptOutAll))
}

// Without consent lists nothing is begun.
func TestASyncInBatchesNeedsConsentLists(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Profile: emulator.ProfileOld}, "",
		optoutBatchJob+strings.Replace(strings.Replace(optoutJob, "optouts:", "marketing:", 1), "via: VIA", "list: OPT_OUT_MARKETING", 1))
	w.optouts(1)
	for _, job := range []string{"optouts", "marketing"} {
		r := w.here("run", job)
		assert.Equal(t, exitFailed, r.code)
		assert.Contains(t, r.stdout, "the server shows no consent lists")
	}
	assert.Empty(t, w.api.Accepted())
}
