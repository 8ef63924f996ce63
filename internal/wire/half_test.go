package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// halfway takes half of what is written.
type halfway struct {
	net.Conn
	then func() error
}

func (c halfway) Write(p []byte) (int, error) {
	n, _ := c.Conn.Write(p[:len(p)/2])
	return n, c.then()
}

// halfWritten returns a pool whose one connection takes half of the next
// request; the server answers when it has a line of it.
func halfWritten(t *testing.T, answer string, then func() error) (p *Pool, url string, accepted *atomic.Int64) {
	t.Helper()
	url, accepted = script(t, func(c net.Conn, in *bufio.Reader) {
		says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(c, in)
		_, _ = in.ReadString('\n')
		_, _ = io.WriteString(c, answer)
		_, _ = io.Copy(io.Discard, in)
	})
	p = newPool(t, 1)
	req := request(t, "POST", url, "text")
	_, _, err := whole(t, p, req)
	require.NoError(t, err)
	c := p.host(req.URL).idle[0]
	c.counted.Conn = halfway{c.counted.Conn, then}
	return p, url, accepted
}

func TestAWriteThatBreaksHalfwayIsWhatTheErrorSays(t *testing.T) {
	t.Parallel()
	p, url, accepted := halfWritten(t, "", func() error { return syscall.EPIPE })
	_, _, err := whole(t, p, request(t, "POST", url, strings.Repeat("x", 1000)))
	require.ErrorIs(t, err, syscall.EPIPE)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "there was time left")
	assert.False(t, isUnsent(err))
	assert.EqualValues(t, 1, accepted.Load(), "it is not repeated")
}

// A server may answer and then read no more, so that all of the time goes by in
// writing.
func TestAnAnswerIsReadThoughTheTimeWasOverInWriting(t *testing.T) {
	t.Parallel()
	var until time.Time
	p, url, _ := halfWritten(t, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig", func() error {
		time.Sleep(time.Until(until))
		return os.ErrDeadlineExceeded
	})
	until = time.Now().Add(500 * time.Millisecond)
	resp, err := p.Do(request(t, "POST", url, strings.Repeat("x", 1000)), until)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 413, resp.StatusCode)
	assert.Equal(t, "big", string(text))
}

func TestAHandshakeThatIsCutShortSaysSoOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	url, _ := script(t, func(c net.Conn, in *bufio.Reader) {
		_, _ = in.ReadByte()
		cancel(enough)
		_, _ = io.Copy(io.Discard, in)
	})
	_, _, err := whole(t, newPool(t, 1), request(t, "GET", strings.Replace(url, "http:", "https:", 1), "").WithContext(ctx))
	assert.True(t, isUnsent(err))
	assert.ErrorContains(t, err, "TLS handshake")
	assert.NotContains(t, err.Error(), "use of closed")
}

func TestABodyIsAsLongAsItWasSaidToBe(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"longer": 2, "said to be none": 0, "shorter": 9} {
		req := request(t, "POST", "http://127.0.0.1:1/", "text")
		req.ContentLength = length
		_, err := appendRequest(nil, req)
		assert.ErrorContains(t, err, "body of the request", name)
	}
	req := request(t, "POST", "http://127.0.0.1:1/", "")
	req.ContentLength = 4
	_, err := appendRequest(nil, req)
	assert.ErrorContains(t, err, "the request's body", "there is none")
}
