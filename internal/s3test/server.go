// Package s3test starts a real S3 server for tests, on loopback and in a folder.
package s3test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Program names the variable that holds the path of the server's program,
// versitygw. `make test-s3` builds it and sets this.
const Program = "BATCH_TEST_S3"

// Bucket is the bucket that a new server has.
const Bucket = "archive"

const region = "eu-north-1"

// Server is a server that one test has to itself.
type Server struct {
	URL         string // https is not spoken: it is on loopback
	KeyID       string
	Secret      string
	Client      *minio.Client
	t           testing.TB
	dir, listen string
	process     *exec.Cmd
}

// Start starts a server with an empty bucket; nil where no program is named.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Getenv(Program) == "" {
		return nil
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		t: t, dir: t.TempDir(), listen: free.Addr().String(), URL: "http://" + free.Addr().String(),
		KeyID: fmt.Sprintf("test-%08x", rand.Uint32()), Secret: fmt.Sprintf("hunter-%016x", rand.Uint64()),
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Client, err = minio.New(s.listen, &minio.Options{
		Creds: credentials.NewStaticV4(s.KeyID, s.Secret, ""), Region: region, MaxRetries: 1,
	}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"objects", "attributes"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	s.Begin()
	if err := s.Client.MakeBucket(context.Background(), Bucket, minio.MakeBucketOptions{Region: region}); err != nil {
		t.Fatal(err)
	}
	return s
}

// Begin starts the server, again after Stop with all that it had, and waits
// until it answers. That it knows its keys, which are made up for each, says
// that it is no other.
func (s *Server) Begin() {
	s.t.Helper()
	s.process = exec.Command(os.Getenv(Program), "--port", s.listen, "--access", s.KeyID, "--secret", s.Secret, "--region", region, "--quiet",
		"posix", "--sidecar", filepath.Join(s.dir, "attributes"), filepath.Join(s.dir, "objects"))
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := s.Client.ListBuckets(context.Background())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			s.t.Fatalf("the S3 server does not answer: %v\n%s", err, said)
		}
	}
}

// Stop ends the server at once; what it has stays for Begin.
func (s *Server) Stop() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait() // it was killed, which is an error
		s.process = nil
	}
}

// Env are the variables of a process that uses the server, and no other
// credentials than its.
func (s *Server) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.KeyID, "AWS_SECRET_ACCESS_KEY=" + s.Secret, "AWS_REGION=" + region, "AWS_ENDPOINT_URL_S3=" + s.URL,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_CONFIG_FILE=/dev/null",
	}
}

// Download copies all objects whose names begin with prefix into a folder, each
// under the rest of its name, and returns how many they were.
func (s *Server) Download(prefix, into string) (n int) {
	s.t.Helper()
	for o := range s.Client.ListObjects(context.Background(), Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		to := filepath.Join(into, filepath.FromSlash(strings.TrimPrefix(o.Key, prefix)))
		if err := s.Client.FGetObject(context.Background(), Bucket, o.Key, to, minio.GetObjectOptions{}); err != nil {
			s.t.Fatal(err)
		}
		n++
	}
	return n
}
