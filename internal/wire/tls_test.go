package wire

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	_, _, err := whole(t, newPool(t, 1), request(t, "POST", s.URL, "text"))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	assert.True(t, isUnsent(err))

	p := newPool(t, 1)
	p.tls = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	for range 3 {
		_, text, err := whole(t, p, request(t, "POST", s.URL, "text"))
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1", text)
		for _, h := range p.hosts {
			require.Len(t, h.idle, 1)
			require.True(t, h.idle[0].quiet())
		}
	}
}

// What TLS has read ahead is looked at as well before a connection is used
// again: the kernel holds nothing of it any more.
func TestWhatTLSHasReadAheadEndsAConnection(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	body := strings.Repeat("x", 12_000) // with its head more than the reader takes at once, and less than a record
	for name, after := range map[string]func(c net.Conn, head string){
		"an end": func(c net.Conn, head string) {
			raw := c.(*tls.Conn).NetConn().(*held)
			raw.hold = true
			_, _ = io.WriteString(c, head+body)
			_ = c.(*tls.Conn).CloseWrite()
			raw.flush()
		},
		"an answer to nothing": func(c net.Conn, head string) {
			_, _ = io.WriteString(c, head+body+"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
		},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				raw, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer raw.Close()
					c := tls.Server(&held{Conn: raw}, &tls.Config{Certificates: s.TLS.Certificates, DynamicRecordSizingDisabled: true})
					in := bufio.NewReader(c)
					for range 2 {
						if _, err := http.ReadRequest(in); err != nil {
							return
						}
						after(c, "HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n")
					}
				}()
			}
		}()
		p := newPool(t, 1)
		p.tls = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		for range 2 {
			resp, err := p.Do(request(t, "POST", "https://"+l.Addr().String(), ""), time.Now().Add(soon))
			require.NoError(t, err, name)
			got := make([]byte, len(body))
			_, err = io.ReadFull(resp.Body, got)
			require.NoError(t, err, name)
			require.Equal(t, body, string(got), name)
			require.NoError(t, resp.Body.Close())
		}
	}
}

// held sends what was written in one piece.
type held struct {
	net.Conn
	hold bool
	text []byte
}

func (c *held) Write(p []byte) (int, error) {
	if c.hold {
		c.text = append(c.text, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *held) flush() {
	c.hold = false
	_ = c.Conn.SetWriteDeadline(time.Time{}) // TLS has written its last word
	_, _ = c.Conn.Write(c.text)
	c.text = nil
}
