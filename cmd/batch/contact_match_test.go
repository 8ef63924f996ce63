package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// results are the states and the words of the last import's rows, by key.
func (w *workbench) results() (states, words, refs map[string]string) {
	w.t.Helper()
	states, words, refs = map[string]string{}, map[string]string{}, map[string]string{}
	for _, row := range w.query("select key, state, error, ref from results where job = 'import' qualify run_id = max(run_id) over ()") {
		key := row["key"].(string)
		states[key], words[key], refs[key] = row["state"].(string), row["error"].(string), row["ref"].(string)
	}
	return states, words, refs
}

const (
	both      = `{"channel":"SMS","identity":"46700000000"},{"channel":"RCS","identity":"46700000000"}`
	identical = `{"language":"EN","display_name":"Ada","external_id":"other","channel_identities":[` + both + `]}`
)

func TestContactsAreMatchedByIdentityWhateverTheirPlus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ settings, state, words, change string }{
		"update": {"", "done", "", `{"external_id":"c00000","display_name":"Guest 0","language":"SV"}`},
		"skip":   {"  on_match: skip\n", "skipped", "there already", ""},
		"fail":   {"  on_match: fail\n", "failed", "there already, and on_match is fail", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{}, "", importJob+"  match: identity\n"+c.settings)
			id := asking(t, w.api)(http.MethodPost, "contacts", identical).Get("id").Str
			w.people(2, nil)
			s, r := w.run("import")
			require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, 2, s.settled())
			states, words, refs := w.results()
			assert.Equal(t, c.state, states["c00000"])
			assert.Equal(t, c.words, words["c00000"])
			assert.Equal(t, id, refs["c00000"])
			assert.Equal(t, "done", states["c00001"])
			assert.Len(t, onServer(t, w.api), 2)
			assert.Equal(t, c.change, strings.Join(w.took("Contact_UpdateContact"), ""))
		})
	}
}

func TestARowThatMeansTwoContactsFailsWithWhatToDo(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		for match, existing := range map[string][]string{
			"external_id": {`{"language":"EN","external_id":"c00000","channel_identities":[{"channel":"SMS","identity":"1000000"}]}`, `{"language":"EN","external_id":"c00000","channel_identities":[{"channel":"SMS","identity":"2000000"}]}`},
			"identity":    {identical, identical},
		} {
			t.Run(profile+"/"+match, func(t *testing.T) {
				t.Parallel()
				w := newWorkbench(t, emulator.Options{Profile: profile}, "", importJob+"  match: "+match+"\n")
				ask := asking(t, w.api)
				var ids []string
				for _, body := range existing {
					ids = append(ids, ask(http.MethodPost, "contacts", body).Get("id").Str)
				}
				w.people(1, nil)
				_, r := w.run("import")
				require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
				states, words, _ := w.results()
				assert.Equal(t, "failed", states["c00000"])
				assert.Contains(t, words["c00000"], "2 contacts match, ")
				assert.Contains(t, words["c00000"], ": merge them (contact_merge), then retry")
				for _, id := range ids {
					assert.Contains(t, words["c00000"], id)
				}

				ask(http.MethodPost, "contacts/"+ids[0]+":merge", `{"source_id":"`+ids[1]+`","strategy":"MERGE"}`)
				s, r := w.retried()
				require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
				assert.EqualValues(t, 1, s.Done)
				assert.Len(t, onServer(t, w.api), 1)
			})
		}
	}
}

