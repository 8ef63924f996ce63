package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// overNetwork starts an emulator that listens, and a caller of it.
func overNetwork(t *testing.T, o Options) *caller {
	t.Helper()
	s, err := Serve(t.Context(), "127.0.0.1:0", o)
	require.NoError(t, err)
	transport := new(http.Transport)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		assert.NoError(t, s.Close())
	})
	c := &caller{t: t, e: s.Emulator, info: s.Info(), http: &http.Client{Transport: transport}}
	c.token = c.mustToken()
	return c
}

// TestFaultKinds holds every kind: what a client sees of it, and whether the
// message was accepted all the same.
func TestFaultKinds(t *testing.T) {
	t.Parallel()
	type seen struct {
		status   int
		accepted int
		err      error
		header   string // WWW-Authenticate or Retry-After
		word     string // status in the body
	}
	rows := []struct {
		name  string
		fault Fault
		want  seen
	}{
		{"limit with seconds", Fault{Kind: "429", RetryAfter: "7"}, seen{status: 429, header: "7", word: "RESOURCE_EXHAUSTED"}},
		{"limit without a word", Fault{Kind: "429"}, seen{status: 429, word: "RESOURCE_EXHAUSTED"}},
		{"500", Fault{Kind: "500"}, seen{status: 500, word: "INTERNAL_ERROR"}},
		{"501", Fault{Kind: "501"}, seen{status: 501, word: "INTERNAL_ERROR"}},
		{"502", Fault{Kind: "502"}, seen{status: 502, word: "INTERNAL_ERROR"}},
		{"503", Fault{Kind: "503"}, seen{status: 503, word: "INTERNAL_ERROR"}},
		{"504", Fault{Kind: "504"}, seen{status: 504, word: "INTERNAL_ERROR"}},
		{"408", Fault{Kind: "408"}, seen{status: 408, word: "INTERNAL_ERROR"}},
		{"error after it took effect", Fault{Kind: "503", Accepted: true}, seen{status: 503, accepted: 1, word: "INTERNAL_ERROR"}},
		{"reset before", Fault{Kind: FaultResetBefore}, seen{err: syscall.ECONNRESET}},
		{"reset after", Fault{Kind: FaultResetAfter}, seen{err: syscall.ECONNRESET, accepted: 1}},
		{"late", Fault{Kind: FaultDelay, Delay: 1}, seen{status: 200, accepted: 1}},
		{"answered late", Fault{Kind: FaultDelayAfter, Delay: 1}, seen{status: 200, accepted: 1}},
		{"slow", Fault{Kind: FaultSlowBody, Delay: 16}, seen{status: 200, accepted: 1}},
		{"truncated", Fault{Kind: FaultTruncate}, seen{err: io.ErrUnexpectedEOF, accepted: 1}},
		{"garbage", Fault{Kind: FaultGarbage}, seen{status: 200, accepted: 1}},
		{"page of a gateway", Fault{Kind: FaultHTML}, seen{status: 502}},
		{"page with 200", Fault{Kind: FaultHTML, Status: 200}, seen{status: 200, accepted: 1}},
		{"nothing", Fault{Kind: FaultEmpty}, seen{status: 200, accepted: 1}},
		{"nothing with 503", Fault{Kind: FaultEmpty, Status: 503}, seen{status: 503}},
		{"expired", Fault{Kind: FaultExpired}, seen{status: 401, header: challengeExpired, word: "UNAUTHENTICATED"}},
		{"revoked", Fault{Kind: FaultUnauthorized}, seen{status: 401, word: "UNAUTHENTICATED"}},
		{"forbidden", Fault{Kind: FaultForbidden}, seen{status: 403, word: "UNAUTHORIZED"}},
		{"no credit", Fault{Kind: FaultBilling}, seen{status: 403, word: "BILLING_CREDIT_LIMIT_BREACHED"}},
		{"not found", Fault{Kind: FaultNotFound}, seen{status: 404, word: "NOT_FOUND"}},
	}
	callers := map[string]*caller{"network": overNetwork(t, Options{}), "in process": start(t, Options{Now: time.Now})}
	kinds := make(map[string]bool)
	for _, row := range rows {
		kinds[row.fault.Kind] = true
		for place, c := range callers {
			name := row.name + " " + place
			fault := row.fault
			fault.Operation, fault.First = "Messages_SendMessage", 1
			require.NoError(t, c.e.SetFaults([]Fault{fault}))
			before := c.e.AcceptedCount()
			a, err := c.try(c.prepared(http.MethodPost, "/messages:send", c.text("461", "k")))
			assert.Equal(t, row.want.accepted, c.e.AcceptedCount()-before, name)
			if row.want.err != nil {
				assert.ErrorIs(t, err, row.want.err, name)
				continue
			}
			require.NoError(t, err, name)
			assert.Equal(t, row.want.status, a.status, name)
			assert.Equal(t, row.want.header, a.header.Get("WWW-Authenticate")+a.header.Get("Retry-After"), name)
			assert.Equal(t, row.want.word, a.get("status").String(), name)
			if place == "network" {
				assert.Equal(t, http.StatusOK, c.send(c.text("461", "k")).status, "the second call is not the first")
			}
		}
	}
	for _, kind := range append(statusKinds, otherKinds...) {
		assert.True(t, kinds[kind], "no row for %s", kind)
	}
}

