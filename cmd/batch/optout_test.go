package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

const optoutJob = `
optouts:
  kind: optout_sync
  app: APP
  from: {csv: optouts.csv}
  key: id
  channel: SMS
  identity: "{{.phone}}"
  via: VIA
`

// optouts writes a list of people.
func (w *workbench) optouts(people ...int) {
	var b strings.Builder
	b.WriteString("id,phone\n")
	for _, i := range people {
		fmt.Fprintf(&b, "c%d,%s\n", i, number(i))
	}
	w.write("optouts.csv", b.String())
}

func people(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func numbersOf(people []int) (all []string) {
	for _, i := range people {
		all = append(all, number(i)[1:])
	}
	return all
}

// calls counts what the API did since n calls ago, by operation.
func (w *workbench) calls(n int) map[string]int {
	calls := map[string]int{}
	for _, a := range w.api.Accepted()[n:] {
		calls[a.Operation]++
	}
	return calls
}

// asPlanned runs a job, after a plan that must have foreseen it.
func (w *workbench) asPlanned(job string) summary {
	w.t.Helper()
	made := w.here("plan", "--json", job).plan(w.t)
	s, r := w.runHere(job)
	require.Zero(w.t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(w.t, []int64{made.Rows, made.Send, made.Invalid, made.Suppressed, made.Skipped},
		[]int64{s.Rows, s.Done, s.Invalid, s.Suppressed, s.Skipped}, "the plan")
	return s
}

func column(rows []map[string]any, name string) (texts []string) {
	for _, row := range rows {
		texts = append(texts, fmt.Sprint(row[name]))
	}
	return texts
}

// A sync makes as many calls as there are changes, and the next send leaves out
// exactly those who are out.
func TestASyncOfOptOutsRegistersWhatChanged(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileOld, emulator.ProfileNew} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Profile: profile}, "limits: {in_flight: 32, requests: unlimited}",
				strings.Replace(optoutJob, "VIA", "register", 1)+sendJob)
			w.optouts(people(0, 2000)...)
			s := w.asPlanned("optouts")
			assert.EqualValues(t, 2000, s.Done)
			assert.Equal(t, map[string]int{"OptIn_RegisterOptOut": 2000}, w.calls(0))

			out := people(20, 2050)
			slices.Reverse(out) // what counts is who is on it
			w.optouts(out...)
			before := w.api.AcceptedCount()
			s = w.asPlanned("optouts")
			assert.EqualValues(t, 2050, s.Rows)
			assert.EqualValues(t, 70, s.Done)
			assert.EqualValues(t, 1980, s.Skipped)
			assert.Equal(t, map[string]int{"OptIn_RegisterOptOut": 50, "OptIn_RegisterOptIn": 20}, w.calls(before))
			assertSame(t, numbersOf(out), w.api.OptedOut(emulator.OptOutAll))

			w.recipients("recipients.csv", 2100)
			before = w.api.AcceptedCount()
			s = w.asPlanned("send")
			assert.EqualValues(t, 70, s.Done)
			assert.EqualValues(t, 2030, s.Suppressed)
			var to []string
			for _, a := range w.api.Accepted()[before:] {
				to = append(to, a.Identity)
			}
			assertSame(t, numbersOf(append(people(0, 20), people(2050, 2100)...)), to)
			reasons := w.query("select distinct error from results where job = 'send' and state = 'suppressed'")
			assert.Equal(t, []string{"the SMS identity is on OPT_OUT_ALL"}, column(reasons, "error"))
		})
	}
}

// A run that was killed goes on with what it took down, and what it did stands.
func TestASyncOfOptOutsSurvivesKills(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Latency: 2 * time.Millisecond}, "limits: {in_flight: 16, requests: 1000/s}",
		strings.Replace(optoutJob, "VIA", "register", 1))
	w.optouts(people(0, 500)...)
	s, r := w.run("optouts")
	require.Zero(t, r.code, r.stderr)
	require.EqualValues(t, 500, s.Done)
	w.optouts(people(200, 5000)...)
	w.killing("optouts", 4, uint64(time.Now().UnixNano()), 1500*time.Millisecond)
	_, r = w.run("optouts")
	require.Zero(t, r.code, r.stderr)
	out := numbersOf(people(200, 5000))
	assertSame(t, out, w.api.OptedOut(emulator.OptOutAll))
	for _, source := range []string{"job:optouts", "api"} {
		rows := w.query("select identity from consents where state = 'out' and source = '" + source + "'")
		assertSame(t, out, column(rows, "identity"), source)
	}
	s, r = w.run("optouts")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, len(out), s.Skipped, "nothing is left to do")
}

