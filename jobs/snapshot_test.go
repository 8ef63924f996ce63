package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/pipeline"
)

// answers are what a server says, by the path below that of the project and
// the page token: "/things?t2". "" behind the status is an empty object.
type answers map[string]string

// server answers from a table and remembers what it was asked.
type server struct {
	mu      sync.Mutex
	answers answers
	asked   []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusOK, `{"access_token":"t","expires_in":3600}`
	if !strings.Contains(r.URL.Path, "/token") {
		_, path, _ := strings.Cut(r.URL.Path, "/projects/")
		path = path[strings.Index(path, "/"):]
		if token := r.URL.Query().Get("page_token"); token != "" {
			path += "?" + token
		}
		s.mu.Lock()
		s.asked = append(s.asked, path)
		said, known := s.answers[path]
		s.mu.Unlock()
		if !known {
			said = "404"
		}
		if status, body = http.StatusOK, said; !strings.ContainsAny(said[:1], "{[") {
			status, body = statusOf(said), `{"code":5,"message":"no"}`
		}
	}
	return &http.Response{
		StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)),
	}, nil
}

func statusOf(text string) (n int) {
	_, _ = fmt.Sscan(text, &n)
	return n
}

type unlimited struct{}

func (unlimited) Wait(context.Context, time.Duration) error { return nil }
func (unlimited) Throttled(time.Duration, bool)             {}
func (unlimited) Succeeded()                                {}

type atOnce struct{}

func (atOnce) NextBackOff() time.Duration { return 0 }

func (s *server) env(t *testing.T) Env { return envOf(t, s) }

// envOf is an environment whose client asks transport.
func envOf(t *testing.T, transport http.RoundTripper) Env {
	t.Helper()
	const base = "http://127.0.0.1"
	api, err := client.New(client.Config{
		Project: "p", KeyID: "k", KeySecret: "s", Attempts: 1, Transport: transport,
		URLs:            client.URLs{Conversation: base, Batch: base, Provisioning: base, Token: base + "/token"},
		Backoff:         func() client.Backoff { return atOnce{} },
		ParseRetryAfter: func(string, time.Time) (time.Duration, bool) { return 0, false },
	})
	require.NoError(t, err)
	return Env{
		Client: api.For(unlimited{}), Project: "p", RunID: "R", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Query: func(_ context.Context, _ string, row func([]any) error) error { return nil },
	}
}

// thingsList is a snapshot of one list, in pages of a token and a size.
func thingsList(change func(*list)) *snapshot {
	l := &list{
		operation: client.Operation{
			ID: "things", Service: "conversation", Method: http.MethodGet, Path: "/v1/projects/{project_id}/things",
			Idempotent: true, ListKey: "things", Paging: client.SnakeCase, PageSize: 2,
		},
		dataset: "things",
		row: func(r *snapshotReader, s step, body []byte) (any, string, error) {
			row := resource(r, s.named(), body)
			return row, row.ID, nil
		},
	}
	s := &snapshot{first: []step{{List: "things"}}, lists: map[string]*list{"things": l}}
	if change != nil {
		change(l)
	}
	return s
}

// snapshotRead is what came of a snapshot.
type snapshotRead struct {
	ids      []string // of the records
	outcomes map[string]pipeline.Outcome
}

// readAll reads a snapshot item by item, from those given on.
func readAll(t *testing.T, s *snapshot, env Env, from, stored []pipeline.Item) (got snapshotRead, err error) {
	t.Helper()
	worker, err := s.Open(t.Context(), env, stored)
	require.NoError(t, err)
	got.outcomes = map[string]pipeline.Outcome{}
	for todo := from; len(todo) > 0; {
		out, err := worker.Do(t.Context(), todo[0])
		if err != nil {
			return got, err
		}
		assert.Equal(t, pipeline.Done, out.State)
		_, twice := got.outcomes[todo[0].Key]
		assert.False(t, twice, "%s is read twice", todo[0].Key)
		got.outcomes[todo[0].Key] = out
		for _, record := range out.Records {
			got.ids = append(got.ids, record.Row.(*Resource).ID)
		}
		todo = append(todo[1:], out.Follow...)
	}
	return got, nil
}

