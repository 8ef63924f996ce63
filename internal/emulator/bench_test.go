package emulator

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// BenchmarkListMessages reads pages of a thousand out of a million messages.
func BenchmarkListMessages(b *testing.B) {
	c := start(b, Options{Contacts: 10_000, Conversations: 20_000, Messages: 1_000_000})
	token, messages := "", 0
	r := c.prepared(http.MethodGet, "/messages", "")
	w := new(discard)
	for b.Loop() {
		r.URL.RawQuery = "page_size=1000&page_token=" + token
		w.reset()
		c.e.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
		token = w.nextPageToken()
		messages += 1000
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkSend accepts messages to ever new recipients.
func BenchmarkSend(b *testing.B) {
	c := start(b, Options{})
	w := new(discard)
	n := 0
	for b.Loop() {
		n++
		w.reset()
		c.e.ServeHTTP(w, c.prepared(http.MethodPost, "/messages:send", c.text(strconv.Itoa(46_700_000_000+n), strconv.Itoa(n))))
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// discard keeps the end of what is written, where the page token stands.
type discard struct {
	header http.Header
	status int
	end    []byte
}

func (d *discard) reset()                 { d.header, d.status, d.end = make(http.Header), 0, d.end[:0] }
func (d *discard) Header() http.Header    { return d.header }
func (d *discard) WriteHeader(status int) { d.status = status }
func (d *discard) Write(b []byte) (int, error) {
	d.end = append(d.end, b[max(0, len(b)-64):]...)
	return len(b), nil
}

func (d *discard) nextPageToken() string {
	_, token, _ := strings.Cut(strings.TrimSuffix(string(d.end), `"}`), `"next_page_token":"`)
	return token
}

func TestAMillionMessagesCostLittle(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begun := time.Now()
	e := New(Options{Contacts: 100_000, Conversations: 200_000, Messages: 1_000_000})
	assert.Less(t, time.Since(begun), 2*time.Second)
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, after.HeapAlloc-before.HeapAlloc, uint64(64<<20))
	runtime.KeepAlive(e)
}
