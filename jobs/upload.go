package jobs

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Place is where segments go as well as into the store, as upload: says it.
type Place struct {
	Scheme   string // s3, gs or file
	Bucket   string // "" for file
	Prefix   string // of the names in the bucket, without slashes at its ends; for file the folder
	Endpoint string // the URL of the service; "" for file
	Region   string // "" where the service is asked for it
}

// UploadPlace returns where segments go as well as into the store; false where
// the file does not say so.
func (f *File) UploadPlace() (Place, bool) {
	if f.Upload == "" {
		return Place{}, false
	}
	return f.place, true
}

const uploadForm = "must be s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or file:///FOLDER"

var (
	schemed    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$`)
)

// checkPlaces checks store: and upload:, which are not to be taken for each other.
func (d *decoder) checkPlaces() {
	f := d.file
	d.check(f.Store != "", "store", "is empty")
	d.check(!schemed.MatchString(f.Store), "store", "must be a folder on a disk of this machine: the ledgers in it rest on locks and on fsync, which a bucket has not; "+
		"upload: s3://BUCKET/PREFIX brings the datasets and results to a bucket as well")
	if f.Upload == "" {
		return
	}
	place, wrong := d.place(f.Upload)
	d.check(wrong == "", "upload", wrong)
	f.place = place
}

// place reads upload:, and says what is wrong with it.
func (d *decoder) place(text string) (p Place, wrong string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return p, uploadForm
	case u.User != nil:
		return p, "must not hold a user or a password; credentials come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)"
	case u.Fragment != "" || u.Opaque != "":
		return p, uploadForm
	case strings.Contains(u.Path, "//") || u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/":
		return p, `must not have "//", "." or ".." in its path`
	}
	p = Place{Scheme: u.Scheme, Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	switch u.Scheme {
	case "file":
		p.Prefix = strings.TrimSuffix(u.Path, "/")
		if u.Host != "" || p.Prefix == "" || u.RawQuery != "" {
			return p, "must name a folder by its whole path: file:///FOLDER"
		}
		return p, ""
	case "s3", "gs":
	default:
		return p, uploadForm
	}
	if !bucketName.MatchString(p.Bucket) {
		return p, "must name a bucket after the slashes: " + u.Scheme + "://BUCKET/PREFIX"
	}
	for key, values := range u.Query() {
		if key != "endpoint" && key != "region" || len(values) != 1 {
			return p, "may have endpoint= and region= behind its ?, each once, and nothing else"
		}
	}
	return p, d.service(&p, u.Query())
}

// service fills in where the service is: what the place says, for s3 what the
// usual variables say, or the vendor's own.
func (d *decoder) service(p *Place, query url.Values) (wrong string) {
	from := ""
	get := func(key string, variables ...string) string {
		if value := query.Get(key); value != "" {
			from = "endpoint="
			return value
		}
		for _, name := range variables {
			if value, _ := d.env(name); value != "" && p.Scheme == "s3" {
				from = name
				return value
			}
		}
		return ""
	}
	p.Region = get("region", "AWS_REGION", "AWS_DEFAULT_REGION")
	if p.Endpoint = get("endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"); p.Endpoint == "" {
		p.Endpoint = map[string]string{"s3": "https://s3.amazonaws.com", "gs": "https://storage.googleapis.com"}[p.Scheme]
		return ""
	}
	u, err := url.Parse(p.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return from + " must be the URL of a service, https://HOST or https://HOST:PORT, with nothing behind it"
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return from + " must be https: over plain http, which is for this machine alone, messages and numbers of people could be read on the way"
	}
	return ""
}
