package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
)

// starterKinds are those of a new job file when the line names none.
var starterKinds = []string{"bulk_send", "message_archive"}

func (p *program) initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "write a commented job file to begin with",
		Description: "It has a job of each KIND, by default of bulk_send and message_archive, with every key described. Beside\n" +
			"it come its schema for editors, .env.example with the variables it uses, and in a git repository lines of\n" +
			".gitignore. What is there is never written over.",
		UsageText: "batch init\nbatch init -f contacts.yaml contact_export contact_import",
		ArgsUsage: "[KIND…]",
		Action:    p.initFile,
	}
}

func (p *program) initFile(c *cli.Context) error {
	kinds, err := kindsNamed(c.Args().Slice())
	if err != nil {
		return err
	}
	s := newStart(p.text(c, "file"), kinds)
	if err := s.write(); err != nil {
		return err
	}
	if p.flag(c, "json") {
		return writeJSON(p.stdout, map[string]any{"file": s.path, "jobs": s.kinds(), "wrote": s.names()})
	}
	_, err = fmt.Fprint(p.stdout, s.words())
	return err
}

// kindsNamed are the kinds of these names, each once; none stands for those
// that most people begin with.
func kindsNamed(names []string) (kinds []jobs.Kind, err error) {
	if len(names) == 0 {
		names = starterKinds
	}
	for i, name := range names {
		at := slices.IndexFunc(jobs.Kinds(), func(k jobs.Kind) bool { return k.Name == name })
		if at < 0 {
			return nil, usageError("init: %q is not a kind of job; %s", name, near(name, kindNames(), "there are "+strings.Join(kindNames(), ", ")))
		}
		if !slices.Contains(names[:i], name) {
			kinds = append(kinds, jobs.Kinds()[at])
		}
	}
	return kinds, nil
}

func kindNames() (names []string) {
	for _, kind := range jobs.Kinds() {
		names = append(names, kind.Name)
	}
	return names
}

// start is what `batch init` writes.
type start struct {
	path  string // of the job file
	dir   string // that it lies in
	text  string
	jobs  []starterJob
	wrote []written
}

// written is a file that was made or added to, and what it is.
type written struct{ name, what string }

func newStart(path string, kinds []jobs.Kind) *start {
	s := &start{path: path, dir: filepath.Dir(path)}
	s.text, s.jobs = starter(kinds)
	return s
}

// write writes the files. The job file is the last, and is made only if there
// is none, so that a failure in between leaves nothing that stands in the way.
func (s *start) write() error {
	if _, err := os.Lstat(s.path); err == nil {
		return s.there()
	}
	schema, err := jobs.Schema()
	if err != nil {
		return err
	}
	if err := s.create(schemaFile, string(schema), "its schema, for editors"); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.addVariables(); err != nil {
		return err
	}
	if err := s.ignore(); err != nil {
		return err
	}
	if err = s.create(filepath.Base(s.path), s.text, "the job file"); errors.Is(err, fs.ErrExist) {
		return s.there() // since a moment ago
	}
	return err
}

func (s *start) there() error {
	return usageError("init: %s is there, and is not written over: add to it, or name another file with -f", s.path)
}

// create makes a file of the folder, unless there is one of that name.
func (s *start) create(name, text, what string) error {
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		s.wrote = append(s.wrote, written{name, what})
	}
	return s.explain(err)
}

// add adds text to a file of the folder, which it makes when there is none;
// head is its beginning then.
func (s *start) add(name, head, text, what string) error {
	there, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return s.create(name, head+text, what)
	}
	if err != nil || text == "" {
		return s.explain(err)
	}
	if len(there) > 0 && there[len(there)-1] != '\n' {
		text = "\n" + text
	}
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		s.wrote = append(s.wrote, written{name, "more of " + what})
	}
	return s.explain(err)
}

// explain says what to do about a file that can not be written.
func (s *start) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return usageError("init: there is no folder %s: make it, or name a file in another with -f", s.dir)
	}
	return fmt.Errorf("init: %w; name a file in another folder with -f", err)
}

const environmentFile = ".env.example"

// addVariables sees that the variables of the job file are in .env.example.
func (s *start) addVariables() error {
	there, err := os.ReadFile(filepath.Join(s.dir, environmentFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.explain(err)
	}
	known := func(name string) bool {
		return regexp.MustCompile(`(?m)^[# ]*(export +)?` + name + `=`).Match(there)
	}
	return s.add(environmentFile, fmt.Sprintf(environmentHead, filepath.Base(s.path)), environment(s.text, known), "the variables that it uses")
}

var storeLine = regexp.MustCompile(`(?m)^store: \./(\S+)`)

// ignore keeps the store, which holds people's data, and .env, which holds
// secrets, out of a git repository.
func (s *start) ignore() error {
	const name = ".gitignore"
	there, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) && !inRepository(s.dir) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.explain(err)
	}
	lines, text := strings.Fields(string(there)), ""
	for _, entry := range []string{storeLine.FindStringSubmatch(s.text)[1] + "/", ".env"} {
		same := func(line string) bool { return strings.Trim(line, "/") == strings.Trim(entry, "/") }
		if !slices.ContainsFunc(lines, same) {
			text += entry + "\n"
		}
	}
	if text == "" {
		return nil
	}
	return s.add(name, "", text, "what git is to leave alone")
}

// inRepository says whether a folder is in a git repository.
func inRepository(dir string) bool {
	dir, err := filepath.Abs(dir)
	for err == nil {
		if _, missing := os.Lstat(filepath.Join(dir, ".git")); missing == nil {
			return true
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return false
}

// kinds are the kinds of the jobs, by their names.
func (s *start) kinds() map[string]string {
	kinds := map[string]string{}
	for _, job := range s.jobs {
		kinds[job.name] = job.kind
	}
	return kinds
}

// names are the files that were written.
func (s *start) names() (names []string) {
	for _, w := range s.wrote {
		names = append(names, w.name)
	}
	return names
}

// words say what was written, and what comes next.
func (s *start) words() string {
	var b strings.Builder
	for _, w := range slices.Backward(s.wrote) {
		fmt.Fprintf(&b, "%-18s %s\n", w.name, w.what)
	}
	flag, in := "", ""
	if s.path != "jobs.yaml" {
		flag = " -f " + s.path
	}
	if s.dir != "." {
		in = s.dir + "/"
	}
	fmt.Fprintf(&b, "\nNext, with your values in .env:\n"+
		"  cp %[3]s.env.example %[3]s.env\n"+
		"  set -a; . %[4]s.env; set +a\n"+
		"  batch%[1]s validate\n"+
		"  batch%[1]s doctor\n"+
		"  batch%[1]s plan %[2]s\n"+
		"  batch%[1]s run %[2]s\n"+
		"To try it without an account, `batch emulator` prints values for .env.\n", flag, s.jobs[0].name, in, dotted(in))
	return b.String()
}

// dotted is a folder in the form that the shell's dot looks in.
func dotted(folder string) string {
	if filepath.IsAbs(folder) {
		return folder
	}
	return "./" + folder
}
