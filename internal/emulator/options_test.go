package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"profile of no name":    {Profile: "older"},
		"mode in small letters": {Mode: "dispatch"},
		"shape of no name":      {ErrorShape: "round"},
		"fewer than none":       {Messages: -1},
		"more than numbers":     {Contacts: most + 1},
		"span that ends first":  {Start: noon, End: noon},
		"negative wait":         {Latency: -1},
		"negative limit":        {Limit: -1},
		"retention too long":    {RetentionDays: 3651},
		"dispatch too long":     {DispatchRetentionDays: 8},
		"fault of no kind":      {Faults: []Fault{{Operation: "*"}}},
	} {
		assert.Error(t, o.Check(), name)
		assert.Panics(t, func() { New(o) }, name)
		_, err := Serve(t.Context(), "127.0.0.1:0", o)
		assert.Error(t, err, name)
	}
	assert.NoError(t, Options{}.Check())
}

func TestTimesBeyondMeasureDoNoHarm(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 10})
	assert.Len(t, c.mustIDs("/messages?start_time=0001-01-01T00:00:00Z&end_time=9999-12-31T23:59:59Z", "messages"), 10)
	c.e.AddMessages(1, time.Time{})
	c.e.AddMessages(1, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	assert.Len(t, c.mustIDs("/messages", "messages"), 10)
}

func TestRequestMustSayThatItIsJSON(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	r := c.prepared(http.MethodPost, "/messages:send", c.text("461", "k"))
	r.Header.Set("Content-Type", "text/plain")
	assert.Equal(t, http.StatusBadRequest, c.do(r).status)
	big := c.prepared(http.MethodPost, "/messages:send", `"`+strings.Repeat("x", bodyLimit)+`"`)
	assert.Equal(t, http.StatusBadRequest, c.do(big).status)
}

// FuzzRequest: whatever is asked, the answer is JSON and nobody panics.
func FuzzRequest(f *testing.F) {
	c := start(f, Options{Contacts: 5, Conversations: 5, Messages: 50, DispatchRetentionDays: 1})
	ids, _ := stored(c.e)
	f.Add("GET", "/messages/"+ids[0], "", "")
	f.Add("GET", "/messages", "page_size=3&start_time=2026-02-01T00:00:00Z&channel_identity=46", "")
	f.Add("GET", "/conversations:recent", "order=ASC&app_id="+c.info.App, "")
	f.Add("GET", "/contacts", "channel=SMS&identity=%2B46", "")
	f.Add("POST", "/messages:send", "", c.text("+46", "k"))
	f.Add("PATCH", "/messages/"+ids[1], "", `{"metadata":"x"}`)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		here := *c
		here.t = t
		r := here.prepared(http.MethodGet, "/apps", body)
		r.Header.Set("Content-Type", "application/json")
		r.Method = method
		r.URL.Path = "/v1/projects/" + c.info.Project + path
		r.URL.RawPath, r.URL.RawQuery = "", query
		res, err := c.e.Transport().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var answer any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatalf("%s %s?%s: %v", method, path, query, err)
		}
	})
}
