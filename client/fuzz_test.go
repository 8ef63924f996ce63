package client

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"convbatch/internal/jsonscan"
)

// Whatever a server answers in place of a success, people get one line of
// bounded length, without the secrets and without a wait that never ends.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "<title>x", `{"error":{"code":400,"message":"m","status":"S","details":[{"field_violations":[{"field":"f","description":"d"}]}]}}`,
		`{"code":429,"details":[{"@type":"google.rpc.RetryInfo","retryDelay":"3s"}]}`, `{"errorCode":"c","resolution":"r"}`,
		`{"message":"+46701234567 a@b.c"}`, `{"error":{"details":{"field_violations":{"field":[1]}}}}`, "{\"message\":\"\xff\\ud800\"}",
		`{"message":"` + awkwardSecret + `"}`, `{"code":"` + awkwardToken + `"}`, "<title>" + awkwardToken,
	} {
		f.Add(400, []byte(seed))
	}
	hider := newHider(append(keySecrets("k1", awkwardSecret), awkwardToken)...)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := parseRefusal(status, body, hider.Replace)
		if r.message == "" || r.retryAfter < 0 || r.retryAfter > time.Hour {
			t.Fatalf("%+v", r)
		}
		e := &Error{Operation: "X", Status: status, Code: r.code, Message: r.message, Violations: r.violations}
		mustBeALine(t, e.Error())
		if n := utf8.RuneCountInString(e.Error()); n > 2*maxWords+maxViolations*(maxWords+maxTitle+4)+200 {
			t.Fatal(n)
		}
		for _, op := range []Operation{sendMessage, deleteContact, listMessages, MustLookUp("Batch_GetBatchStatusByMetadata")} {
			mustBeALine(t, fault(op, status, body, hider.Replace))
		}
	})
}

// mustBeALine looks for what would move a cursor, and for the secrets.
func mustBeALine(t *testing.T, text string) {
	for _, r := range text {
		if r != utf8.RuneError && !unicode.IsPrint(r) {
			t.Fatalf("%q in %q", r, text)
		}
	}
	for _, secret := range []string{awkwardSecret, awkwardToken} {
		if strings.Contains(text, secret) {
			t.Fatalf("%q", text)
		}
	}
}

// A phone number is never shown in full, whatever stands around it.
func FuzzWords(f *testing.F) {
	f.Add("identity=", uint64(46701234567), " is wrong", 100)
	f.Add("GET /?identity=%2B", uint64(46701234567), "&x", 100)
	f.Add("1 2 3 +", uint64(46701234567), "-4 5x", 100)
	f.Fuzz(func(t *testing.T, before string, number uint64, after string, limit int) {
		digits := strconv.FormatUint(number, 10)
		if len(digits) < 7 || limit < 1 || limit > maxWords || strings.Contains(before+after, digits) {
			return
		}
		for _, joint := range []string{" ", "=", "+", "%2B", "%2b", `"`, "/", ":", "(", "\n"} {
			said := words(before+joint+digits+joint+after, limit)
			if strings.Contains(said, digits) || utf8.RuneCountInString(said) > limit {
				t.Fatalf("%q", said)
			}
		}
	})
}

