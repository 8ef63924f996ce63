package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

const importBatches = importJob + "  mode: batch\n"

func TestContactsAreCreatedAThousandACall(t *testing.T) {
	t.Parallel()
	const rows = 5000
	w := newWorkbench(t, emulator.Options{}, quickImport, importBatches)
	w.people(rows, nil)
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done)
	w.assertImported(rows)
	calls := w.api.Requests()
	assert.Equal(t, 5, calls.Count("Batch_CreateContacts", -1))
	assert.Zero(t, calls.Count("Contact_CreateContact", -1)+calls.Count("Contact_GetContact", -1))
	assert.Less(t, calls.Count("Contact_ListContacts", -1), rows/2)

	w.people(rows+100, func(i int, row []string) {
		if i < 50 {
			row[1] = "Renamed"
		}
	})
	s, r = w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 150, s.Done)
	assert.EqualValues(t, rows-50, s.Skipped)
	assert.Len(t, w.took("Contact_UpdateContact"), 50)
	w.assertImported(rows + 100)
}

func TestKillsOfAnImportInBatchesMakeNoContactTwice(t *testing.T) {
	t.Parallel()
	const rows = 5000
	w := newWorkbench(t, emulator.Options{Latency: 5 * time.Millisecond}, quickImport, importBatches+"  batch_size: 500\n")
	w.edit("reconcile_after: 100ms", "reconcile_after: 300ms")
	w.people(rows, nil)
	w.killing("import", 8, uint64(time.Now().UnixNano()), 1500*time.Millisecond)
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, rows, s.Done+s.Skipped)
	assert.Len(t, w.took("Batch_CreateContacts"), rows, "each was created once")
	w.assertImported(rows)
}

// Answers that are lost, rows that mean the same contact in one group and in
// several, and lists that are late.
func TestBatchesOfContactsInDoubtAreLookedFor(t *testing.T) {
	t.Parallel()
	for _, match := range []string{"external_id", "identity"} {
		t.Run(match, func(t *testing.T) {
			t.Parallel()
			const people, each = 150, 4
			o := emulator.Options{Latency: 3 * time.Millisecond, Faults: []emulator.Fault{
				{Operation: "Batch_CreateContacts", Kind: emulator.FaultResetAfter, Every: 3},
				{Operation: "Batch_CreateContacts", Kind: emulator.FaultResetBefore, Every: 2},
			}}
			w := newWorkbench(t, o, quickImport, importBatches+"  batch_size: 50\n  match: "+match+"\n")
			w.edit(`external_id: "{{.id}}"`, `external_id: "{{.name}}"`)
			w.people(people*each, func(i int, row []string) {
				row[1], row[2] = fmt.Sprintf("p%d", i%(2*people)/2), number(i%(2*people)/2)
			})
			w.lagging(60 * time.Millisecond)
			s, r := w.run("import")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, people*each, s.Done+s.Skipped)
			assert.Len(t, w.took("Batch_CreateContacts"), people)
			ids := idsOnServer(t, w.api)
			assert.Len(t, ids, people)
			for _, row := range w.query("select key, ref from results") {
				var i int
				_, err := fmt.Sscanf(row["key"].(string), "c%d", &i)
				require.NoError(t, err)
				require.Equal(t, ids[fmt.Sprintf("p%d", i%(2*people)/2)], row["ref"])
			}
		})
	}
}

// What the API has taken on and does not show is never asked for again.
func TestAContactThatIsNotShownIsInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickImport, importBatches)
	w.edit("reconcile_after: 100ms", "reconcile_after: 10ms")
	w.people(10, nil)
	w.frontLists(func(string) string { return `{"contacts":[]}` })
	s, r := w.run("import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 10, s.InDoubt)
	assert.Len(t, w.took("Batch_CreateContacts"), 10)
	assert.Contains(t, w.query("select error from results limit 1")[0]["error"], "the API took the call for it, and has not shown the contact for ")
}

func TestAContactThatTheAPIRefusesByNameFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, quickImport, importBatches)
	w.people(30, nil)
	refused := 0
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/contacts") && refused == 0 {
			refused++
			said := `{"code":400,"message":"Malformed request","status":"INVALID_REQUEST","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest",
				"field_violations":[{"field":"contacts[3].email","description":"is wrong"},{"field":"contacts[7].email","description":"is odd"}]}]}`
			return badRequest(said), nil
		}
		return api.RoundTrip(r)
	})
	s, r := w.run("import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 28, s.Done)
	states, words, refs := w.results()
	ids := idsOnServer(t, w.api)
	for key, state := range states {
		require.Equal(t, ids[key], refs[key])
		require.Equal(t, ids[key] == "", state == "failed", key)
	}
	assert.Contains(t, words["c00003"], "(contacts[3].email: is wrong)")
	assert.Contains(t, words["c00007"], "(contacts[7].email: is odd)")
}