func TestGarbageIsNoJSONAndEmptyIsEmpty(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Faults: []Fault{{Operation: "*", Kind: FaultGarbage, First: 1}, {Operation: "*", Kind: FaultEmpty, First: 1}, {Operation: "*", Kind: FaultHTML, First: 1}}})
	assert.False(t, json.Valid(c.get("/apps").body))
	assert.Empty(t, c.get("/apps").body)
	page := c.get("/apps")
	assert.Contains(t, page.header.Get("Content-Type"), "text/html")
	assert.Equal(t, http.StatusOK, c.get("/apps").status)
}

func TestErrorsComeInBothShapes(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Faults: []Fault{{Operation: "*", Kind: "429", RetryInfo: "2s", Shape: ShapeNested, First: 1}}})
	a := c.get("/apps")
	assert.Equal(t, int64(429), a.get("error.code").Int())
	assert.Equal(t, "2s", a.get("error.details.0.retryDelay").String())

	nested := start(t, Options{ErrorShape: ShapeNested})
	a = nested.get("/messages?page_size=0")
	assert.Equal(t, "page_size", a.get("error.details.0.field_violations.0.field").String())
}

func TestFaultsStrikeWhenTheySay(t *testing.T) {
	t.Parallel()
	pattern := func(f Fault, seed uint64) string {
		f.Operation, f.Kind = "App_ListApps", "503"
		c := start(t, Options{Seed: seed, Faults: []Fault{f}})
		var b strings.Builder
		for range 12 {
			b.WriteString(strconv.Itoa(c.get("/apps").status / 100))
		}
		assert.Equal(t, http.StatusOK, c.get("/contacts").status, "another operation")
		return b.String()
	}
	assert.Equal(t, "555555555555", pattern(Fault{}, 0))
	assert.Equal(t, "552222222222", pattern(Fault{First: 2}, 0))
	assert.Equal(t, "225225225225", pattern(Fault{Every: 3}, 0))
	assert.Equal(t, "222255555555", pattern(Fault{After: 4}, 0))
	assert.Equal(t, "222255222222", pattern(Fault{After: 4, First: 2}, 0))
	assert.Equal(t, "225225222222", pattern(Fault{Every: 3, First: 6}, 0))
	random := pattern(Fault{Rate: 0.5}, 1)
	assert.Equal(t, random, pattern(Fault{Rate: 0.5}, 1), "the seed decides")
	assert.NotEqual(t, random, pattern(Fault{Rate: 0.5}, 2))
	assert.Contains(t, random, "5")
	assert.Contains(t, random, "2")
}

func TestTokenEndpointFailsOnlyWhenNamed(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Faults: []Fault{{Operation: "*", Kind: "500"}}})
	c.mustToken()
	require.NoError(t, c.e.SetFaults([]Fault{{Operation: "token", Kind: "500"}}))
	assert.Equal(t, http.StatusInternalServerError, c.askToken(c.info.KeyID, c.info.KeySecret, "client_credentials").status)
	assert.Equal(t, http.StatusOK, c.get("/apps").status)
}

func TestFaultsAreReadFromAFileOrRefused(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults([]byte(`[{"operation":"*","kind":"delay","delay":"250ms","rate":0.1}]`))
	require.NoError(t, err)
	assert.Equal(t, []Fault{{Operation: "*", Kind: FaultDelay, Delay: Duration(250 * time.Millisecond), Rate: 0.1}}, faults)
	for name, text := range map[string]string{
		"not JSON":            `[`,
		"not a list":          `{}`,
		"misspelt key":        `[{"operation":"*","kind":"500","frist":1}]`,
		"unknown kind":        `[{"operation":"*","kind":"499"}]`,
		"no operation":        `[{"kind":"500"}]`,
		"impossible rate":     `[{"operation":"*","kind":"500","rate":2}]`,
		"negative count":      `[{"operation":"*","kind":"500","first":-1}]`,
		"unknown shape":       `[{"operation":"*","kind":"500","shape":"round"}]`,
		"status of nothing":   `[{"operation":"*","kind":"html","status":42}]`,
		"duration of no unit": `[{"operation":"*","kind":"delay","delay":"5"}]`,
		"more after the end":  `[] []`,
	} {
		_, err := ParseFaults([]byte(text))
		assert.Error(t, err, name)
	}
	assert.Panics(t, func() { New(Options{Faults: []Fault{{}}}) })
}

func TestCancelledCallInProcessReturnsItsContextsError(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Faults: []Fault{{Operation: "*", Kind: FaultDelay, Delay: Duration(time.Hour)}}})
	// On a busy machine a moment may pass before the call comes to anything.
	for moment := time.Millisecond; c.e.Requests().Count("App_ListApps", 0) == 0; moment *= 2 {
		require.Less(t, moment, time.Minute)
		c.http.Timeout = moment
		_, err := c.try(c.prepared(http.MethodGet, "/apps", ""))
		var timeout interface{ Timeout() bool }
		require.True(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
	}
}
