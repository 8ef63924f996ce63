package emulator

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestServerListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "", "nonsense"} {
		_, err := Serve(t.Context(), listen, Options{})
		assert.Error(t, err, listen)
	}
	taken := overNetwork(t, Options{})
	_, err := Serve(t.Context(), strings.TrimPrefix(taken.info.URLs.Conversation, "http://"), Options{})
	assert.Error(t, err, "the address is in use")
}

func TestServerStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Serve(ctx, "localhost:0", Options{})
	require.NoError(t, err)
	cancel()
	<-s.Done()
	assert.NoError(t, s.Close())
}

func TestServerCountsConnections(t *testing.T) {
	t.Parallel()
	c := overNetwork(t, Options{})
	c.get("/apps")
	assert.Equal(t, 1, c.e.Connections())
	c.http.CloseIdleConnections()
	c.get("/apps")
	assert.Equal(t, 2, c.e.Connections())
}

// control asks a control endpoint.
func (c *caller) control(method, path, body string) answer {
	c.t.Helper()
	return c.do(c.request(method, c.info.URLs.Conversation+"/_emulator/"+path, body))
}

func TestControlEndpointsTellWhatHappened(t *testing.T) {
	t.Parallel()
	c := overNetwork(t, Options{Seed: 3, Messages: 20})
	for i := range 3 {
		require.Equal(t, http.StatusOK, c.send(c.text("+4670123456"+strconv.Itoa(i), "row-"+strconv.Itoa(i))).status)
	}
	c.get("/nothing")

	lines := strings.Split(strings.TrimSpace(string(c.control(http.MethodGet, "accepted", "").body)), "\n")
	require.Len(t, lines, 3)
	for i, line := range lines {
		var a Accepted
		require.NoError(t, json.Unmarshal([]byte(line), &a))
		assert.Equal(t, c.e.Accepted()[i], a)
		assert.Equal(t, "row-"+strconv.Itoa(i), a.Metadata)
	}

	var s Summary
	require.NoError(t, json.Unmarshal(c.control(http.MethodGet, "requests", "").body, &s))
	assert.Equal(t, 4, s.Count)
	assert.Equal(t, 3, s.Answered["Messages_SendMessage"]["200"])
	assert.Equal(t, 1, s.Answered[""]["404"])
	assert.Equal(t, 4, s.MaxInSecond)
	assert.Equal(t, 1, s.Tokens)
	assert.Equal(t, 3, s.Accepted)
	assert.Equal(t, 1, s.Connections)

	assert.Equal(t, http.StatusNoContent, c.control(http.MethodPost, "reset-counters", "").status)
	assert.Zero(t, c.control(http.MethodGet, "requests", "").get("count").Int())
	assert.Equal(t, c.info.Project, c.control(http.MethodGet, "info", "").get("project").String())
	assert.Equal(t, c.info.URLs.Token, c.control(http.MethodGet, "info", "").get("urls.token").String())
}

func TestControlEndpointsTellWhatIsStored(t *testing.T) {
	t.Parallel()
	c := overNetwork(t, Options{Seed: 3, Messages: 20})
	require.Equal(t, http.StatusNoContent, c.control(http.MethodPost, "messages?n=5", "").status)
	late := time.Now().UTC().AddDate(0, 0, -1).Format(time.RFC3339)
	require.Equal(t, http.StatusNoContent, c.control(http.MethodPost, "messages?n=2&at="+late, "").status)
	ids, bodies := stored(c.e)
	require.Len(t, ids, 27)

	lines := strings.Split(strings.TrimSpace(string(c.control(http.MethodGet, "messages", "").body)), "\n")
	raw := bufio.NewReader(strings.NewReader(string(c.control(http.MethodGet, "messages?raw=1", "").body)))
	require.Len(t, lines, 27)
	atLate := 0
	for i, line := range lines {
		sum := sha256.Sum256([]byte(bodies[i]))
		assert.Equal(t, ids[i], gjson.Get(line, "id").String())
		assert.Equal(t, hex.EncodeToString(sum[:]), gjson.Get(line, "sha256").String())
		if gjson.Get(line, "accept_time").String() == late {
			atLate++
		}
		size, err := raw.ReadString('\n')
		require.NoError(t, err)
		n, err := strconv.Atoi(strings.TrimSpace(size))
		require.NoError(t, err)
		body := make([]byte, n+1)
		_, err = io.ReadFull(raw, body)
		require.NoError(t, err)
		assert.Equal(t, bodies[i]+"\n", string(body))
	}
	assert.Equal(t, 2, atLate)
	assert.Equal(t, bodies, c.mustList("/messages", "messages"))
}

func TestControlEndpointsRefuseNonsense(t *testing.T) {
	t.Parallel()
	c := overNetwork(t, Options{})
	for _, path := range []string{"messages", "messages?n=0", "messages?n=x", "messages?n=1&at=noon"} {
		assert.Equal(t, http.StatusBadRequest, c.control(http.MethodPost, path, "").status, path)
	}
	assert.Equal(t, http.StatusBadRequest, c.control(http.MethodPut, "faults", `[{"kind":"x"}]`).status)
	require.Equal(t, http.StatusNoContent, c.control(http.MethodPut, "faults", `[{"operation":"*","kind":"503"}]`).status)
	assert.Equal(t, http.StatusServiceUnavailable, c.get("/apps").status)
	require.Equal(t, http.StatusNoContent, c.control(http.MethodPut, "faults", `[]`).status)
	assert.Equal(t, http.StatusOK, c.get("/apps").status)
}

func TestManyCallersAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 10, Conversations: 10, Messages: 100, Now: time.Now})
	const callers, each = 8, 50
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for k := range each {
				c.send(c.text("4670"+strconv.Itoa(i)+strconv.Itoa(k%7), strconv.Itoa(i*each+k)))
				if k%10 == 0 {
					c.get("/messages?page_size=20")
					c.get("/conversations:recent?app_id=" + c.info.App)
					c.e.AddMessages(1, time.Now().Add(-time.Hour))
				}
			}
		})
	}
	group.Wait()
	rows := make(map[string]bool)
	var last time.Time
	for _, a := range c.e.Accepted() {
		rows[a.Metadata] = true
		assert.False(t, a.Time.Before(last), "the ledger is in order")
		last = a.Time
	}
	assert.Len(t, rows, callers*each)
	assert.Len(t, c.mustIDs("/messages?page_size=100", "messages"), 100+callers*each+callers*each/10)
}
