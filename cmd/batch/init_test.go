package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/jobs"
)

// initIn writes a job file in a folder and returns what the command said.
func initIn(t *testing.T, dir string, kinds ...string) result {
	t.Helper()
	return inProcess(t, program{}, append([]string{"init", "-f", filepath.Join(dir, "jobs.yaml")}, kinds...)...)
}

func readIn(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(text)
}

// variablesIn are those that a file like .env sets.
func variablesIn(text string) map[string]string {
	set := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(line, "#") {
			set[name] = value
		}
	}
	return set
}

// What is written for a kind has a job of it, explains every key, and is good
// with the variables that are written beside it.
func TestInitWritesAGoodFileForEveryKind(t *testing.T) {
	t.Parallel()
	for _, kind := range jobs.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := initIn(t, dir, kind.Name)
			require.Zero(t, r.code, r.stderr)
			text := readIn(t, dir, "jobs.yaml")
			assert.True(t, strings.HasPrefix(text, "# yaml-language-server: $schema=batch.schema.json\n"))
			assert.NotContains(t, text, "testdata", "inputs lie beside the job file")

			set := variablesIn(readIn(t, dir, ".env.example"))
			env := func(name string) (string, bool) {
				value, is := set[name]
				return value, is
			}
			r = inProcess(t, program{env: env}, "validate", filepath.Join(dir, "jobs.yaml"))
			assert.Zero(t, r.code, r.stderr)
			assert.Empty(t, r.stderr, "no warnings")
			file, err := jobs.Load(filepath.Join(dir, "jobs.yaml"), env)
			require.NoError(t, err)
			require.Len(t, file.Jobs, 1)
			assert.Equal(t, kind.Name, file.Jobs[0].Kind)
			assert.Contains(t, r.stdout, "1 job, no problems")

			said := strings.Join(strings.Fields(strings.ReplaceAll(text, "#", "")), " ")
			names, docs := flatten("", append(append(jobs.FileKeys(), jobs.CommonKeys()...), kind.Keys()...))
			for i := range names {
				assert.Contains(t, said, names[i]+" "+docs[i])
			}
		})
	}
}

// A file of all kinds is good too: no two of their jobs have one name.
func TestInitWritesAllKindsIntoOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := initIn(t, dir, kindNames()...)
	require.Zero(t, r.code, r.stderr)
	r = inProcess(t, program{env: func(string) (string, bool) { return "eu", true }}, "validate", filepath.Join(dir, "jobs.yaml"))
	assert.NotContains(t, r.stderr, "duplicate")
	assert.Len(t, jobs.NamesIn(filepath.Join(dir, "jobs.yaml")), len(jobs.Kinds()))
}

func TestInitMakesFilesForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".git"), 0o700))
	require.Zero(t, initIn(t, dir).code)
	for _, name := range []string{"jobs.yaml", ".env.example", "batch.schema.json", ".gitignore"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode(), name)
	}
}

func TestInitKeepsDataAndSecretsOutOfGit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		repository bool
		before     string // "" is no .gitignore
		want       string
	}{
		"in no repository":                  {want: ""},
		"in a repository":                   {repository: true, want: "batch-data/\n.env\n"},
		"a file without a last line end":    {before: "*.log", want: "*.log\nbatch-data/\n.env\n"},
		"one of them is there":              {repository: true, before: "/batch-data\n", want: "/batch-data\n.env\n"},
		"both are, as somebody wrote them":  {before: ".env\n/batch-data/\n", want: ".env\n/batch-data/\n"},
		"something like them, but not them": {before: "batch-data-old/\n.env.example\n", want: "batch-data-old/\n.env.example\nbatch-data/\n.env\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			dir := filepath.Join(top, "jobs") // a folder of the repository
			require.NoError(t, os.Mkdir(dir, 0o700))
			if c.repository {
				require.NoError(t, os.Mkdir(filepath.Join(top, ".git"), 0o700))
			}
			ignored := filepath.Join(dir, ".gitignore")
			if c.before != "" {
				require.NoError(t, os.WriteFile(ignored, []byte(c.before), 0o644))
			}
			for range 2 { // the second time adds nothing
				require.Zero(t, initIn(t, dir).code)
				text, err := os.ReadFile(ignored)
				if c.want == "" {
					assert.ErrorIs(t, err, os.ErrNotExist)
				} else {
					assert.Equal(t, c.want, string(text))
				}
				require.NoError(t, os.Remove(filepath.Join(dir, "jobs.yaml")))
			}
		})
	}
}

// What .env.example has is left alone, and what it lacks is added once.
func TestInitAddsVariablesOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const mine = "export SINCH_APP_ID=mine"
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env.example"), []byte(mine), 0o600))
	require.Zero(t, initIn(t, dir, "webhook_apply").code)
	text := readIn(t, dir, ".env.example")
	assert.True(t, strings.HasPrefix(text, mine+"\n"))
	for _, name := range []string{"SINCH_APP_ID", "SINCH_REGION", "WEBHOOK_SECRET"} {
		assert.Equal(t, 1, strings.Count(text, name+"="), name)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "jobs.yaml")))
	require.Zero(t, initIn(t, dir, "webhook_apply").code)
	assert.Equal(t, text, readIn(t, dir, ".env.example"))
}

// A file that can not be made leaves no job file, so that the same line works
// once that is mended.
func TestInitThatFailsCanBeRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".env.example"), 0o700)) // in the way
	r := initIn(t, dir)
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.stderr, ".env.example: is a directory; name a file in another folder with -f")
	assert.NoFileExists(t, filepath.Join(dir, "jobs.yaml"))
	require.NoError(t, os.Remove(filepath.Join(dir, ".env.example")))
	assert.Zero(t, initIn(t, dir).code)
}