// A page holds the items of the list, byte for byte, and the token of the next.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		` {"messages": [ {"id":"1"}, 2 ,null],"next_page_token":"x"}`, `{"messages":[[],{}],"apps":null}`, `{"messages":null}`,
		`{"messages":[{"a":"]"}],"next_page_token":"\u002b\"=="}`, `{"messages":[],"messages":[1]}`, `{"messages":[1],"nextPageToken":"x"}`, `{"error":{},"messages":[]}`, `{"messages":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if fault(listMessages, 200, body, strings.Clone) != "" {
			return
		}
		page, wrong := parsePage(body, listMessages, nil)
		var ids []string
		read, says := parsePage(body, listMessages, func(at int, item *jsonscan.Scanner) {
			ids = append(ids[:at], "")
			for name := range item.Members() {
				if name == "id" {
					ids[at] = item.Text()
					return
				}
			}
		})
		require.Equal(t, wrong, says)
		require.Equal(t, page, read, "to read an item on the way changes nothing")
		require.LessOrEqual(t, len(page.Items), len(ids))
		require.Equal(t, !json.Valid(body), wrong == notJSON)
		if wrong == notJSON {
			return
		}
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &object), "what is taken for an answer is JSON")
		var want []json.RawMessage
		err := json.Unmarshal(or(object["messages"], "null"), &want)
		if wrong != "" {
			require.True(t, err != nil || want == nil || object["nextPageToken"] != nil, "a list is a page")
			return
		}
		require.NoError(t, err)
		require.Len(t, page.Items, len(want))
		for i, item := range page.Items {
			require.Equal(t, string(want[i]), string(item))
			require.True(t, bytes.Contains(body, item))
		}
		var next string
		if text := object["next_page_token"]; utf8.Valid(text) && !bytes.Contains(text, []byte(`\u`)) && json.Unmarshal(or(text, `""`), &next) == nil {
			require.Equal(t, next, page.Next)
		}
	})
}

func or(text json.RawMessage, fallback string) []byte {
	if text == nil {
		return []byte(fallback)
	}
	return text
}

// What an app says of itself arrives as it was said.
func FuzzApp(f *testing.F) {
	f.Add([]byte(`{"id":"A","display_name":"é\n","processing_mode":"DISPATCH","retention_policy":{"ttl_days":180},"queue_stats":{"outbound_size":5,"outbound_limit":500000},"rate_limits":{"outbound":20.5}}`))
	f.Add([]byte(`{"id":7,"retention_policy":[],"dispatch_retention_policy":{"ttl_days":null},"queue_stats":{"outbound_size":"5"}}`))
	f.Add([]byte(`{"retention_policy":{"ttl_days":-1e300}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ParseApp(body)
		var app map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if d.Decode(&app) != nil || app == nil {
			return
		}
		plain, err := json.Marshal(app) // each key once
		require.NoError(t, err)
		got := ParseApp(plain)
		for key, value := range map[string]string{"id": got.ID, "display_name": got.DisplayName, "processing_mode": got.ProcessingMode} {
			if want, ok := app[key].(string); ok {
				require.Equal(t, want, value, key)
			}
		}
		for key, value := range map[string]*int{"retention_policy": got.RetentionDays, "dispatch_retention_policy": got.DispatchRetentionDays} {
			policy, _ := app[key].(map[string]any)
			days, ok := policy["ttl_days"].(json.Number)
			if n, err := days.Int64(); ok && err == nil {
				require.NotNil(t, value)
				require.EqualValues(t, n, *value)
			}
		}
	})
}

// Whatever a token or an id holds, it arrives as it is and leads nowhere else.
func FuzzRequestURL(f *testing.F) {
	f.Add("a+b/c==", "01HXID")
	f.Add("&page_size=1#x", "../../apps/1")
	f.Add("é\x00%zz", "a?b#c;d:send")
	c, err := New(config("https://gateway.example/base"))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, token, id string) {
		k, err := c.prepare(getMessage, Call{Params: params{"message_id": id}, Query: params{"page_token": token, "view": "v"}.values()})
		if err != nil {
			require.Contains(t, []string{"", ".", ".."}, id)
			return
		}
		u := k.template.URL
		require.Equal(t, "gateway.example", u.Host)
		require.Equal(t, "/base/v1/projects/p1/messages/"+id, u.Path)
		require.Equal(t, 6, strings.Count(u.EscapedPath(), "/"), "an id is one segment")
		require.Empty(t, u.Fragment)
		require.Equal(t, token, u.Query().Get("page_token"))
		require.Equal(t, "v", u.Query().Get("view"))
		again, err := url.Parse(u.String())
		require.NoError(t, err)
		require.Equal(t, u.Path, again.Path)
	})
}

// A secret is found in whatever a server puts around it.
func FuzzHide(f *testing.F) {
	f.Add(`{"message":"`, "s3cr3t+of/the=key~", `"}`)
	f.Add("", "ssssssss", "s")
	f.Add("x", "\x00\xff\xfe\u2028=&'&", "")
	f.Add("%", "%2F%2f/", "%")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if len(secret) < leastHidden || strings.ContainsAny(secret, "[]") || strings.Contains(redacted, secret) {
			return // it could be made up of what stands in its place
		}
		hider := newHider(secret)
		for _, form := range disguises(secret) {
			hidden := hider.Replace(before + form + after)
			require.Contains(t, hidden, redacted)
			require.NotContains(t, hidden, secret)
		}
	})
}