func TestIdentitiesOfAnAppAreMatchedWithinIt(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", `
import:
  kind: contact_import
  app: APP
  from: {csv: crm.csv}
  key: id
  match: identity
  reconcile_after: 100ms
  request:
    language: SV
    external_id: "{{.id}}"
    channel_identities: [{channel: MESSENGER, identity: "{{.name}}"}]
`)
	w.people(3, nil)
	for _, wants := range []string{"done", "skipped"} {
		_, r := w.run("import")
		require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		states, _, _ := w.results()
		assert.Equal(t, map[string]string{"c00000": wants, "c00001": wants, "c00002": wants}, states)
	}
	for _, c := range onServer(t, w.api) {
		assert.Equal(t, w.api.Info().App, c.Get("channel_identities.0.app_id").Str)
	}
	// A server whose look-up does not mind the app: what it answers is another's.
	w.frontLists(func(body string) string { return strings.ReplaceAll(body, w.api.Info().App, "OTHERAPP") })
	_, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Len(t, onServer(t, w.api), 6, "others of the same name")
}

// A server that does not know a parameter may leave it out without a word, and
// answer any contacts: none of them is the row's.
func TestAServerThatIgnoresTheLookUpIsListed(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 100}, "", importJob)
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		if q := r.URL.Query(); r.Method == http.MethodGet && q.Has("external_id") {
			q.Del("external_id")
			r.URL.RawQuery = q.Encode()
		}
		return api.RoundTrip(r)
	})
	w.people(50, nil)
	for range 2 {
		_, r := w.run("import")
		require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		assert.Len(t, w.took("Contact_CreateContact"), 50)
		assert.Empty(t, w.took("Contact_UpdateContact"))
	}
}

// What a process remembers of a contact may not be so any more.
func TestAContactThatIsDeletedDuringTheRunIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "limits: {in_flight: 1}", importJob)
	w.edit(`external_id: "{{.id}}"`, `external_id: one`)
	var deleted atomic.Bool
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		if r.Method == http.MethodPatch && deleted.CompareAndSwap(false, true) {
			d := r.Clone(r.Context())
			d.Method, d.URL.RawQuery, d.Body = http.MethodDelete, "", http.NoBody
			if _, err := api.RoundTrip(d); err != nil {
				return nil, err
			}
		}
		return api.RoundTrip(r)
	})
	w.people(3, func(_ int, row []string) { row[2] = number(0) })
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 3, s.Done)
	assert.Len(t, w.took("Contact_DeleteContact"), 1)
	contacts := onServer(t, w.api)
	require.Len(t, contacts, 1)
	assert.Equal(t, "Guest 2", contacts[0].Get("display_name").Str)
}

func TestAPlanOfAnImportReadsOnlyAndCountsAsTheRunDoes(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", importJob)
	w.edit("language: SV", `language: "{{.name}}"`)
	w.people(100, func(i int, row []string) {
		row[1] = "SV"
		switch {
		case i%10 == 3:
			row[1] = "SVE"
		case i%10 == 5:
			row[2] = "12"
		case i == 99:
			row[0] = "c00000"
		}
	})
	r := w.batch("plan", "import")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stdout, "100 rows: 79 to send, 21 invalid")
	assert.Contains(t, r.stdout, "\n    79 rows: look up, then create, update or leave as it is\n")
	assert.Contains(t, r.stdout, `invalid, 10 rows: language: "SVE" is not a language of the API; did you mean "SV"?`)
	assert.Contains(t, r.stdout, "e164: not a valid phone number of SE")
	made := w.batch("plan", "--json", "import").plan(t)
	assert.Empty(t, w.api.Requests(), "a plan asks nothing")

	s, r := w.run("import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, made.Send, s.Done)
	assert.Equal(t, made.Invalid, s.Invalid)
	assert.Equal(t, made.Rows, s.Rows)
	assert.Len(t, w.took("Contact_CreateContact"), int(made.Send))
}

func TestPartsOfAnImport(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Faults: []emulator.Fault{{Operation: "Contact_CreateContact", Kind: "404", Every: 10}}}, "", importJob)
	w.people(200, nil)
	r := w.batch("run", "--json", "--limit", "50", "import")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, 50, s.Rows)
	assert.EqualValues(t, 45, s.Done)
	assert.EqualValues(t, 5, s.Failed)
	require.NoError(t, w.api.SetFaults(nil))
	s, r = w.retried()
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 5, s.Done)
	assert.Len(t, idsOnServer(t, w.api), 50)
	s, r = w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 150, s.Done)
	assert.EqualValues(t, 50, s.Skipped)
	w.assertImported(200)
}