func readFrom(t *testing.T, s *snapshot, a answers) (snapshotRead, []string, error) {
	t.Helper()
	b, err := s.Begin(t.Context(), Env{}, nil)
	require.NoError(t, err)
	srv := &server{answers: a}
	got, err := readAll(t, s, srv.env(t), b.Items, nil)
	return got, srv.asked, err
}

func itemOf(t *testing.T, s step) pipeline.Item {
	t.Helper()
	item, err := s.item()
	require.NoError(t, err)
	return item
}

func TestEveryPageOfAListIsReadOnce(t *testing.T) {
	t.Parallel()
	got, asked, err := readFrom(t, thingsList(nil), answers{
		"/things":    `{"things":[{"id":"a"},{"id":"b"}],"next_page_token":"t1"}`,
		"/things?t1": `{"things":[],"next_page_token":"t2"}`, // a page may be empty and not the last
		"/things?t2": `{"next_page_token":"t3"}`,
		"/things?t3": `{"things":[{"id":"c"},{"id":"a"},{"name":"no id"},{"name":"no id"},{"name":"none either"}]}`,
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, got.ids[:3], "an entry that shows up twice is kept once")
	assert.Len(t, got.ids, 5, "entries without an id are told apart by what they hold")
	assert.Equal(t, []string{"/things", "/things?t1", "/things?t2", "/things?t3"}, asked, "each once")
}

func TestAListThatLeadsBackToItsPageEnds(t *testing.T) {
	t.Parallel()
	_, _, err := readFrom(t, thingsList(nil), answers{
		"/things":    `{"things":[{"id":"a"}],"next_page_token":"t1"}`,
		"/things?t1": `{"things":[{"id":"b"}],"next_page_token":"t1"}`,
	})
	assert.ErrorContains(t, err, "the list has no end")
}

func TestALongListGoesOnInOtherItems(t *testing.T) {
	t.Parallel()
	a := answers{}
	const pages = 4500 / 3
	for i := range pages {
		path, next := "/things", fmt.Sprintf(`,"next_page_token":"t%d"`, i+1)
		if i > 0 {
			path += fmt.Sprintf("?t%d", i)
		}
		if i == pages-1 {
			next = ""
		}
		// More on a page than was asked for.
		a[path] = fmt.Sprintf(`{"things":[{"id":"%da"},{"id":"%db"},{"id":"%dc"}]%s}`, i, i, i, next)
	}
	got, asked, err := readFrom(t, thingsList(nil), a)
	require.NoError(t, err)
	assert.Len(t, got.ids, 4500)
	assert.Len(t, got.outcomes, 3)
	assert.LessOrEqual(t, len(asked), pages+2, "a page that was asked for ahead of time and not used")
}

// A run that goes on with a page token that the server no longer takes begins
// the list anew, and brings neither an entry nor what belongs to it twice.
func TestAPageTokenThatIsRefusedBeginsTheListAnew(t *testing.T) {
	t.Parallel()
	s := thingsList(func(l *list) {
		l.below = func(_ step, body []byte) []step {
			var entry struct{ ID string }
			_ = json.Unmarshal(body, &entry)
			return []step{step{List: "parts"}.with("thing", entry.ID)}
		}
	})
	s.lists["parts"] = &list{
		operation: client.Operation{
			ID: "parts", Service: "conversation", Method: http.MethodGet, Path: "/v1/projects/{project_id}/things/{thing}/parts",
			Idempotent: true, ListKey: "parts",
		},
		dataset: "parts", row: s.lists["things"].row,
	}
	srv := &server{answers: answers{
		"/things":         `{"things":[{"id":"a"},{"id":"b"}],"next_page_token":"new"}`,
		"/things?new":     `{"things":[{"id":"c"}]}`,
		"/things?old":     "400",
		"/things/c/parts": `{"parts":[{"id":"c1"},{"id":"c2"}]}`,
		"/things/b/parts": `{"parts":[{"id":"b1"}]}`,
	}}
	env := srv.env(t)
	env.Query = func(_ context.Context, query string, row func([]any) error) error {
		assert.Contains(t, query, "run_id = 'R'")
		if strings.Contains(query, `"things_history"`) {
			return row([]any{"a"})
		}
		return nil
	}
	rest := itemOf(t, step{List: "things", Token: "old", Read: 1})
	done := []pipeline.Item{itemOf(t, step{List: "things"}), itemOf(t, step{List: "parts"}.with("thing", "a")), rest}
	got, err := readAll(t, s, env, []pipeline.Item{rest}, done)
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "c", "b1", "c1", "c2"}, got.ids)
	assert.NotContains(t, srv.asked, "/things/a/parts", "it was read, or will be, by an item of its own")
}

