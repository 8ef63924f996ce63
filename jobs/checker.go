package jobs

import (
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"convbatch/sources"
)

// Kind is a kind of job: what stands at `kind:`. Of docs/JOBS.md it is the Doc
// and the comment of its struct: what follows "is the kind NAME:".
type Kind struct {
	Name     string
	Doc      string      // one sentence
	New      func() Spec // returns a pointer to an empty struct of the kind
	Datasets []Dataset   // that jobs of the kind add to
}

// Spec is the struct of a kind. Its yaml tags are the keys of the kind; they
// are read strictly (see field for the other tags). Keys that every job has
// are in Common; a struct that names one of them again gets it as well.
type Spec interface {
	// Check reports what is wrong with the decoded struct and gets ready what
	// can be made ready before the run, such as its request. It is also called
	// when a part of the struct could not be read; what is reported for such a
	// part is dropped.
	Check(c *Checker)
}

// Checker is what a kind reports to, and gets its parts from, while a job file
// is loaded.
type Checker struct {
	d     *decoder
	job   *Job
	place jobPlace
}

// Job returns the name of the job.
func (c *Checker) Job() string { return c.job.Name }

// App returns the id of the job's app; empty when it has none.
func (c *Checker) App() string { return c.job.App }

// Project returns the id of the account's project.
func (c *Checker) Project() string { return c.d.file.API.Project }

// Earlier returns the jobs that stand before this one in the file.
func (c *Checker) Earlier() []Job { return c.d.file.Jobs }

// File returns the place of a path that stands in the job file.
func (c *Checker) File(path string) string { return c.d.file.Within(path) }

// Has says whether a key of the job is in the file, for example "hours.from".
func (c *Checker) Has(key string) bool {
	n := c.place.job
	for part := range strings.SplitSeq(key, ".") {
		if _, n = pair(n, part); n == nil {
			return false
		}
	}
	return true
}

// Problem reports something that is wrong at a key of the job, for example
// "request.message", or at the job as a whole for "". Something is dropped
// that follows from what was reported before: for the same key, for one above
// or below it.
func (c *Checker) Problem(key, message string) {
	p := c.place.problem(key, message)
	if key != "" && c.d.said(c.place.path, p.Path) {
		return
	}
	c.d.note(p.Path)
	c.add(p)
}

// Warn reports something that works and should be changed.
func (c *Checker) Warn(key, message string) {
	c.d.file.Warnings = append(c.d.file.Warnings, c.place.problem(key, message))
}

// Source reports what is wrong with a source of rows.
func (c *Checker) Source(key string, s sources.Spec) {
	for _, p := range s.Check() {
		c.Problem(join(key, p.Key), p.Message)
	}
}

// Request compiles a request and reports what is wrong with it. It returns nil
// when there is none, or no sound one.
func (c *Checker) Request(key string, r RequestNode) *Request {
	if r.node == nil || c.d.said(c.place.path, join(c.place.path, key)) {
		return nil
	}
	place := c.place
	place.within = key
	return c.compile(r.node, place)
}

func (c *Checker) compile(n *yaml.Node, place jobPlace) *Request {
	request, problems := compileRequest(n, c.d.env, place)
	for _, p := range problems {
		c.d.note(p.Path)
		c.add(p)
	}
	if len(problems) > 0 {
		return nil
	}
	return request
}

func (c *Checker) add(p Problem) {
	if len(c.d.problems) < maxProblems {
		c.d.problems = append(c.d.problems, p)
	}
}

func join(a, b string) string {
	switch {
	case a == "" || b == "":
		return a + b
	case b[0] == '[':
		return a + b
	}
	return a + "." + b
}

// jobPlace finds places of a job in the file, while it is loaded and later.
type jobPlace struct {
	src    *source
	path   string     // jobs.NAME
	key    *yaml.Node // the name
	job    *yaml.Node // the keys
	within string     // keys below the job that paths start from
}

func (l jobPlace) problem(path, message string) Problem {
	at := find(l.job, join(l.within, path))
	if at == nil {
		at = l.key
	}
	return l.at(at, path, message)
}

// at returns a problem at a node that is known.
func (l jobPlace) at(n *yaml.Node, path, message string) Problem {
	return l.src.problem(n.Line, n.Column, join(l.path, join(l.within, path)), message)
}
