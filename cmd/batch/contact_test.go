package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"golang.org/x/oauth2/clientcredentials"

	"convbatch/internal/emulator"
)

// importJob makes contacts of crm.csv; the emulator's lists show them at once.
const importJob = `
import:
  kind: contact_import
  from: {csv: crm.csv}
  key: id
  reconcile_after: 100ms
  request:
    external_id: "{{.id}}"
    display_name: "{{.name}}"
    language: SV
    channel_identities: [{channel: SMS, identity: "{{.phone | e164 \"SE\"}}"}]
`

// people writes crm.csv with n rows; change, which may be nil, changes the
// columns of a row.
func (w *workbench) people(n int, change func(i int, row []string)) {
	var b strings.Builder
	b.WriteString("id,name,phone\n")
	for i := range n {
		row := []string{fmt.Sprintf("c%05d", i), fmt.Sprintf("Guest %d", i), number(i)}
		if change != nil {
			change(i, row)
		}
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	w.write("crm.csv", b.String())
}

// onServer lists the contacts of an emulator, each as it answers it. It does not
// ask by our own client, whose mistakes would then show nowhere.
func onServer(t *testing.T, api *emulator.Server) (contacts []gjson.Result) {
	t.Helper()
	ask := asking(t, api)
	for token := ""; ; {
		page := ask(http.MethodGet, "contacts?page_size=20&page_token="+token, "")
		contacts = append(contacts, page.Get("contacts").Array()...)
		if token = page.Get("next_page_token").Str; token == "" {
			return contacts
		}
	}
}

// asking returns what asks an emulator, as another program would.
func asking(t *testing.T, api *emulator.Server) func(method, path, body string) gjson.Result {
	t.Helper()
	info := api.Info()
	config := clientcredentials.Config{ClientID: info.KeyID, ClientSecret: info.KeySecret, TokenURL: info.URLs.Token}
	other := config.Client(t.Context())
	return func(method, path, body string) gjson.Result {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, info.URLs.Conversation+"/v1/projects/"+info.Project+"/"+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		resp, err := other.Do(r)
		require.NoError(t, err)
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
		return gjson.ParseBytes(answer)
	}
}

// idsOnServer are the ids of contacts by their external_id. None may be there
// twice.
func idsOnServer(t *testing.T, api *emulator.Server) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, c := range onServer(t, api) {
		external := c.Get("external_id").Str
		assert.Empty(t, ids[external], "contact %s is there twice", external)
		ids[external] = c.Get("id").Str
	}
	return ids
}

// assertImported asserts that the server has one contact for each of n people,
// and that the last run's results are the map to them.
func (w *workbench) assertImported(n int) {
	w.t.Helper()
	ids := idsOnServer(w.t, w.api)
	assert.Len(w.t, ids, n)
	rows := w.query("select key, ref, state, error from results where job = 'import' qualify run_id = max(run_id) over ()")
	assert.Len(w.t, rows, n)
	for _, row := range rows {
		require.Contains(w.t, []string{"done", "skipped"}, row["state"], "%s: %s", row["key"], row["error"])
		require.Equal(w.t, ids[row["key"].(string)], row["ref"], "the id of %s", row["key"])
	}
}

// took are the bodies of what took effect of an operation.
func (w *workbench) took(operation string) (bodies []string) {
	for _, a := range w.api.Accepted() {
		if a.Operation == operation {
			bodies = append(bodies, a.Body)
		}
	}
	return bodies
}