// A list that lost its rows, or whose numbers are spelt in another way, opts
// nobody in again; and neither does a part of a run.
func TestAListThatLostItsRowsOptsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", strings.Replace(optoutJob, "VIA", "register", 1))
	w.optouts(people(0, 10)...)
	w.asPlanned("optouts")
	for _, list := range []string{"id,phone\n", "id,phone\na,0700000001\nb,0700000002\n", "id,phone\na," + number(0) + "\n"} {
		w.write("optouts.csv", list)
		for _, command := range []string{"plan", "run"} {
			r := w.batch(command, "optouts")
			assert.Equal(t, exitUsage, r.code)
			assert.Contains(t, r.stdout+r.stderr, "most_removed (50%), and they would be opted in again: is the list whole?")
		}
	}
	w.optouts(people(0, 8)...)
	for _, flag := range []string{"--only=c3", "--limit=1"} { // the second leaves one of two for the next run
		r := w.batch("run", flag, "optouts")
		require.Zero(t, r.code, r.stderr)
	}
	assert.Len(t, w.api.OptedOut(emulator.OptOutAll), 9)
	assert.Equal(t, map[string]int64{"opt in again: left the list": 1}, w.here("plan", "--json", "optouts").plan(t).Actions)
	assert.EqualValues(t, 1, w.asPlanned("optouts").Done)
	assertSame(t, numbersOf(people(0, 8)), w.api.OptedOut(emulator.OptOutAll))
}

// Two lists of one channel: who is on either is out.
func TestWhoIsOnAnotherListStaysOut(t *testing.T) {
	t.Parallel()
	job := strings.Replace(optoutJob, "VIA", "register", 1)
	w := newWorkbench(t, emulator.Options{}, "", job+strings.NewReplacer("optouts:", "legal:", "optouts.csv", "legal.csv").Replace(job))
	w.optouts(1, 2)
	w.write("legal.csv", "id,phone\na,"+number(2)+"\nb,"+number(3)+"\n")
	w.asPlanned("optouts")
	w.asPlanned("legal")
	w.optouts(1)
	s := w.asPlanned("optouts")
	assert.Equal(t, []int64{0, 2}, []int64{s.Done, s.Skipped})
	assertSame(t, numbersOf(people(1, 4)), w.api.OptedOut(emulator.OptOutAll))
	w.write("legal.csv", "id,phone\nb,"+number(3)+"\n")
	assert.EqualValues(t, 1, w.asPlanned("legal").Done, "the last list that had it")
	assertSame(t, numbersOf([]int{1, 3}), w.api.OptedOut(emulator.OptOutAll))
}

// A process that died had opted in who is back on the list when its run is given
// up: what the store has of them is older.
func TestWhoMayHaveBeenOptedInIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Latency: 5 * time.Millisecond}, "limits: {in_flight: 2}", strings.Replace(optoutJob, "VIA", "register", 1))
	w.optouts(people(0, 400)...)
	w.asPlanned("optouts")
	before := w.api.AcceptedCount()
	w.optouts(people(200, 400)...)
	p := w.start("run", "optouts")
	w.accepts(before + 20)
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // which says that it was killed
	w.optouts(people(0, 400)...)
	require.Less(t, len(w.api.OptedOut(emulator.OptOutAll)), 400)
	r := w.batch("run", "--restart", "optouts")
	require.Zero(t, r.code, r.stderr)
	assertSame(t, numbersOf(people(0, 400)), w.api.OptedOut(emulator.OptOutAll))
	assert.EqualValues(t, 400, w.asPlanned("optouts").Skipped, "once")
}

// Consent lists can be added to and nothing else.
func TestASyncByConsentListsKeepsWhoLeft(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{NoRegister: true}, "", strings.Replace(optoutJob, "  via: VIA\n", "  list: OPT_OUT_MARKETING\n", 1))
	w.optouts(people(0, 30)...)
	assert.EqualValues(t, 30, w.asPlanned("optouts").Done)
	w.optouts(people(10, 35)...)
	s := w.asPlanned("optouts")
	assert.EqualValues(t, 35, s.Rows)
	assert.EqualValues(t, 5, s.Done)
	assert.EqualValues(t, 30, s.Skipped)
	assert.Equal(t, map[string]int{"Batch_InsertConsents": 35}, w.calls(0))
	assertSame(t, numbersOf(people(0, 35)), w.api.OptedOut(emulator.OptOutMarketing))
	kept := w.query("select key from results where run_id = '" + s.RunID + "' and error like 'left the list, and is kept%' order by key")
	assert.Equal(t, "left:"+number(0)[1:], kept[0]["key"])
	assert.Len(t, kept, 10)
}

