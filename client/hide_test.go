package client

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awkward are a secret and a token that look otherwise in base64, in a URL and
// in the JSON of some servers.
const (
	awkwardSecret = "s3cr3t+of/the=key~"
	awkwardToken  = "t0k3n/of+the.hour=="
)

// echoes are ways in which servers repeat a credential, as an answer's body.
var echoes = map[string]func(credential string) string{
	"as it is": func(s string) string { return `{"message":"what is ` + s + `?"}` },
	"nested":   func(s string) string { return `{"error":{"status":"` + s + `","message":"` + s + `"}}` },
	"as a violation": func(s string) string {
		return `{"details":[{"field_violations":[{"field":"` + s + `","description":"` + s + `"}]}]}`
	},
	"as PHP writes it": func(s string) string {
		return `{"message":"` + strings.ReplaceAll(s, "/", `\/`) + `"}`
	},
	"as Gson writes it": func(s string) string {
		return `{"message":"` + carefulJSON.Replace(s) + `"}`
	},
	"in a URL": func(s string) string { return `{"message":"/?a=` + url.QueryEscape(s) + `"}` },
	"in a URL, lowercase": func(s string) string {
		return `{"message":"/?a=` + escapedByte.ReplaceAllStringFunc(url.QueryEscape(s), strings.ToLower) + `"}`
	},
	"in base64": func(s string) string {
		return `{"message":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"}`
	},
	"in a page": func(s string) string { return "<html><title>" + s + "</title>" },
	"after what is cut": func(s string) string {
		return `{"message":"` + strings.Repeat("x", maxWords-20) + s + `"}`
	},
	"at the end of a long title": func(s string) string { return "<title>" + strings.Repeat("x", maxTitle-20) + s },
}

// mustHide looks for every form of every credential, and for the beginning of
// one, which is what is left of it where a text is cut.
func mustHide(t *testing.T, text, why string) {
	t.Helper()
	for _, secret := range append(keySecrets("k1", awkwardSecret), awkwardToken) {
		for _, form := range disguises(secret) {
			assert.False(t, strings.Contains(text, form[:5]), "%s: a secret shows in %s", why, text)
		}
	}
}

// echoing serves an API and a token endpoint; what API calls are answered with
// holds their credential, as f has it.
func echoing(t *testing.T, status int, f func(credential string) string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/oauth2/token" {
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600}`, awkwardToken)
			return
		}
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		w.Header().Set("WWW-Authenticate", "what is "+credential)
		w.WriteHeader(status)
		fmt.Fprint(w, f(credential))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestNothingThatAServerRepeatsIsShownInWhateverForm(t *testing.T) {
	t.Parallel()
	for why, f := range echoes {
		for _, status := range []int{200, 400, 401, 403, 500} {
			s := echoing(t, status, f)
			for _, auth := range []string{"oauth2", "basic"} {
				var log bytes.Buffer
				c, _ := mustClient(t, s.URL, func(cfg *Config) {
					cfg.Auth, cfg.KeySecret, cfg.Attempts = auth, awkwardSecret, 2
					cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				resp, err := c.SendMessage(t.Context(), []byte(`{}`))
				if strings.HasPrefix(why, "as nobody") {
					resp.Body = nil // of errors alone every escape is undone
				}
				_, errList := c.ListContacts(t.Context(), ContactQuery{})
				mustHide(t, fmt.Sprint(string(resp.Body), err, errList, &log), fmt.Sprint(auth, " ", status, " ", why))
			}
		}
	}
}

func TestTheSecretsOfABodyAreNotRepeated(t *testing.T) {
	t.Parallel()
	for why, f := range echoes {
		for _, status := range []int{200, 400, 401, 403, 500} {
			s := echoing(t, status, func(string) string { return f(awkwardSecret) })
			c, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.Attempts = 2 })
			call := Call{Body: []byte(`{}`), Secrets: []string{awkwardSecret, "k3y"}}
			resp, err := c.Call(t.Context(), MustLookUp("App_CreateApp"), call)
			text := fmt.Sprint(string(resp.Body), err)
			for _, form := range disguises(awkwardSecret) {
				assert.False(t, strings.Contains(text, form[:5]), "%d %s: a secret shows in %s", status, why, text)
			}
		}
	}
	s := mustServe(t, answers(200, `{"id":"01k3y"}`))
	c, _ := mustClient(t, s.URL)
	resp, err := c.Call(t.Context(), MustLookUp("App_CreateApp"), Call{Secrets: []string{"k3y"}})
	require.NoError(t, err)
	assert.Equal(t, `{"id":"01k3y"}`, string(resp.Body), "a short one is there by chance")
}

func TestTheTokenEndpointsAnswerTellsNoSecret(t *testing.T) {
	t.Parallel()
	credential := keySecrets("k1", awkwardSecret)[2] // as it is sent there
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				_, _ = fmt.Fprint(conn, answer)
				_ = conn.Close()
			}
		}
	}
	for why, answer := range map[string]http.HandlerFunc{
		"an error":                 answers(400, `{"error":"`+credential+`","error_description":"`+awkwardSecret+`"}`),
		"no token":                 answers(200, `{"error":"`+awkwardSecret+`"}`),
		"a page":                   answers(401, "<title>"+credential),
		"a redirect":               raw("HTTP/1.1 302 Found\r\nLocation: https://elsewhere/?token=" + awkwardToken + "\r\nContent-Length: 0\r\n\r\n"),
		"a redirect to nowhere":    raw("HTTP/1.1 302 Found\r\nLocation: https://elsewhere/%zz?token=" + awkwardToken + "\r\nContent-Length: 0\r\n\r\n"),
		"a header without a colon": raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 360) + credential + "\r\n\r\n"),
	} {
		s := httptest.NewServer(answer)
		t.Cleanup(s.Close)
		c, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.KeySecret, cfg.Attempts = awkwardSecret, 2 })
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		require.Error(t, err, why)
		mustHide(t, err.Error(), why)
	}
}

func TestAShortSecretIsNotLookedForInAnswersThatAreKept(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(200, `{"message_id":"01k3y"}`))
	c, _ := mustClient(t, s.URL, func(cfg *Config) { cfg.KeySecret = "k3y" })
	resp, err := c.SendMessage(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	assert.Equal(t, `{"message_id":"01k3y"}`, string(resp.Body))
}

func TestAPageIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	body := `{"contacts":[{"id":"1","display_name":"` + testSecret + `"}]}`
	s := mustServe(t, answers(200, body))
	c, _ := mustClient(t, s.URL)
	page, err := c.ListContacts(t.Context(), ContactQuery{})
	require.NoError(t, err)
	assert.Equal(t, body, string(page.Body))
}
