package jobs

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

const (
	defaultRequests = Rate(800)
	defaultInFlight = 64
)

// Load reads and checks a job file. env looks variables up, as os.LookupEnv
// does. The error is Problems, all there are; nothing is opened but the file
// itself and the file of the key's secret.
func Load(path string, env func(string) (string, bool)) (*File, error) {
	return load(path, env, Kinds())
}

func load(path string, env Variables, kinds []Kind) (*File, error) {
	src, problem := readSource(path)
	if problem != nil {
		return nil, Problems{*problem}
	}
	return loadSource(src, env, kinds)
}

func loadSource(src *source, env Variables, kinds []Kind) (*File, error) {
	tree, problems := readTree(src)
	if tree == nil {
		return nil, problems.sorted()
	}
	file := &File{Path: src.name, Dir: filepath.Dir(src.name)}
	d := &decoder{
		report: tree.report, root: tree.root, partial: tree.partial,
		file: file, kinds: kinds, env: env, given: make(map[string]bool), below: make(map[string]bool),
	}
	d.structs(tree.root, nil, false, reflect.ValueOf(file).Elem())
	d.checkFile()
	if len(d.problems) >= maxProblems {
		p := src.problem(0, 0, "", fmt.Sprintf("has more problems than the %d that follow", maxProblems))
		return nil, append(Problems{p}, d.problems...).sorted()
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return file, nil
}

// checkFile looks at what the tags of fields can not say.
func (d *decoder) checkFile() {
	f := d.file
	d.check(f.Version == 1, "version", "this batch reads job files of version 1")
	d.checkPlaces()
	d.check(f.Retry.Max == 0 || f.Retry.First <= f.Retry.Max, "retry.first", fmt.Sprintf("must not be longer than the longest wait (%s)", f.Retry.Max))
	d.url("conversation", &f.API.URLs.Conversation, true)
	d.url("batch", &f.API.URLs.Batch, true)
	d.url("provisioning", &f.API.URLs.Provisioning, true)
	d.url("token", &f.API.URLs.Token, false)
	if f.Limits.Requests == 0 {
		f.Limits.Requests = defaultRequests
	}
	if f.Limits.InFlight == 0 {
		f.Limits.InFlight = defaultInFlight
	}
	for i := range f.Jobs {
		own := &f.Jobs[i].Limits
		if own.Requests == 0 {
			own.Requests = NoLimit
		}
		if own.InFlight == 0 {
			own.InFlight = f.Limits.InFlight
		}
	}
}

// check reports message at a path, unless ok holds or something was said of
// the path before.
func (d *decoder) check(ok bool, path, message string) {
	if n := find(d.root, path); !ok && n != nil && !d.given[path] {
		d.note(path)
		d.problems = append(d.problems, d.src.problem(n.Line, n.Column, path, message))
	}
}

func (d *decoder) url(key string, text *string, base bool) {
	if *text == "" {
		return
	}
	path := "api.urls." + key
	u, err := url.Parse(*text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		d.check(false, path, "must be a whole URL, beginning with https://")
		return
	}
	d.check(u.User == nil, path, "must not hold a user or a password; the key goes to api.key_id and api.key_secret")
	d.check(u.RawQuery == "" && u.Fragment == "", path, "must not hold a ? or a #")
	if base {
		*text = strings.TrimRight(*text, "/")
		d.check(!strings.HasSuffix(u.Path, "/v1") && !strings.HasSuffix(u.Path, "/v1/"), path, "must not end in /v1: it is a base that the version is added to")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	d.check(u.Scheme == "https" || local, path, "must be https: over plain http, which is for this machine alone, the key could be read on the way")
}

func (d *decoder) warn(n *yaml.Node, path, message, hint string) {
	p := d.src.problem(n.Line, n.Column, path, message)
	p.Hint = hint
	d.file.Warnings = append(d.file.Warnings, p)
}

var jobName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// decodeNode reads the jobs, each into the struct of its kind.
func (jobs *Jobs) decodeNode(d *decoder, n *yaml.Node, at *trail) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, at, "the jobs by name")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := at.at(key.Value)
		if !jobName.MatchString(key.Value) {
			d.problem(key, at, "is not the name of a job, which is also that of a folder",
				"use up to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first")
		}
		switch {
		case isBroken(value):
		case isNull(value):
			d.fail(key, at, "has no keys", "a job has a kind at least")
		default:
			job := Job{Name: key.Value, place: jobPlace{src: d.src, path: at.String(), key: key, job: value}}
			d.job(&job, value, at)
			*jobs = append(*jobs, job)
		}
	}
	if len(n.Content) == 0 {
		d.fail(d.named(n, at), at, "has no jobs", "")
	}
}

func (d *decoder) job(job *Job, n *yaml.Node, at *trail) {
	common := reflect.ValueOf(&job.Common).Elem()
	kind := d.kindOf(n, at)
	if kind == nil {
		d.structs(n, at, true, common) // which other keys it may have is not known
		return
	}
	job.Spec = kind.New()
	into := []reflect.Value{common, reflect.ValueOf(job.Spec).Elem()}
	if kind.keeps() {
		into = append(into, reflect.ValueOf(&job.Keep).Elem())
	}
	d.structs(n, at, false, into...)
	checker := &Checker{d: d, job: job, place: job.place}
	job.Spec.Check(checker)
	job.Keep.check(checker, job.datasetsOf(d.kinds))
}

// kindOf returns the kind of a job, nil when it has none that is known. A kind
// that is not there is reported with the other keys.
func (d *decoder) kindOf(n *yaml.Node, at *trail) *Kind {
	_, value := pair(n, "kind")
	if value == nil || value.Kind != yaml.ScalarNode || isNull(value) {
		return nil
	}
	name, wrong := d.env.expand(value.Value)
	if len(wrong) > 0 {
		return nil
	}
	var names []string
	for i, k := range d.kinds {
		if k.Name == name {
			return &d.kinds[i]
		}
		names = append(names, k.Name)
	}
	if name == "" {
		return nil
	}
	d.fail(value, at.at("kind"), d.shown(value)+" is not a kind of job", orList(value.Value, names))
	return nil
}
