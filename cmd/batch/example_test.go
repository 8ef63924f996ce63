package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

// jobs.example.yaml is what people begin with: it loads as it is, and each of
// its jobs runs to the end.
func TestEveryJobOfTheExampleRuns(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Messages: 100, Conversations: 10, Contacts: 10}, "", sendJob)
	require.NoError(t, os.Mkdir(filepath.Join(w.dir, "testdata"), 0o700))
	inputs, err := filepath.Glob(filepath.Join("..", "..", "testdata", "*.csv"))
	require.NoError(t, err)
	for _, path := range append(inputs, filepath.Join("..", "..", "jobs.example.yaml")) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name, err := filepath.Rel(filepath.Join("..", ".."), path)
		require.NoError(t, err)
		w.write(name, string(text))
	}
	w.env = accountEnv(w.judged())
	r := w.batch("-f", "jobs.example.yaml", "validate")
	require.Zero(t, r.code, r.stderr)
	assert.Empty(t, r.stderr, "no warnings")

	account := map[string]string{}
	for _, pair := range w.env {
		name, value, _ := strings.Cut(pair, "=")
		account[name] = value
	}
	file, err := jobs.Load(filepath.Join(w.dir, "jobs.example.yaml"), func(name string) (string, bool) {
		value, set := account[name]
		return value, set
	})
	require.NoError(t, err)
	require.NotEmpty(t, file.Names())
	kinds := map[string]bool{}
	for _, name := range file.Names() {
		job, _ := file.Job(name)
		kinds[job.Kind] = true
		w.api.ResetCounters()
		r := w.batch("-f", "jobs.example.yaml", "run", "--json", name)
		require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
		s := r.summary(t)
		assert.Equal(t, "completed", s.State)
		assert.Positive(t, s.Done)
		assert.Subset(t, job.Operations(), called(w), name)
	}
	for _, kind := range jobs.Kinds() {
		assert.True(t, kinds[kind.Name], "the example has no job of kind %s", kind.Name)
	}
}

// Hours stand in the example as a comment, or when it runs would depend on them.
func TestTheHoursOfTheExampleAreGood(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "jobs.example.yaml"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(path, bytes.Replace(text, []byte("# hours:"), []byte("hours:"), 1), 0o600))
	job, _ := mustLoad(t, path).Job("spring-offer")
	assert.NotNil(t, job.Spec.(*jobs.BulkSend).Hours)
}
