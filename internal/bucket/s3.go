package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// An attempt may take so long, and longer for what is large: a connection that
// nobody answers on any more is not waited for for ever.
const (
	attemptTakes = time.Minute
	leastPace    = 64 << 10 // bytes a second
)

// s3 keeps objects in a bucket.
type s3 struct {
	client         *minio.Client
	transport      *http.Transport
	creds          *credentials.Credentials
	bucket, prefix string
}

func openS3(o Options) (*s3, error) {
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, errors.New("the endpoint is no URL")
	}
	secure := endpoint.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	creds := credentials.NewChainCredentials(providers(o.Scheme))
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: creds, Secure: secure, Region: o.Region, Transport: transport,
		MaxRetries: 1, // try does it
	})
	if err != nil {
		return nil, err
	}
	return &s3{client: client, transport: transport, creds: creds, bucket: o.Bucket, prefix: o.Prefix}, nil
}

// providers are where credentials are looked for, in this order: the variables
// AWS_ACCESS_KEY_ID and so on, the profile of the shared files, the role of the
// machine, the task or the pod. Like everywhere, AWS_EC2_METADATA_DISABLED keeps
// from asking the network for the last.
func providers(scheme string) []credentials.Provider {
	all := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	elsewhere := cmp.Or(os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"), os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"))
	if scheme == "s3" && (elsewhere != "" || !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true")) {
		all = append(all, &credentials.IAM{})
	}
	return all
}

func (s *s3) close() { s.transport.CloseIdleConnections() }

func (s *s3) key(name string) string { return path.Join(s.prefix, name) }

// put makes one call of it, up to the 5 GiB that the protocol takes: so there is
// never a part of an object that nobody sees and somebody pays for.
func (s *s3) put(ctx context.Context, name, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTakes+time.Duration(info.Size()/leastPace)*time.Second)
	defer cancel()
	kind := "application/octet-stream"
	if path.Ext(name) == ".parquet" {
		kind = "application/vnd.apache.parquet"
	}
	_, err = s.client.FPutObject(ctx, s.bucket, s.key(name), file, minio.PutObjectOptions{
		DisableMultipart: true, SendContentMd5: true, ContentType: kind,
	})
	return err
}

func (s *s3) get(ctx context.Context, name string) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTakes)
	defer cancel()
	object, err := s.client.GetObject(ctx, s.bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	return io.ReadAll(object)
}

func (s *s3) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTakes)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.bucket, s.key(name), minio.RemoveObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey { // as Google says it
		return nil
	}
	return err
}

func (s *s3) list(ctx context.Context, prefix string, each func(name string, size int64) error) error {
	ctx, cancel := context.WithCancel(ctx) // which also ends the listing when each does
	defer cancel()
	above := ""
	if s.prefix != "" {
		above = s.prefix + "/"
	}
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: above + prefix, Recursive: true}) {
		err := object.Err
		if err == nil {
			err = each(strings.TrimPrefix(object.Key, above), object.Size)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// judge reads what a service said, or why it said nothing.
func (s *s3) judge(err error) (hint string, again bool, short error) {
	answer := minio.ToErrorResponse(err)
	if answer.StatusCode == 0 {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return "", false, err // of the file
		}
		if call := (*url.Error)(nil); errors.As(err, &call) {
			err = call.Err // the call itself is known
		}
		return "; is " + s.client.EndpointURL().Host + " right, and can it be reached from here? (endpoint= in upload:, or AWS_ENDPOINT_URL_S3)", true, err
	}
	again = answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests ||
		answer.StatusCode == http.StatusRequestTimeout || answer.Code == "ExpiredToken" || answer.Code == "RequestTimeout"
	short = fmt.Errorf("%d %s: %w", answer.StatusCode, cmp.Or(answer.Code, http.StatusText(answer.StatusCode)), err)
	return s.hint(answer), again, short
}

// hint is what to do about an answer, where that is known.
func (s *s3) hint(answer minio.ErrorResponse) string {
	switch answer.Code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "XAdminUserNotFound":
		return "; check the credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile AWS_PROFILE"
	case "RequestTimeTooSkewed":
		return "; set the clock of this machine, best by NTP"
	case minio.NoSuchBucket:
		return "; make the bucket " + s.bucket + ", or correct upload: in the job file"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return "; say the region of the bucket: region= in upload:, or AWS_REGION"
	}
	if answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusUnauthorized {
		return ""
	}
	if value, err := s.creds.GetWithContext(s.client.CredContext()); err != nil || value.AccessKeyID == "" {
		return "; no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
	}
	return "; the credentials must be allowed s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket on " + s.bucket
}
