package client

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"convbatch/internal/jsonscan"
)

func TestQueriesArriveAsMeant(t *testing.T) {
	t.Parallel()
	var seen *url.URL
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.URL
		fmt.Fprint(w, `{"messages":[],"conversations":[],"contacts":[]}`)
	})
	c, _ := mustClient(t, s.URL)
	at := time.Date(2026, 3, 1, 1, 2, 3, 4, time.FixedZone("", 3600))
	no := false

	_, err := c.ListMessages(t.Context(), MessageQuery{AppID: "a", Start: at, End: at.Add(time.Hour), PageSize: 1000, PageToken: "x+/=", Source: "DISPATCH_SOURCE", View: "WITH_METADATA"})
	require.NoError(t, err)
	assert.Equal(t, "/v1/projects/p1/messages", seen.Path)
	assert.Equal(t, "app_id=a&end_time=2026-03-01T01%3A02%3A03.000000004Z&messages_source=DISPATCH_SOURCE&page_size=1000&page_token=x%2B%2F%3D&start_time=2026-03-01T00%3A02%3A03.000000004Z&view=WITH_METADATA", seen.RawQuery)

	_, err = c.ListConversations(t.Context(), ConversationQuery{AppID: "a", OnlyActive: &no})
	require.NoError(t, err)
	assert.Equal(t, "app_id=a&only_active=false", seen.RawQuery)
	_, err = c.ListConversations(t.Context(), ConversationQuery{ContactID: "c"})
	require.NoError(t, err)
	assert.Equal(t, "contact_id=c", seen.RawQuery)

	_, err = c.ListContacts(t.Context(), ContactQuery{Channel: "SMS", Identity: "+46701234567", PageSize: 20})
	require.NoError(t, err)
	assert.Equal(t, "channel=SMS&identity=%2B46701234567&page_size=20", seen.RawQuery)

	_, err = c.GetMessage(t.Context(), "m/1", "")
	require.NoError(t, err)
	assert.Equal(t, "/v1/projects/p1/messages/m%2F1", seen.EscapedPath())
	assert.Empty(t, seen.RawQuery)
}

// A page that is cut short is asked for again, and only the second time counts.
func TestItemsAreReadOnTheWay(t *testing.T) {
	t.Parallel()
	answers := []string{`{"messages":[{"id":"x"},{"id":"y"},{"id":"z`, `{"messages":[{"id":"a","n":[1]}, 7]}`}
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, answers[0])
		answers = answers[1:]
	})
	c, _ := mustClient(t, s.URL)
	var ids []string
	page, err := c.ListMessages(t.Context(), MessageQuery{AppID: "a", Item: func(at int, item *jsonscan.Scanner) {
		ids = append(ids[:at], "")
		for name := range item.Members() {
			if name == "id" {
				ids[at] = item.Text()
			}
		}
	}})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", ""}, ids)
	assert.Equal(t, [][]byte{[]byte(`{"id":"a","n":[1]}`), []byte("7")}, page.Items)
}

func TestItemsAreByteForByteWhatWasReceived(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		item := rapid.OneOf(
			rapid.Just(`{"id" : "01", "text":"a\u00e9\"]}, é"}`), rapid.Just(`{ }`), rapid.Just(`{"a":[{"messages":[1]}]}`),
			rapid.Map(rapid.String(), func(s string) string { return fmt.Sprintf(`{"n":1e5,"s":%s}`, strings.ToValidUTF8(quote(s), "?")) }),
		)
		items := rapid.SliceOf(item).Draw(rt, "items")
		space := rapid.SampledFrom([]string{"", " ", "\n\t "}).Draw(rt, "space")
		before := rapid.SampledFrom([]string{"", `"total_size":3,`, `"x":{"messages":[0]},`}).Draw(rt, "before")
		body := "{" + before + space + `"messages"` + space + ":" + space + "[" + space + strings.Join(items, space+","+space) + space + `],"next_page_token":"n"}`
		c, _ := mustClient(t, "http://127.0.0.1:1", func(cfg *Config) {
			cfg.Auth = "basic"
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r, body), nil })
		})
		page, err := c.ListMessages(t.Context(), MessageQuery{})
		require.NoError(rt, err)
		require.Len(rt, page.Items, len(items))
		for i, want := range items {
			assert.Equal(rt, want, string(page.Items[i]))
		}
		assert.Equal(rt, "n", page.Next)
		assert.Equal(rt, body, string(page.Body))
	})
}

func TestAppendingToAnItemDoesNotTouchTheNext(t *testing.T) {
	t.Parallel()
	s := mustServe(t, answers(200, `{"contacts":[{"id":"1"},{"id":"2"}]}`))
	c, _ := mustClient(t, s.URL)
	page, err := c.ListContacts(t.Context(), ContactQuery{})
	require.NoError(t, err)
	_ = append(page.Items[0], "xxxxxxxx"...)
	assert.JSONEq(t, `{"id":"2"}`, string(page.Items[1]))
}

func TestAPackedAnswerIsUnpacked(t *testing.T) {
	t.Parallel()
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "gzip", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `{"contacts":[{"id":"1"}]}`)
		assert.NoError(t, z.Close())
	})
	c, _ := mustClient(t, s.URL)
	page, err := c.ListContacts(t.Context(), ContactQuery{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 1)
}

func TestAnApp(t *testing.T) {
	t.Parallel()
	body := `{"id":"01","display_name":"n","processing_mode":"DISPATCH","retention_policy":{"ttl_days":180},` +
		`"dispatch_retention_policy":{"ttl_days":0},"queue_stats":{"outbound_size":"7","outbound_limit":500000},"rate_limits":{"outbound":25}}`
	s := mustServe(t, inTurn(answers(200, body), answers(200, `{"apps":[`+body+`,{"id":"02"}]}`)))
	c, _ := mustClient(t, s.URL)
	app, err := c.GetApp(t.Context(), "01")
	require.NoError(t, err)
	kept, none := 180, 0
	assert.Equal(t, App{ID: "01", DisplayName: "n", ProcessingMode: "DISPATCH", RetentionDays: &kept, DispatchRetentionDays: &none,
		QueueSize: 7, QueueLimit: 500000, OutboundRate: 25, Body: []byte(body)}, app)
	apps, err := c.ListApps(t.Context())
	require.NoError(t, err)
	require.Len(t, apps, 2)
	assert.Equal(t, app, apps[0])
	assert.Nil(t, apps[1].RetentionDays)
}
