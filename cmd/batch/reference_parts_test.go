package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"

	"convbatch/jobs"
)

// comments are what the code says of its types, by name, and beside constants,
// by value as Go writes it.
type comments map[string]string

func (c comments) of(t *testing.T, what string) string {
	t.Helper()
	require.NotEmpty(t, c[what], "%s has no comment", what)
	return c[what]
}

func commentsOf(t *testing.T, folders ...string) comments {
	t.Helper()
	c := comments{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		require.NoError(t, err)
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			require.NoError(t, err)
			for _, d := range file.Decls {
				if d, ok := d.(*ast.GenDecl); ok {
					c.add(d)
				}
			}
		}
	}
	return c
}

func (c comments) add(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			c[spec.Name.Name] = d.Doc.Text()
		case *ast.ValueSpec:
			for _, v := range spec.Values {
				if v, ok := v.(*ast.BasicLit); ok && spec.Comment != nil {
					c[v.Value] = strings.TrimSpace(spec.Comment.Text())
				}
			}
		}
	}
}

// example is a job of jobs.example.yaml as it stands there, and the heading that
// it stands under.
type example struct{ kind, section, text string }

var sectionLine = regexp.MustCompile(`^ *# --- (.+?) -+$`)

func examplesOf(t *testing.T, text string) (examples []example) {
	t.Helper()
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(text), &doc))
	kinds := map[int]string{} // by the line of the job's name
	named := valueOfKey(doc.Content[0], "jobs").Content
	for i := 0; i < len(named); i += 2 {
		kinds[named[i].Line] = valueOfKey(named[i+1], "kind").Value
	}
	section := ""
	for i, line := range strings.Split(text, "\n") {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		if kind := kinds[i+1]; kind != "" {
			examples = append(examples, example{kind, section, strings.TrimSpace(line)})
		} else if strings.HasPrefix(line, "    ") && len(examples) > 0 {
			examples[len(examples)-1].text += "\n" + strings.TrimPrefix(line, "  ")
		}
	}
	return examples
}

// valueOfKey is the value of a key, which is there.
func valueOfKey(n *yaml.Node, key string) *yaml.Node {
	i := slices.IndexFunc(n.Content, func(n *yaml.Node) bool { return n.Value == key })
	return n.Content[i+1]
}

// neededApp is what a kind needs an app for, "" when it needs none: what it says
// of a job that has nothing but its kind.
func neededApp(t *testing.T, kind string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\napi: {project: p, region: eu, key_id: k, key_secret: s}\njobs: {it: {kind: "+kind+"}}\n"), 0o600))
	_, err := jobs.Load(path, func(string) (string, bool) { return "", false })
	var problems jobs.Problems
	if !errors.As(err, &problems) {
		return "" // it needs nothing at all
	}
	for _, p := range problems {
		if app, found := strings.CutPrefix(p.Message, "is missing: a job of this kind needs "); found {
			return app
		}
	}
	return ""
}

func hasKey(keys []jobs.Key, name string) bool {
	return slices.ContainsFunc(keys, func(k jobs.Key) bool { return k.Name == name })
}

// runAgain says what becomes of rows in a second run, as TestEveryKind has it.
func runAgain(k *kindCase, job jobs.Job, keys []jobs.Key) string {
	if k.reads() {
		has := func(is func(jobs.Dataset) bool) bool { return slices.ContainsFunc(job.Datasets(), is) }
		switch {
		case has(func(d jobs.Dataset) bool { return d.Latest != nil }):
			return "everything is read anew; the log gets what changed."
		case has(func(d jobs.Dataset) bool { return d.Snapshot }):
			return "everything is read anew, as another snapshot."
		}
		return "it goes on from where the last run ended."
	}
	pusher := job.Spec.(jobs.Pusher)
	switch {
	case k.Again == "done":
		return "every row is done anew."
	case hasKey(keys, "again"):
		return "a key that was done is skipped, unless `again` says otherwise."
	case pusher.Once():
		return "a key that was done is skipped, for ever."
	}
	return "every row is compared with what is there, and what is as it should be is skipped."
}

// inDoubt says what becomes of a row whose call may have taken effect, as
// TestEveryKind has it.
func inDoubt(k *kindCase, keys []jobs.Key) string {
	otherwise := ""
	if hasKey(keys, "in_doubt") {
		otherwise = " The key `in_doubt` can say otherwise."
	}
	switch {
	case k.reads():
		return "what was not kept is read again, which does no harm."
	case k.Lost == lostRepeated:
		return "a call whose answer is lost is made again, which does no harm."
	case k.Lost == lostFound && hasKey(keys, "missing"):
		return "a deletion whose answer is lost is made again: when it is gone then, the row is done."
	case k.Lost == lostFound:
		return "a row whose answer is lost is looked for after `reconcile_after`: found it is done, else the call is made again. Where nothing can be found out it stays `in_doubt`." + otherwise
	case hasKey(keys, "operation"):
		return "an idempotent operation is called again. Of any other, a row whose answer is lost stays `in_doubt`." + otherwise
	}
	return "a row whose answer is lost stays `in_doubt`, since nothing can tell what became of it." + otherwise
}
