package bucket

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"convbatch/internal/s3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "hunter-of-secrets"

// onlyCredentials makes these the only credentials there are; "" for none.
func onlyCredentials(t *testing.T, id, key string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": key, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CONFIG_FILE": os.DevNull, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
	} {
		t.Setenv(name, value)
	}
}

func mustOpen(t *testing.T, o Options) *Bucket {
	t.Helper()
	b, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func mustWrite(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// names lists what a place has, each with its size.
func names(t *testing.T, b *Bucket, prefix string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	require.NoError(t, b.List(t.Context(), prefix, func(name string, size int64) error { all[name] = size; return nil }))
	return all
}

// Whatever the place, it keeps to what is said of Bucket. With `make test-s3`
// a real server is among them.
func TestAPlaceKeepsObjects(t *testing.T) {
	places := map[string]Options{"file": {Scheme: "file", Prefix: filepath.Join(t.TempDir(), "made", "when needed")}}
	if server := s3test.Start(t); server != nil {
		onlyCredentials(t, server.KeyID, server.Secret)
		places["s3"] = Options{Scheme: "s3", Bucket: s3test.Bucket, Prefix: "some/where", Endpoint: server.URL}
		places["s3, no prefix"] = Options{Scheme: "s3", Bucket: s3test.Bucket, Endpoint: server.URL}
	}
	for name, o := range places {
		t.Run(name, func(t *testing.T) {
			b := mustOpen(t, o)
			require.NoError(t, b.Put(t.Context(), "datasets/people/date=2026-01-02/R1-000001.parquet", mustWrite(t, "one")))
			require.NoError(t, b.Put(t.Context(), "datasets/people/date=2026-01-03/R1-000001.parquet", mustWrite(t, "three")))
			require.NoError(t, b.Put(t.Context(), "datasets/people2/R1-000001.parquet", mustWrite(t, "x")))
			require.NoError(t, b.Put(t.Context(), "datasets/people/date=2026-01-02/R1-000001.parquet", mustWrite(t, "again")))
			assert.Equal(t, map[string]int64{
				"datasets/people/date=2026-01-02/R1-000001.parquet": 5, "datasets/people/date=2026-01-03/R1-000001.parquet": 5,
			}, names(t, b, "datasets/people/"))
			assert.Len(t, names(t, b, "datasets/people"), 3, "a prefix may end within a name")
			assert.Empty(t, names(t, b, "nothing/"))
			got, err := b.at.get(t.Context(), "datasets/people/date=2026-01-02/R1-000001.parquet")
			require.NoError(t, err)
			assert.Equal(t, "again", string(got))

			for range 2 { // the second time there is nothing
				require.NoError(t, b.Remove(t.Context(), "datasets/people/date=2026-01-02/R1-000001.parquet"))
			}
			assert.Len(t, names(t, b, "datasets/"), 2)
			require.NoError(t, b.Probe(t.Context(), mustWrite(t, "ok"), []byte("ok")))
			assert.Empty(t, names(t, b, ".batch-doctor"), "the probe leaves nothing")
			assert.ErrorIs(t, b.Put(t.Context(), "x", filepath.Join(t.TempDir(), "none")), os.ErrNotExist)

			large := strings.Repeat("0123456789abcdef", 2<<20) // beyond where the library would cut it up
			require.NoError(t, b.Put(t.Context(), "large", mustWrite(t, large)))
			assert.EqualValues(t, len(large), names(t, b, "large")["large"])
		})
	}
}

func TestARealServerTellsWrongCredentialsAndBuckets(t *testing.T) {
	server := s3test.Start(t)
	if server == nil {
		return // TestAnAnswerSaysWhatToDo has the same answers, as they are written down
	}
	for _, c := range []struct{ id, secret, bucket, want string }{
		{server.KeyID, secret, s3test.Bucket, "403 SignatureDoesNotMatch"},
		{"nobody", secret, s3test.Bucket, "check the credentials: AWS_ACCESS_KEY_ID"},
		{"", "", s3test.Bucket, "no credentials were found: set AWS_ACCESS_KEY_ID"},
		{server.KeyID, server.Secret, "none-such", "make the bucket none-such, or correct upload:"},
	} {
		onlyCredentials(t, c.id, c.secret)
		b := mustOpen(t, Options{Scheme: "s3", Bucket: c.bucket, Endpoint: server.URL, Attempts: 5, First: time.Hour, Max: time.Hour})
		err := b.Put(t.Context(), "store", mustWrite(t, "x"))
		require.ErrorContains(t, err, c.want)
		assert.ErrorContains(t, err, "put store into s3://"+c.bucket+": ")
		assert.NotContains(t, err.Error(), "hunter")
	}
}

// answering is a service that answers each call as it is told.
func answering(t *testing.T, answer func(n int, w http.ResponseWriter)) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(int(calls.Add(1)), w) }))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>The words of the service.</Message></Error>", code)
}

func TestAnAnswerSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		status    int
		code      string
		anonymous bool
		want      string
		calls     int64
	}{
		{403, "InvalidAccessKeyId", false, "403 InvalidAccessKeyId: The words of the service.; check the credentials: AWS_ACCESS_KEY_ID", 1},
		{403, "SignatureDoesNotMatch", false, "check the credentials", 1},
		{403, "AccessDenied", false, "the credentials must be allowed s3:PutObject", 1},
		{403, "AccessDenied", true, "no credentials were found", 1},
		{404, "NoSuchBucket", false, "make the bucket archive", 1},
		{400, "AuthorizationHeaderMalformed", false, "say the region of the bucket", 1},
		{403, "RequestTimeTooSkewed", false, "set the clock", 1},
		{503, "SlowDown", false, "503 SlowDown: The words of the service.", 3},
		{500, "InternalError", false, "500 InternalError", 3},
		{429, "TooManyRequests", false, "429 TooManyRequests", 3},
		{400, "RequestTimeout", false, "400 RequestTimeout", 3},
	} {
		t.Run(c.code, func(t *testing.T) {
			onlyCredentials(t, "somebody", secret)
			if c.anonymous {
				onlyCredentials(t, "", "")
			}
			url, calls := answering(t, func(_ int, w http.ResponseWriter) { refuse(w, c.status, c.code) })
			b := mustOpen(t, Options{Scheme: "s3", Bucket: "archive", Prefix: "p", Endpoint: url, Region: "x", Attempts: 3, First: 1, Max: 1})
			err := b.Put(t.Context(), "store", mustWrite(t, "x"))
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "put store into s3://archive/p: ")
			assert.NotContains(t, err.Error(), secret)
			assert.Equal(t, c.calls, calls.Load())
		})
	}
}

func TestACallIsTriedUntilItSucceedsOrWasTriedOftenEnough(t *testing.T) {
	onlyCredentials(t, "somebody", secret)
	healthy := 1 // the call from which on all is well
	url, calls := answering(t, func(n int, w http.ResponseWriter) {
		if n < healthy {
			refuse(w, 503, "SlowDown")
		}
	})
	told := 0
	b := mustOpen(t, Options{
		Scheme: "s3", Bucket: "archive", Endpoint: url, Region: "x", Attempts: 5, First: 1, Max: 1,
		Retrying: func(error, time.Duration) { told++ },
	})
	puts := func(tries, healthyAt int) {
		t.Helper()
		before := calls.Load()
		healthy = int(before) + healthyAt
		err := b.Put(t.Context(), "store", mustWrite(t, "x"))
		assert.Equal(t, healthyAt > tries, err != nil)
		assert.EqualValues(t, tries, calls.Load()-before)
	}
	puts(3, 9) // the first
	puts(1, 9) // after it was in vain
	puts(1, 1)
	puts(4, 4)
	puts(5, 9)
	puts(1, 9)
	assert.Equal(t, 2+3+4, told, "each time before it was tried again")
}

func TestWhoStopsIsNotKeptWaiting(t *testing.T) {
	onlyCredentials(t, "somebody", secret)
	url, calls := answering(t, func(_ int, w http.ResponseWriter) { refuse(w, 503, "SlowDown") })
	stop := make(chan struct{})
	b := mustOpen(t, Options{
		Scheme: "s3", Bucket: "archive", Endpoint: url, Region: "x", Attempts: 3, First: time.Hour, Max: time.Hour, Stop: stop,
		Retrying: func(error, time.Duration) { close(stop) },
	})
	require.ErrorContains(t, b.Put(t.Context(), "store", mustWrite(t, "x")), "503 SlowDown")
	assert.EqualValues(t, 1, calls.Load())
}

func TestNobodyAnswering(t *testing.T) {
	onlyCredentials(t, "somebody", secret)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	b := mustOpen(t, Options{Scheme: "s3", Bucket: "archive", Endpoint: "http://" + l.Addr().String(), Region: "x"})
	err = b.Put(context.Background(), "store", mustWrite(t, "x"))
	require.ErrorContains(t, err, "put store into s3://archive: dial tcp "+l.Addr().String()+": connect: connection refused; is "+l.Addr().String()+" right, and can it be reached from here?")
}

// What a kill leaves of a file is listed, so that it can be removed.
// What a kill leaves of an object has a name of its own, which is listed. Two
// who put the same object do not get in each other's way.
func TestAPutThatIsNotDoneKeepsToANameOfItsOwn(t *testing.T) {
	t.Parallel()
	const object = "R1-000001.parquet"
	dir := t.TempDir()
	b := mustOpen(t, Options{Scheme: "file", Prefix: dir})
	whole := strings.Repeat("first", 1<<20) // far more than a pipe takes before somebody reads
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	first := make(chan error, 1)
	go func() { first <- b.Put(t.Context(), object, pipe) }()
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = w.WriteString(whole)
	require.NoError(t, err)

	parts := names(t, b, "")
	require.Len(t, parts, 1)
	for part := range parts {
		assert.Regexp(t, `^R1-000001\.parquet\.\d+\.part$`, part)
	}
	require.NoError(t, b.Put(t.Context(), object, mustWrite(t, "second")))
	assert.EqualValues(t, 6, names(t, b, "")[object])
	require.NoError(t, w.Close())
	require.NoError(t, <-first)
	assert.Equal(t, map[string]int64{object: int64(len(whole))}, names(t, b, ""))
}

func TestAFolderThatCanNotBeMadeIsSaidSo(t *testing.T) {
	t.Parallel()
	b := mustOpen(t, Options{Scheme: "file", Prefix: mustWrite(t, "a file"), Attempts: 5, First: time.Hour, Max: time.Hour})
	require.ErrorContains(t, b.Put(t.Context(), "a/b", mustWrite(t, "x")), "the folder of upload: has to be there")
}
