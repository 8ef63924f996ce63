package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

func TestMessagesAreListedNewestFirstWithTheSameBytesEachTime(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 5, Contacts: 7, Conversations: 9, Messages: 500})
	ids, bodies := stored(c.e)
	require.Len(t, ids, 500)
	assert.Equal(t, bodies, c.mustList("/messages?page_size=33", "messages"))
	assert.Equal(t, bodies, c.mustList("/messages?page_size=1000", "messages"))
	last := afterAll.at
	for i, body := range bodies {
		at := gjson.Get(body, "accept_time").Time().UnixNano()
		assert.LessOrEqual(t, at, last)
		last = at
		if i%50 == 0 {
			assert.Equal(t, body, string(c.get("/messages/"+ids[i]).body))
		}
	}
}

// TestPagingReturnsEachMessageOfAWindowOnce is the promise that everything
// which reads lists rests on, whatever the window and the size of the page.
func TestPagingReturnsEachMessageOfAWindowOnce(t *testing.T) {
	t.Parallel()
	for _, inclusive := range []bool{false, true} {
		c := start(t, Options{Seed: 9, Contacts: 5, Conversations: 8, Messages: 400, Start: noon.Add(-time.Minute), BoundsInclusive: inclusive})
		c.e.AddMessages(30, noon.Add(-30*time.Second))
		_, bodies := stored(c.e)
		rapid.Check(t, func(r *rapid.T) {
			instant := func(name string) time.Time {
				if rapid.Bool().Draw(r, name+" at a message") {
					return gjson.Get(rapid.SampledFrom(bodies).Draw(r, name), "accept_time").Time()
				}
				return noon.Add(-time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(r, name)))
			}
			from, to := instant("from"), instant("to")
			if !from.Before(to) {
				from, to = to, from.Add(1)
			}
			var want []string
			for _, b := range bodies {
				at := gjson.Get(b, "accept_time").Time()
				if at.After(from) && at.Before(to) || inclusive && (at.Equal(from) || at.Equal(to)) {
					want = append(want, b)
				}
			}
			size := rapid.IntRange(1, 1000).Draw(r, "page size")
			got := c.mustList(fmt.Sprintf("/messages?page_size=%d&start_time=%s&end_time=%s", size,
				from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano)), "messages")
			if !slices.Equal(want, got) {
				r.Fatalf("from %s to %s by %d: %d messages, want %d", from, to, size, len(got), len(want))
			}
		})
	}
}

func TestEveryFilterSelectsWhatItSays(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Seed: 3, Contacts: 4, Conversations: 11, Messages: 600})
	require.Equal(t, http.StatusOK, c.send(c.text("+46701112233", "x")).status)
	c.e.AddMessages(20, noon.Add(-time.Hour))
	_, bodies := stored(c.e)
	filters := []struct{ parameter, field string }{
		{"conversation_id", "conversation_id"}, {"contact_id", "contact_id"}, {"channel", "channel_identity.channel"},
		{"direction", "direction"}, {"channel_identity", "channel_identity.identity"},
	}
	for _, f := range filters {
		groups := make(map[string][]string)
		for _, b := range bodies {
			value := gjson.Get(b, f.field).String()
			groups[value] = append(groups[value], b)
		}
		require.Greater(t, len(groups), 1)
		for value, want := range groups {
			assert.Equal(t, want, c.mustList("/messages?page_size=50&"+f.parameter+"="+url.QueryEscape(value), "messages"), f.parameter)
		}
	}
	assert.Equal(t, c.mustList("/messages?direction=TO_APP", "messages"), c.mustList("/messages?only_recipient_originated=true", "messages"))
	assert.Len(t, c.mustList("/messages?app_id="+c.info.App, "messages"), len(bodies))
	for _, nobody := range []string{"contact_id=x", "conversation_id=x", "channel_identity=4612", "channel_identity=Bob"} {
		assert.Empty(t, c.mustList("/messages?"+nobody, "messages"))
	}
}

func TestPagesStayRightWhileTheListChanges(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 50})
	want, _ := stored(c.e)
	first := c.get("/messages?page_size=20")
	c.clock.move(time.Second)
	c.e.AddMessages(10, c.clock.now())
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/messages/"+want[0], "").status)
	var got []string
	for _, m := range first.get("messages").Array() {
		got = append(got, m.Get("id").String())
	}
	for token := first.get("next_page_token").String(); token != ""; {
		a := c.get("/messages?page_size=20&page_token=" + token)
		for _, m := range a.get("messages").Array() {
			got = append(got, m.Get("id").String())
		}
		token = a.get("next_page_token").String()
	}
	assert.Equal(t, want, got)
}

func TestListIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 30})
	token := c.get("/messages?page_size=10").get("next_page_token").String()
	require.NotEmpty(t, token)
	other := start(t, Options{Seed: 2, Messages: 30})
	foreign := other.get("/messages?page_size=10").get("next_page_token").String()
	for name, query := range map[string]string{
		"page of nothing":               "page_size=0",
		"page too large":                "page_size=1001",
		"page of no number":             "page_size=ten",
		"token made up":                 "page_token=abc",
		"token changed":                 "page_size=10&page_token=A" + token[1:],
		"token of another server":       "page_size=10&page_token=" + foreign,
		"other size than before":        "page_size=11&page_token=" + token,
		"filter that was not there":     "page_size=10&direction=TO_APP&page_token=" + token,
		"window that ends first":        "start_time=2026-03-01T00:00:00Z&end_time=2026-02-01T00:00:00Z",
		"window of no length":           "start_time=2026-03-01T00:00:00Z&end_time=2026-03-01T00:00:00Z",
		"time with a bare plus":         "start_time=2026-03-01T00:00:00+01:00",
		"parameter that does not exist": "size=10",
		"parameter twice":               "page_size=10&page_size=10",
		"channel of no name":            "channel=PIGEON",
		"dispatch with a contact":       "messages_source=DISPATCH_SOURCE&contact_id=x",
		"app that can not be one":       "app_id=x",
	} {
		a := c.get("/messages?" + query)
		assert.Equal(t, http.StatusBadRequest, a.status, name)
		assert.Equal(t, "INVALID_REQUEST", a.get("status").String(), name)
	}
	assert.Equal(t, http.StatusNotFound, c.get("/messages?app_id=01ARZ3NDEKTSV4RRFFQ69G5FAV").status)
}

func TestRetentionHidesOlderMessages(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 300, RetentionDays: 10})
	kept := len(c.mustIDs("/messages?page_size=100", "messages"))
	assert.InDelta(t, 100, kept, 5)
	ids, _ := stored(c.e)
	assert.Len(t, ids, kept)
	c.clock.move(10 * 24 * time.Hour)
	assert.Empty(t, c.mustIDs("/messages", "messages"))
	assert.Equal(t, http.StatusNotFound, c.get("/messages/"+ids[0]).status)
}

func TestMessagesAheadAreNotAcceptedYet(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 100, Start: noon.Add(-time.Hour), End: noon.Add(time.Hour)})
	assert.InDelta(t, 50, len(c.mustIDs("/messages?page_size=100", "messages")), 3)
	c.clock.move(time.Hour)
	assert.Len(t, c.mustIDs("/messages?page_size=100", "messages"), 100)
}

func TestMetadataCanBeLeftOutAndChanged(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 40})
	for _, m := range c.mustList("/messages?view=WITHOUT_METADATA", "messages") {
		assert.False(t, gjson.Get(m, "metadata").Exists())
	}
	ids, before := stored(c.e)
	path := "/messages/" + ids[3]
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, path, `{}`).status)
	assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, path, `{"metadata":"`+strings.Repeat("x", 1025)+`"}`).status)
	require.Equal(t, http.StatusOK, c.call(http.MethodPatch, path, `{"metadata":"\"new\""}`).status)
	assert.Equal(t, `"new"`, c.get(path).get("metadata").String())
	_, after := stored(c.e)
	assert.Equal(t, before[4:], after[4:], "no other message changes")
	assert.Equal(t, "Messages_UpdateMessageMetadata", c.e.Accepted()[0].Operation)
	assert.Equal(t, ids[3], c.e.Accepted()[0].MessageID)
}

func TestDeletedMessageIsGone(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Messages: 10})
	ids, _ := stored(c.e)
	require.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/messages/"+ids[2], "").status)
	assert.Equal(t, http.StatusNotFound, c.get("/messages/"+ids[2]).status)
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodDelete, "/messages/"+ids[2], "").status)
	assert.Equal(t, slices.Delete(ids, 2, 3), c.mustIDs("/messages", "messages"))
}

func TestUnknownPathIs404AndAKnownOneWithAnotherMethod501(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	assert.Equal(t, http.StatusNotFound, c.get("/nothing").status)
	assert.Equal(t, http.StatusNotFound, c.get("/messages:nothing").status)
	assert.Equal(t, http.StatusNotFound, c.get("/messages/").status)
	assert.Equal(t, http.StatusNotFound, c.get("/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV").status)
	assert.Equal(t, http.StatusNotImplemented, c.call(http.MethodPut, "/apps", "").status)
}
