package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the tests' clock begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: noon} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// caller calls an emulator as a client with a token does.
type caller struct {
	t     testing.TB
	e     *Emulator
	http  *http.Client
	info  Info
	token string
	clock *clock
}

// start makes an emulator whose clock stands at noon, and a caller of it.
func start(t testing.TB, o Options) *caller {
	t.Helper()
	clock := newClock()
	if o.Now == nil {
		o.Now = clock.now
	}
	o.TokenLifetime = or(o.TokenLifetime, 1000*time.Hour)
	e := New(o)
	c := &caller{t: t, e: e, http: &http.Client{Transport: e.Transport()}, info: e.Info("http://emulator"), clock: clock}
	c.token = c.mustToken()
	return c
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) get(path string) gjson.Result { return gjson.GetBytes(a.body, path) }

func (c *caller) mustToken() string {
	c.t.Helper()
	a := c.askToken(c.info.KeyID, c.info.KeySecret, "client_credentials")
	require.Equal(c.t, http.StatusOK, a.status, string(a.body))
	return a.get("access_token").String()
}

func (c *caller) askToken(id, secret, grant string) answer {
	c.t.Helper()
	form := url.Values{"grant_type": {grant}}.Encode()
	r := c.request(http.MethodPost, c.info.URLs.Token, form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	return c.do(r)
}

func (c *caller) request(method, address, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, address, strings.NewReader(body))
	require.NoError(c.t, err)
	return r
}

func (c *caller) do(r *http.Request) answer {
	c.t.Helper()
	a, err := c.try(r)
	require.NoError(c.t, err)
	return a
}

func (c *caller) try(r *http.Request) (answer, error) {
	res, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

// call calls an operation; path is relative to the project.
func (c *caller) call(method, path, body string) answer {
	c.t.Helper()
	return c.do(c.prepared(method, path, body))
}

func (c *caller) prepared(method, path, body string) *http.Request {
	c.t.Helper()
	return c.preparedAt(c.info.URLs.Conversation, method, path, body)
}

func (c *caller) preparedAt(base, method, path, body string) *http.Request {
	c.t.Helper()
	r := c.request(method, base+"/v1/projects/"+c.info.Project+path, body)
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return r
}

func (c *caller) get(path string) answer { c.t.Helper(); return c.call(http.MethodGet, path, "") }

func (c *caller) send(body string) answer {
	c.t.Helper()
	return c.call(http.MethodPost, "/messages:send", body)
}

// text is a send request to a telephone number.
func (c *caller) text(phone, metadata string) string {
	return fmt.Sprintf(`{"app_id":%q,"recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":%q}]}},`+
		`"message":{"text_message":{"text":"hej"}},"message_metadata":%q}`, c.info.App, phone, metadata)
}

// mustList reads a list to its end and gives its elements as sent.
func (c *caller) mustList(path, field string) []string {
	c.t.Helper()
	joint := "?"
	if strings.Contains(path, "?") {
		joint = "&"
	}
	var items []string
	for token := ""; ; {
		a := c.get(path + joint + "page_token=" + token)
		require.Equal(c.t, http.StatusOK, a.status, string(a.body))
		require.True(c.t, json.Valid(a.body))
		for _, item := range a.get(field).Array() {
			items = append(items, item.Raw)
		}
		if token = a.get("next_page_token").String(); token == "" {
			return items
		}
	}
}

// mustIDs are the ids of a list's elements.
func (c *caller) mustIDs(path, field string) []string {
	c.t.Helper()
	var ids []string
	for _, item := range c.mustList(path, field) {
		ids = append(ids, gjson.Get(item, "id").String())
	}
	return ids
}

func stored(e *Emulator) (ids []string, bodies []string) {
	for m := range e.Messages() {
		ids = append(ids, m.ID)
		bodies = append(bodies, string(m.Body))
	}
	return ids, bodies
}

// contactBody is a request for a contact whom nobody knows yet.
const contactBody = `{"channel_identities":[{"channel":"SMS","identity":"+46731110000"}],"language":"SV"}`

// messenger is a recipient, as JSON.
const messenger = `{"identified_by":{"channel_identities":[{"channel":"MESSENGER","identity":"7001"}]}}`

// about is a request that concerns a recipient.
func (c *caller) about(recipient, rest string) string {
	return fmt.Sprintf(`{"app_id":%q,"recipient":%s,%s}`, c.info.App, recipient, rest)
}

// mustMake makes a contact and gives its id.
func (c *caller) mustMake(body string) string {
	c.t.Helper()
	a := c.call(http.MethodPost, "/contacts", body)
	require.Equal(c.t, http.StatusOK, a.status, string(a.body))
	return a.get("id").String()
}

// lastAccepted is the newest line of the ledger.
func (c *caller) lastAccepted() Accepted {
	c.t.Helper()
	lines := c.e.Accepted()
	require.NotEmpty(c.t, lines)
	return lines[len(lines)-1]
}