func TestTwentyKillsOfAnImportMakeNoContactTwice(t *testing.T) {
	t.Parallel()
	const rows = 7000
	w := newWorkbench(t, emulator.Options{Latency: 2 * time.Millisecond}, "limits: {requests: 1000/s, in_flight: 64}", importJob)
	w.people(rows, nil)
	began := time.Now()
	w.killing("import", 20, uint64(began.UnixNano()), time.Second)
	killed := time.Since(began)
	s, r := w.run("import")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, "completed", s.State)
	assert.EqualValues(t, rows, s.Rows)
	assert.EqualValues(t, rows, s.settled())
	assert.Zero(t, s.InDoubt)
	assert.Len(t, w.took("Contact_CreateContact"), rows, "each was created once")
	w.assertImported(rows)
	t.Logf("%d rows, 20 kills in %s, %d requests, %s in all", rows, killed.Round(time.Second), s.Requests, time.Since(began).Round(time.Second))
}

func TestTheSameFileAgainChangesNothingAndAChangedColumnThatAlone(t *testing.T) {
	t.Parallel()
	const rows = 2000
	for name, profile := range map[string]string{"update_mask": emulator.ProfileNew, "update_mask.paths": emulator.ProfileOld} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, emulator.Options{Profile: profile}, "", importJob)
			w.people(rows, nil)
			s, r := w.run("import")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, rows, s.Done)
			w.assertImported(rows)

			s, r = w.run("import")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, rows, s.Skipped)
			assert.Equal(t, rows, w.api.AcceptedCount(), "nothing was written")
			w.assertImported(rows)

			w.people(rows, func(i int, row []string) {
				if i%20 == 7 {
					row[1] = "Renamed"
				}
			})
			masks := w.masks()
			s, r = w.run("import")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, 100, s.Done)
			assert.EqualValues(t, rows-100, s.Skipped)
			assert.Len(t, w.took("Contact_CreateContact"), rows)
			changes := w.took("Contact_UpdateContact")
			require.Len(t, changes, 100)
			for _, body := range changes {
				require.Equal(t, `{"display_name":"Renamed"}`, body)
			}
			assert.Equal(t, slices.Repeat([]string{name + "=display_name"}, 100), masks())
			w.assertImported(rows)
		})
	}
}

// front puts something between batch and the emulator. Where it fails the
// connection is broken.
func (w *workbench) front(handle func(r *http.Request, api http.RoundTripper) (*http.Response, error)) {
	w.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		resp, err := handle(r, w.api.Transport())
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(rw.Header(), resp.Header)
		rw.WriteHeader(resp.StatusCode)
		if _, err := io.Copy(rw, resp.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	w.t.Cleanup(s.Close)
	w.edit(w.api.URL(), s.URL)
}

// badRequest is the answer 400.
func badRequest(body string) *http.Response {
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// frontLists changes the lists of contacts that batch gets.
func (w *workbench) frontLists(change func(body string) string) {
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		resp, err := api.RoundTrip(r)
		if err != nil || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/contacts") {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Header.Del("Content-Length")
		resp.Body = io.NopCloser(strings.NewReader(change(string(body))))
		return resp, nil
	})
}

// lagging lets lists show a contact only when it has been there for so long.
func (w *workbench) lagging(lag time.Duration) {
	w.frontLists(func(body string) string {
		young := map[string]bool{}
		for _, a := range w.api.Accepted() {
			young[a.ContactID] = a.Operation == "Contact_CreateContact" && time.Since(a.Time) < lag
		}
		var shown []string
		for _, c := range gjson.Get(body, "contacts").Array() {
			if !young[c.Get("id").Str] {
				shown = append(shown, c.Raw)
			}
		}
		return `{"contacts":[` + strings.Join(shown, ",") + `],"next_page_token":"` + gjson.Get(body, "next_page_token").Str + `"}`
	})
}

// masks keeps the masks of the PATCHes that are answered 200.
func (w *workbench) masks() func() []string {
	var mu sync.Mutex
	var seen []string
	w.front(func(r *http.Request, api http.RoundTripper) (*http.Response, error) {
		resp, err := api.RoundTrip(r)
		if err == nil && r.Method == http.MethodPatch && resp.StatusCode == http.StatusOK {
			mu.Lock()
			seen = append(seen, r.URL.RawQuery)
			mu.Unlock()
		}
		return resp, err
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}
