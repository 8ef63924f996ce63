package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// lostCreations lose a share of the answers to calls that create a contact,
// most of which took effect.
func lostCreations(share float64) []emulator.Fault {
	var faults []emulator.Fault
	for _, f := range []emulator.Fault{
		{Kind: emulator.FaultResetAfter}, {Kind: emulator.FaultResetBefore}, {Kind: emulator.FaultTruncate}, {Kind: "500", Accepted: true}, {Kind: "504"},
	} {
		f.Operation, f.Rate = "Contact_CreateContact", share/5
		faults = append(faults, f)
	}
	return faults
}

// quickImport tries again soon.
const quickImport = "retry: {attempts: 8, first: 5ms, max: 50ms}\nlimits: {requests: unlimited, in_flight: 32}"

func TestContactsWhoseAnswersAreLostAreMadeOnce(t *testing.T) {
	t.Parallel()
	for profile, rows := range map[string]int{emulator.ProfileNew: 2000, emulator.ProfileOld: 1000} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Profile: profile, Faults: lostCreations(0.05), Latency: time.Millisecond}, quickImport, importJob)
			w.people(rows, nil)
			s, r := w.run("import")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, rows, s.Done)
			assert.Zero(t, s.InDoubt)
			assert.Len(t, w.took("Contact_CreateContact"), rows)
			w.assertImported(rows)
			lost := w.api.Requests().Count("Contact_CreateContact", -1) - w.api.Requests().Count("Contact_CreateContact", http.StatusOK)
			assert.NotZero(t, lost)
			t.Logf("%d rows, %d answers lost, %d requests", rows, lost, s.Requests)
		})
	}
}

func TestKillsAndLostAnswersTogetherMakeNoContactTwice(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			const rows = 2500
			w := newWorkbench(t, emulator.Options{Profile: profile, Faults: lostCreations(0.05), Latency: 10 * time.Millisecond},
				"retry: {attempts: 8, first: 5ms, max: 50ms}\nlimits: {requests: unlimited, in_flight: 16}", importJob)
			w.people(rows, nil)
			w.killing("import", 8, uint64(time.Now().UnixNano()), 900*time.Millisecond)
			s, r := w.run("import")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, rows, s.settled())
			assert.Len(t, w.took("Contact_CreateContact"), rows)
			w.assertImported(rows)
		})
	}
}

func TestAnImportThatHoldsLeavesLostAnswersInDoubtAndTheNextRunLooksThemUp(t *testing.T) {
	t.Parallel()
	const rows = 1000
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: "Contact_CreateContact", Kind: emulator.FaultResetAfter, Every: 50},
		{Operation: "Contact_CreateContact", Kind: emulator.FaultResetBefore, Every: 70},
	}}, quickImport, importJob+"  in_doubt: hold\n")
	w.people(rows, nil)
	s, r := w.run("import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.NotZero(t, s.InDoubt)
	assert.EqualValues(t, rows, s.Done+s.InDoubt)
	assert.EqualValues(t, s.InDoubt, w.query("select count(*) as n from results where state = 'in_doubt' and ref = '' and error like '%the connection broke%'")[0]["n"])

	require.NoError(t, w.api.SetFaults(nil))
	s, r = w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done+s.Skipped)
	assert.Len(t, w.took("Contact_CreateContact"), rows)
	w.assertImported(rows)
}

// Rows that mean the same contact make one of it, however close they come, and
// also when the answer of the first is lost.
func TestRowsThatMeanTheSameContactMakeOneOfIt(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]emulator.Fault{"quiet": nil, "answers are lost": lostCreations(0.3)} {
		for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
			for _, match := range []string{"external_id", "identity"} {
				t.Run(name+"/"+profile+"/"+match, func(t *testing.T) {
					t.Parallel()
					const people, each = 150, 4
					w := newWorkbench(t, emulator.Options{Profile: profile, Latency: 3 * time.Millisecond, Faults: faults}, quickImport,
						strings.ReplaceAll(importJob, `external_id: "{{.id}}"`, `external_id: "{{.name}}"`)+"  match: "+match+"\n")
					w.people(people*each, func(i int, row []string) {
						row[1], row[2] = fmt.Sprintf("p%d", i/each), number(i/each)
						if i%2 == 0 {
							row[2] = "0" + number(i / each)[3:] // the same number, as it is written at home
						}
					})
					w.lagging(60 * time.Millisecond)
					s, r := w.run("import")
					require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
					assert.EqualValues(t, people*each, s.Done+s.Skipped)
					assert.Len(t, w.took("Contact_CreateContact"), people)
					ids := idsOnServer(t, w.api)
					assert.Len(t, ids, people)
					for _, row := range w.query("select key, ref from results") {
						var i int
						_, err := fmt.Sscanf(row["key"].(string), "c%d", &i)
						require.NoError(t, err)
						require.Equal(t, ids[fmt.Sprintf("p%d", i/each)], row["ref"])
					}
				})
			}
		}
	}
}

