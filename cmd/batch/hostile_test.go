package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"
)

// awkwardSecret looks otherwise in base64, in a URL and in some servers' JSON.
const awkwardSecret = "s3cr3t+of/the=key~and+more"

// hostile is an API with a token endpoint that repeats in its answers what it
// was sent: credentials, in headers and bodies of every kind, and numbers.
type hostile struct {
	*httptest.Server
	sends  chan struct{} // one for each send that arrived
	visits atomic.Int64  // to where its redirects lead

	mu      sync.Mutex
	rows    []reply         // to sends, by the recipient's number
	all     reply           // to every send, where it is set
	token   reply           // of the token endpoint; nil issues one
	secrets map[string]bool // credentials that were seen, and tokens
	tried   map[string]bool // recipients whose first try was answered
}

// reply answers a request; echo is what it repeats.
type reply func(w http.ResponseWriter, echo string)

func newHostile(t *testing.T, rows ...reply) *hostile {
	t.Helper()
	h := &hostile{rows: rows, secrets: map[string]bool{awkwardSecret: true}, tried: map[string]bool{}, sends: make(chan struct{}, 1<<20)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// against points the job file of a workbench to h.
func (h *hostile) against(w *workbench) {
	w.edit(w.api.URL(), h.URL)
	w.env = append(w.env, "TEST_SECRET="+awkwardSecret)
}

// seen returns every secret that there was.
func (h *hostile) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.secrets))
}

func (h *hostile) answer(all, token reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all, h.token = all, token
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	identity := gjson.GetBytes(body, "recipient.identified_by.channel_identities.0.identity").Str
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Echo", r.Header.Get("Authorization"))
	h.choose(r, credential, identity)(w, awkwardSecret+" "+r.Header.Get("Authorization")+" "+identity)
}

func (h *hostile) choose(r *http.Request, credential, identity string) reply {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := !h.tried[identity]
	h.secrets[credential], h.tried[identity] = true, true
	n, _ := strconv.Atoi(strings.TrimPrefix(identity, "+"))
	switch {
	case strings.Contains(r.URL.Path, "moved"):
		h.visits.Add(1)
		return accepted
	case strings.Contains(r.URL.Path, "token") && h.token != nil:
		return h.token
	case strings.Contains(r.URL.Path, "token"):
		token := fmt.Sprintf("t0k3n+%d/of+the+hour==", len(h.secrets))
		h.secrets[token] = true
		return says(200, `{"access_token":"`+token+`","token_type":"bearer","expires_in":3600}`)
	}
	h.sends <- struct{}{}
	switch {
	case h.all != nil:
		return h.all
	case !first: // what is tried again comes to an end
		return accepted
	}
	return h.rows[n%len(h.rows)]
}

// says answers with a body in which ECHO stands for the echo, and header lines.
func says(status int, body string, header ...string) reply {
	return func(w http.ResponseWriter, echo string) {
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, strings.ReplaceAll(value, "ECHO", echo))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "ECHO", echo))
	}
}

// raw answers with bytes that need not be HTTP.
func raw(text string) reply {
	return func(w http.ResponseWriter, echo string) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, strings.ReplaceAll(text, "ECHO", echo))
			_ = conn.Close()
		}
	}
}

// in lets a reply repeat the words of the echo in another form.
func in(form func(string) string, answer reply) reply {
	return func(w http.ResponseWriter, echo string) {
		words := strings.Fields(echo)
		for i := range words {
			words[i] = form(words[i])
		}
		answer(w, strings.Join(words, " "))
	}
}

func inBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func inPHP(s string) string { return strings.ReplaceAll(s, "/", `\/`) }

func inUnicode(s string) string {
	return strings.NewReplacer("=", `\u003d`, "+", `\u002b`, "/", `\u002f`).Replace(s)
}

var (
	accepted = says(200, `{"message_id":"01HXMESSAGE","debug":"ECHO"}`)
	flat     = says(400, `{"code":400,"message":"what is ECHO?","status":"ECHO","details":[{"field_violations":[{"field":"ECHO","description":"is ECHO"}]}]}`)
	page     = "<html><head><title>ECHO</title></head><body>Authorization: ECHO</body></html>"
)

// replies are the ways of a hostile API that are about one row.
var replies = []reply{
	accepted,
	flat,
	says(404, `{"error":{"code":404,"message":"what is ECHO?","status":"NOT_FOUND"}}`),
	says(403, `{"errorCode":"ECHO","message":"ECHO","resolution":"leave out ECHO"}`, "WWW-Authenticate: Bearer ECHO"),
	in(url.QueryEscape, flat), in(url.PathEscape, flat), in(inBase64, flat), in(inPHP, flat), in(inUnicode, flat),
	in(inPHP, accepted), in(inBase64, accepted), in(url.QueryEscape, accepted),
	says(400, page), says(502, page), says(200, page), says(200, ""), says(500, "ECHO"),
	says(429, `{"message":"ECHO"}`, "Retry-After: ECHO"),
	says(503, `{"details":[{"@type":"google.rpc.RetryInfo","retryDelay":"ECHO"}]}`),
	says(302, "", "Location: /moved?echo=ECHO"), says(307, "", "Location: /moved?echo=ECHO"), says(308, "", "Location: http://%zz/moved?echo=ECHO"),
	raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"message\":\"ECHO"),
	raw("HTTP/1.1 200 OK\r\nECHO\r\n\r\n"), raw("HTTP/1.1 ECHO\r\n\r\n"), raw("ECHO\r\n\r\n"), raw(""),
}

// expired is renewed and tried again; a bare key has no end.
var expired = says(401, `{"message":"ECHO"}`, "WWW-Authenticate: Bearer error_description=\"expired: ECHO\"")

// tokenReplies are the ways of a hostile token endpoint.
var tokenReplies = []reply{
	says(401, `{"error":"invalid_client","error_description":"ECHO","error_uri":"https://host/?ECHO"}`, "WWW-Authenticate: Basic ECHO"),
	says(400, `{"error":"ECHO"}`), says(500, "ECHO"), says(403, page), says(200, page), says(200, `{"token":"ECHO"}`),
	says(200, `{"access_token":"","error":"ECHO"}`), in(inBase64, says(400, "ECHO")),
	says(302, "", "Location: /moved?token=ECHO"), says(308, "", "Location: http://%zz/moved?token=ECHO"),
	raw("HTTP/1.1 200 OK\r\nECHO\r\n\r\n"), raw("ECHO\r\n\r\n"),
}