// Without via the way is the one that the server has.
func TestASyncFindsTheWayOfTheServer(t *testing.T) {
	t.Parallel()
	for profile, operation := range map[string]string{emulator.ProfileOld: "OptIn_RegisterOptOut", emulator.ProfileNew: "Batch_InsertConsents"} {
		w := newWorkbench(t, emulator.Options{Profile: profile}, "", strings.Replace(optoutJob, "  via: VIA\n", "", 1))
		w.optouts(1)
		assert.EqualValues(t, 1, w.asPlanned("optouts").Done)
		assert.Equal(t, map[string]int{operation: 1}, w.calls(0))
	}
}

// A server that only refuses to say which way it has is not taken for one
// without consent lists, where who left the list is opted in.
func TestASyncDoesNotGuessTheWay(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", strings.Replace(optoutJob, "  via: VIA\n", "", 1))
	w.optouts(1, 2)
	w.asPlanned("optouts")
	require.NoError(t, w.api.SetFaults([]emulator.Fault{{Operation: "Consents_GetConsents", Kind: "403"}}))
	w.optouts(1)
	before := w.api.AcceptedCount()
	s, r := w.run("optouts")
	assert.NotZero(t, r.code)
	assert.Contains(t, s.Message, "look whether the server has consent lists, which via in the job file would say: Consents_GetConsents: 403")
	assert.Equal(t, before, w.api.AcceptedCount())
}

// What failed is not registered: the next run tries it again, and so does a retry.
func TestAnOptOutThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Profile: emulator.ProfileOld, Faults: []emulator.Fault{
		{Operation: "OptIn_RegisterOptOut", Kind: "404", First: 2}, {Operation: "OptIn_RegisterOptIn", Kind: "404", First: 1},
	}}, "limits: {in_flight: 1}", strings.Replace(optoutJob, "VIA", "register", 1))
	w.optouts(people(0, 5)...)
	s, r := w.run("optouts")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.EqualValues(t, 2, s.Failed)
	assert.EqualValues(t, 2, w.asPlanned("optouts").Done, "the next run")
	w.optouts(people(1, 5)...)
	s, r = w.run("optouts")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.EqualValues(t, 1, s.Failed)
	again := w.batch("retry", "--json", "optouts")
	require.Zero(t, again.code, again.stderr)
	assert.EqualValues(t, 1, again.summary(t).Done)
	assertSame(t, numbersOf(people(1, 5)), w.api.OptedOut(emulator.OptOutAll))
	assert.Zero(t, w.asPlanned("optouts").Done)
}

// An identity counts once, whatever its key and however it is written; a row
// without one of use, or without a key of its own, stands for nobody.
func TestAnIdentityCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", strings.Replace(optoutJob, "VIA", "register", 1))
	w.write("optouts.csv", "id,phone\na,+46700000001\na,+46700000002\nb,+46700000002\nc,46700000001\nd,\ne,x\n,+46700000003\n")
	made := w.here("plan", "--json", "optouts").plan(t)
	s, r := w.run("optouts")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.Equal(t, []int64{7, 2, 4, 1}, []int64{s.Rows, s.Done, s.Invalid, s.Skipped})
	assert.Equal(t, []int64{7, 2, 4, 1}, []int64{made.Rows, made.Send, made.Invalid, made.Skipped})
	assert.ElementsMatch(t, []string{"46700000001", "46700000002"}, w.api.OptedOut(emulator.OptOutAll))
	assert.NotContains(t, fmt.Sprint(w.query("select error from results")), "4670")

	w.write("optouts.csv", "id,phone\nz,+46700000001\ny,+46 70 000 00 02\n") // moved to another key; no number
	s, r = w.run("optouts")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	assert.Equal(t, []int64{3, 0, 1, 2}, []int64{s.Rows, s.Done, s.Invalid, s.Skipped})
	assert.ElementsMatch(t, []string{"46700000001", "46700000002"}, w.api.OptedOut(emulator.OptOutAll), "who may be the one without a number")

	failed := w.batch("results", "--state", "invalid", "--format", "csv", "optouts")
	require.Zero(t, failed.code, failed.stderr)
	w.write("optouts.csv", failed.stdout)
	r = w.batch("run", "optouts")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.stderr+r.stdout, "the input has a column _identity, which this job adds")
}