func TestRowsOfOneContactAddTheirIdentitiesToIt(t *testing.T) {
	t.Parallel()
	const people, each = 40, 5
	w := newWorkbench(t, emulator.Options{Latency: 3 * time.Millisecond, Faults: lostCreations(0.2)}, quickImport, importJob)
	w.edit(`external_id: "{{.id}}"`, `external_id: "{{.name}}"`)
	w.people(people*each, func(i int, row []string) { row[1] = fmt.Sprintf("p%d", i/each) })
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, people*each, s.Done)
	contacts := onServer(t, w.api)
	assert.Len(t, contacts, people)
	for _, c := range contacts {
		assert.Len(t, c.Get("channel_identities").Array(), each, c.Raw)
	}
	t.Logf("%d rows, %d requests", people*each, s.Requests)
}

// Rows that have no identity in common may mean the same contact all the same.
func TestIdentitiesAddedAtTheSameTimeAreAllKept(t *testing.T) {
	t.Parallel()
	const each = 40
	w := newWorkbench(t, emulator.Options{Latency: 5 * time.Millisecond}, quickImport, `
import:
  kind: contact_import
  from: {csv: crm.csv}
  key: id
  match: identity
  reconcile_after: 100ms
  request:
    language: SV
    channel_identities: [{channel: SMS, identity: "{{.phone}}"}, {channel: RCS, identity: "{{.name}}"}]
`)
	ask := asking(t, w.api)
	var identities []string
	for i := range each {
		identities = append(identities, fmt.Sprintf(`{"channel":"SMS","identity":%q}`, number(i)))
	}
	ask(http.MethodPost, "contacts", `{"language":"SV","channel_identities":[`+strings.Join(identities, ",")+`]}`)
	w.people(each, func(i int, row []string) { row[1] = number(1000 + i) })
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, each, s.Done)
	contacts := onServer(t, w.api)
	require.Len(t, contacts, 1)
	assert.Len(t, contacts[0].Get("channel_identities").Array(), 2*each)
}

func TestAnOutageOfLookUpsEndsTheRunAndTheSameCommandsCompleteIt(t *testing.T) {
	t.Parallel()
	const rows = 600
	w := newWorkbench(t, emulator.Options{Latency: 2 * time.Millisecond, Faults: []emulator.Fault{{Operation: "Contact_ListContacts", Kind: "503", After: 200}}},
		"retry: {attempts: 2, first: 2ms, max: 5ms}\nlimits: {in_flight: 8}", importJob)
	w.people(rows, nil)
	s, r := w.run("import")
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	assert.Contains(t, s.Message, "the API does not answer: ")
	assert.Contains(t, s.Message, "Contact_ListContacts: 503")
	require.NoError(t, w.api.SetFaults(nil))
	s, r = w.run("import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, rows, s.Done+s.Failed)
	s, r = w.retried()
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Len(t, w.took("Contact_CreateContact"), rows)
	assert.Len(t, idsOnServer(t, w.api), rows)
}

// retried retries what failed of the import.
func (w *workbench) retried() (summary, result) {
	r := w.batch("retry", "--json", "import")
	return r.summary(w.t), r
}

// A row in doubt whose look-up is refused for good does not keep the run from
// its end.
func TestARowInDoubtThatCanNotBeLookedUpStaysInDoubt(t *testing.T) {
	t.Parallel()
	const rows = 20
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{
		{Operation: "Contact_CreateContact", Kind: emulator.FaultResetAfter, After: rows - 1, First: 1},
		{Operation: "Contact_ListContacts", Kind: emulator.FaultForbidden, After: rows + 1}, // one asks whether it is known
	}}, quickImport, importJob)
	w.people(rows, nil)
	s, r := w.run("import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, "completed", s.State)
	assert.EqualValues(t, rows-1, s.Done)
	assert.EqualValues(t, 1, s.InDoubt)
	assert.Contains(t, w.query("select error from results where state = 'in_doubt'")[0]["error"], "it can not be found out whether it arrived: Contact_ListContacts: 403")
}

func TestAnImportBearsRefusalsForHaste(t *testing.T) {
	t.Parallel()
	const rows = 1500
	w := newWorkbench(t, emulator.Options{Limit: 1500, Faults: []emulator.Fault{{Operation: "*", Kind: "429", Every: 5, RetryAfter: "0"}}}, quickImport, importJob)
	w.people(rows, nil)
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done)
	assert.NotZero(t, s.Throttled)
	assert.Len(t, w.took("Contact_CreateContact"), rows)
	require.NoError(t, w.api.SetFaults(nil))
	w.assertImported(rows)
}

func TestAnImportThatIsStoppedGoesOn(t *testing.T) {
	t.Parallel()
	const rows = 1500
	w := newWorkbench(t, emulator.Options{Latency: 20 * time.Millisecond}, "limits: {requests: unlimited, in_flight: 16}", importJob)
	w.people(rows, nil)
	p := w.start("run", "--json", "import")
	w.accepts(200)
	p.signal(os.Interrupt)
	r := p.end(20 * time.Second)
	require.Equal(t, exitSIGINT, r.code, "%s%s", r.stdout, r.stderr)
	assert.Zero(t, r.summary(t).InDoubt)
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, rows, s.Done)
	assert.Len(t, w.took("Contact_CreateContact"), rows)
	w.assertImported(rows)
}