func TestWhatMayBeLackingIsNotedButNotInTheMiddleOfAList(t *testing.T) {
	t.Parallel()
	lacking := func(l *list) { l.mayLack = true }
	for _, status := range []string{"403", "404"} {
		got, _, err := readFrom(t, thingsList(lacking), answers{"/things": status})
		require.NoError(t, err)
		assert.Contains(t, got.outcomes["things"].Error, "not there, or not for this account")
		assert.Equal(t, statusOf(status), got.outcomes["things"].HTTPStatus)

		_, _, err = readFrom(t, thingsList(nil), answers{"/things": status})
		require.ErrorContains(t, err, "read things: ")
		_, _, err = readFrom(t, thingsList(lacking), answers{
			"/things": `{"things":[{"id":"a"},{"id":"b"}],"next_page_token":"t1"}`, "/things?t1": status,
		})
		require.ErrorContains(t, err, "read things: ", "half a list is no list")

		_, _, err = readFrom(t, thingsList(func(l *list) { l.mayGo = true }), answers{"/things": status})
		assert.Equal(t, status == "404", err == nil, "what was listed before may be gone, and not forbidden")
	}
	_, _, err := readFrom(t, thingsList(lacking), answers{"/things": "400"})
	assert.ErrorContains(t, err, "read things: ")
}

func TestAnOlderServerIsAskedForOtherLists(t *testing.T) {
	t.Parallel()
	file := mustLoad(t, goodAPI+"jobs:\n  it: {kind: conversation_export, app: A}\n")
	job, _ := file.Job("it")
	k := job.Spec.(*ConversationExport)
	env := envOf(t, &onlyActive{})
	worker, err := k.Open(t.Context(), env, nil)
	require.NoError(t, err)
	b, err := k.Begin(t.Context(), env, nil)
	require.NoError(t, err)
	var ids, keys []string
	for todo := b.Items; len(todo) > 0; {
		out, err := worker.Do(t.Context(), todo[0])
		require.NoError(t, err)
		keys = append(keys, todo[0].Key)
		for _, r := range out.Records {
			ids = append(ids, r.Row.(*Conversation).ID)
		}
		todo = append(todo[1:], out.Follow...)
	}
	assert.Equal(t, []string{"conversations app_id=A", "active conversations app_id=A only_active=true", "other conversations app_id=A only_active=false"}, keys)
	assert.Equal(t, []string{"c1", "c2"}, ids, "one that was stopped between the two lists is there once")
}

// onlyActive is a server that lists active conversations, or the others.
type onlyActive struct{ server }

func (s *onlyActive) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.answers = answers{"/conversations": map[string]string{
		"": "400", "true": `{"conversations":[{"id":"c1"}]}`, "false": `{"conversations":[{"id":"c1"},{"id":"c2"}]}`,
	}[r.URL.Query().Get("only_active")]}
	s.mu.Unlock()
	return s.server.RoundTrip(r)
}

// Two accounts may share a store: a list of one is no later snapshot of that of
// the other. The Provisioning API has no regions.
func TestAListIsAnotherInAnotherProjectOrRegion(t *testing.T) {
	t.Parallel()
	file := mustLoad(t, goodAPI+"jobs:\n  contacts: {kind: contact_export}\n  provisioning: {kind: provisioning_export}\n")
	digest := func(name, project, region string) string {
		job, _ := file.Job(name)
		return job.Spec.(Puller).Digest(Env{Project: project, Region: region})
	}
	assert.Equal(t, digest("contacts", "p", "eu"), digest("contacts", "p", "eu"))
	assert.NotEqual(t, digest("contacts", "p", "eu"), digest("contacts", "p", "us"))
	assert.NotEqual(t, digest("contacts", "p", "eu"), digest("contacts", "q", "eu"))
	assert.Equal(t, digest("provisioning", "p", "eu"), digest("provisioning", "p", "us"))
	assert.NotEqual(t, digest("provisioning", "p", "eu"), digest("provisioning", "q", "eu"))
}
