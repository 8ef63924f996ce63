package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
)

const exportJob = `
contacts:
  kind: contact_export
`

// assertExported compares the contacts with those of the server: each once, its
// body byte for byte.
func (w *workbench) assertExported() {
	w.t.Helper()
	want := map[string]string{}
	for _, c := range onServer(w.t, w.api) {
		want[c.Get("id").Str] = fmt.Sprintf("%x", sha256.Sum256([]byte(c.Raw)))
	}
	require.NotEmpty(w.t, want)
	rows := w.query("select id, sha256(body) as body, count(*) as n from contacts group by all")
	assert.Len(w.t, rows, len(want))
	for _, row := range rows {
		id := row["id"].(string)
		require.EqualValues(w.t, 1, row["n"], "contact %s", id)
		require.Equal(w.t, want[id], row["body"], "body of contact %s", id)
	}
}

func TestAnExportShowsTheContactsAsTheyAreAndWhatChanged(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{emulator.ProfileNew, emulator.ProfileOld} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			const contacts = 2500
			w := newWorkbench(t, emulator.Options{Profile: profile, Contacts: contacts}, "", exportJob)
			s, r := w.run("contacts")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, contacts, s.Records)
			w.assertExported()

			ask, all := asking(t, w.api), onServer(t, w.api)
			gone, changed := all[700].Get("id").Str, all[900].Get("id").Str
			ask(http.MethodDelete, "contacts/"+gone, "")
			ask(http.MethodPatch, "contacts/"+changed, `{"display_name":"Renamed"}`)
			added := ask(http.MethodPost, "contacts", identical).Get("id").Str
			s, r = w.run("contacts")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, contacts, s.Records)
			w.assertExported()
			assert.Empty(t, w.query("select id from contacts where id = '"+gone+"'"))
			assert.Len(t, w.query("select id from contacts_history where id = '"+gone+"'"), 1)
			assert.Len(t, w.query("select id from contacts_history where id = '"+changed+"'"), 2)
			changes := map[string]any{}
			for _, row := range w.query("select id, change from contacts_changes") {
				changes[row["id"].(string)] = row["change"]
			}
			assert.Equal(t, map[string]any{gone: "removed", changed: "changed", added: "added"}, changes)
			columns := w.query("select external_id, display_name, email, language, list_transform(identities, lambda i: i.channel || ':' || i.identity) as ids, channel_priority as p from contacts where id = '" + added + "'")
			assert.Equal(t, []map[string]any{{"external_id": "other", "display_name": "Ada", "email": "", "language": "EN",
				"ids": []any{"SMS:46700000000", "RCS:46700000000"}, "p": []any{"SMS", "RCS"}}}, columns)
		})
	}
}

func TestWhatNoColumnKnowsOfAContactIsInItsBody(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 30}, "", exportJob)
	w.frontLists(func(body string) string {
		return strings.ReplaceAll(body, `{"id":`, `{"tier" : {"of":[1.50, "\u00e5"]},"id":`)
	})
	_, r := w.run("contacts")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 30, w.query(`select count(*) as n from contacts where starts_with(body, '{"tier" : {"of":[1.50, "\u00e5"]},"id":')`)[0]["n"])
}

// An export that was stopped and killed goes on; what it had stored is not
// stored again, also when the server has forgotten its page tokens meanwhile.
func TestAnExportThatIsStoppedAndKilledHasEachContactOnce(t *testing.T) {
	t.Parallel()
	for name, forgets := range map[string]bool{"tokens are kept": false, "tokens are refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const contacts = 10_000
			w := newWorkbench(t, emulator.Options{Contacts: contacts, Latency: 4 * time.Millisecond}, "", exportJob)
			front := &forgetful{forgets: forgets, known: map[string]bool{"": true}}
			w.front(front.pass)
			for _, end := range []os.Signal{os.Interrupt, os.Kill, os.Interrupt, os.Kill} {
				before := len(w.api.Requests())
				p := w.start("run", "--json", "contacts")
				require.Eventually(t, func() bool { return len(w.api.Requests()) > before+120 }, 30*time.Second, 2*time.Millisecond)
				p.signal(end)
				_ = p.cmd.Wait()
				front.forget()
			}
			s, r := w.run("contacts")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.True(t, s.Resumed)
			assert.EqualValues(t, contacts, s.Records)
			assert.Equal(t, forgets, front.refused > 0)
			w.assertExported()
		})
	}
}

// forgetful is a server that takes only the page tokens it gave since it forgot
// the others.
type forgetful struct {
	forgets bool
	mu      sync.Mutex
	known   map[string]bool
	refused int
}

func (f *forgetful) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = map[string]bool{"": true}
}

func (f *forgetful) pass(r *http.Request, api http.RoundTripper) (*http.Response, error) {
	f.mu.Lock()
	unknown := f.forgets && !f.known[r.URL.Query().Get("page_token")]
	if unknown {
		f.refused++
	}
	f.mu.Unlock()
	if unknown {
		return refusedToken(), nil
	}
	resp, err := api.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	f.mu.Lock()
	f.known[gjson.GetBytes(body, "next_page_token").Str] = true
	f.mu.Unlock()
	return resp, err
}

func refusedToken() *http.Response {
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"code":400,"message":"page_token is not one of this server","status":"INVALID_ARGUMENT","details":[]}`)),
	}
}

// A server that refuses the tokens it has just given is not asked for ever.
func TestAnExportDoesNotGoRoundInCircles(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 3000}, "", exportJob)
	pages, after := 0, ""
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		token := r.URL.Query().Get("page_token")
		if after == "" && r.Method == http.MethodGet { // pages come one after another
			if pages++; pages == 101 {
				after = token
			}
		}
		if after != "" && token == after {
			return refusedToken(), nil
		}
		return api.RoundTrip(r)
	})
	s, r := w.run("contacts")
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	assert.Contains(t, s.Message, "read contacts from entry 2000: Contact_ListContacts: 400")
	assert.Empty(t, w.query("select id from contacts"), "what is not whole is not shown")
}

// One project in two regions is two accounts: in one store, neither hides the
// other.
func TestContactsOfTwoRegionsStandSideBySide(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 30}, "", exportJob)
	for range 2 {
		for _, region := range []string{"eu", "us"} {
			w.write("jobs.yaml", regexp.MustCompile("region: ..").ReplaceAllString(w.read("jobs.yaml"), "region: "+region))
			_, r := w.runHere("contacts")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		}
	}
	rows := w.queryHere("select count(*) as n, count(distinct run_id) as runs from contacts")[0]
	assert.Equal(t, map[string]any{"n": 60., "runs": 2.}, rows)
}