// What the API's lists say suppresses as well, and ends when they end saying it.
func TestTheListsOfTheAPIAreImported(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", strings.Replace(optoutJob, "VIA", "register", 1)+sendJob+`
consents: {kind: consent_export, app: APP}
audits: {kind: consent_export, audit: true}
`)
	w.optouts(1)
	w.api.OptOut(emulator.OptOutAll, number(2)) // by STOP
	w.asPlanned("optouts")
	outs := func() []string {
		rows := w.query("select source || ' ' || identity || ' ' || channel || ' ' || list || ' ' || state as said from consents order by all")
		return column(rows, "said")
	}
	assert.Equal(t, []string{
		"api 46700000001  OPT_OUT_ALL out", "api 46700000002  OPT_OUT_ALL out", "job:optouts 46700000001 SMS OPT_OUT_ALL out",
	}, outs())
	w.recipients("recipients.csv", 4)
	assert.EqualValues(t, 2, w.asPlanned("send").Suppressed)

	w.api.OptIn(emulator.OptOutAll, number(2))
	w.api.OptOut(emulator.OptOutMarketing, number(3))
	s, r := w.run("consents")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, 2, s.Records, "changes alone")
	assert.Equal(t, []string{
		"api 46700000001  OPT_OUT_ALL out", "api 46700000002  OPT_OUT_ALL in", "api 46700000003  OPT_OUT_MARKETING out",
		"job:optouts 46700000001 SMS OPT_OUT_ALL out",
	}, outs())
	s, r = w.run("consents")
	require.Zero(t, r.code, r.stderr)
	assert.Zero(t, s.Records)
	assert.EqualValues(t, 1, w.asPlanned("send").Done, "who is back, and not who asks for no marketing of a message that is none")

	s, r = w.run("audits")
	require.Zero(t, r.code, r.stderr)
	history := w.query("select identity || ' ' || operation || ' ' || origin || ' ' || list as said from consent_audits order by all")
	assert.Equal(t, []string{
		"46700000001 OPERATION_INSERT ORIGIN_API OPT_OUT_ALL", "46700000003 OPERATION_INSERT ORIGIN_MO OPT_OUT_MARKETING",
	}, column(history, "said"))
}

func TestAnExportOfConsentsNeedsAServerThatHasThem(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Profile: emulator.ProfileOld}, "", "consents: {kind: consent_export, app: APP}")
	s, r := w.run("consents")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, s.Message, "the server shows no consent lists")
}

// A stop while the lists are read is a stop like any other: what was read is
// kept, and the same command reads the rest.
func TestAStopWhileTheListsAreReadIsResumed(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: "Consents_GetConsents", Kind: emulator.FaultDelay, After: 1, First: 1, Delay: emulator.Duration(3 * time.Second)},
	}}, "", strings.Replace(optoutJob, "VIA", "register", 1))
	w.optouts(1, 2)
	w.api.OptOut(emulator.OptOutNotification, number(3)) // the list that is read last
	p := w.start("run", "--json", "optouts")
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(w.api.Requests(), func(c emulator.Call) bool { return c.Operation == "Consents_GetConsents" })
	}, 30*time.Second, 5*time.Millisecond)
	p.signal(os.Interrupt)
	r := p.end(20 * time.Second)
	assert.Equal(t, 130, r.code, r.stderr)
	s := r.summary(t)
	assert.Equal(t, []any{"interrupted", int64(2), int64(4)}, []any{s.State, s.Done, s.Records})

	s, r = w.run("optouts")
	require.Zero(t, r.code, r.stderr)
	assert.True(t, s.Resumed)
	assert.Equal(t, []any{"completed", int64(2), int64(2), int64(5)}, []any{s.State, s.Rows, s.Done, s.Records})
	assert.Equal(t, map[string]int{"OptIn_RegisterOptOut": 2}, w.calls(0))
	assert.Len(t, w.query("from consents where list = 'OPT_OUT_NOTIFICATION'"), 1)
}
