package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// contributing is CONTRIBUTING.md: the file of its kind with its path in the
// project, and a job of that kind.
func contributing(t *testing.T) (path, code, job string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	require.NoError(t, err)
	file := regexp.MustCompile("(?ms)^```go (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	jobs := regexp.MustCompile("(?ms)^```yaml job\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	require.Len(t, file, 1, "the kind is one file")
	require.Len(t, jobs, 1)
	return file[0][1], file[0][2], jobs[0][1]
}

// buildWith builds batch with a file more, as if it lay in the project.
func buildWith(t *testing.T, path, code string) (program string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoFileExists(t, filepath.Join(root, path), "the kind of the document is to be one that there is not")
	source, overlay := filepath.Join(dir, "kind.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(source, []byte(code), 0o600))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, path): source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))
	program = filepath.Join(dir, "batch")
	formatted, err := exec.Command("gofmt", "-l", source).Output()
	require.NoError(t, err)
	require.Empty(t, string(formatted), "gofmt would change the code")
	for _, args := range [][]string{{"vet", "-overlay", overlay, "./jobs"}, {"build", "-overlay", overlay, "-o", program, "./cmd/batch"}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return program
}

func TestTheKindOfContributingWorks(t *testing.T) {
	t.Parallel()
	path, code, job := contributing(t)
	program := buildWith(t, path, code)
	full := strings.Replace(job, "columns: {without: [body]}\n", "", 1)
	require.NotEqual(t, job, full)
	w := newWorkbench(t, emulator.Options{Contacts: 20}, "", "it:\n"+indent(job)+"full:\n"+indent(full))
	w.program = program
	rows, bodies := "id\n", map[string]string{}
	for _, c := range onServer(t, w.api) {
		rows += c.Get("id").Str + "\n"
		bodies[c.Get("id").Str] = c.Raw
	}
	w.write("rows.csv", rows+"01HNOBODYHASTHISID00000000\n")

	s, r := w.run("it")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 20, s.Done)
	assert.EqualValues(t, 1, s.Failed)
	assert.EqualValues(t, 20, s.Records)
	assert.Equal(t, []map[string]any{{"n": 20.0, "bodies": 0.0}}, w.query("select count(*) as n, count(body) as bodies from contacts_got"))

	_, r = w.run("full")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	got := map[string]string{}
	for _, row := range w.query("select id, body from contacts_got") {
		got[row["id"].(string)] = row["body"].(string)
	}
	assert.Equal(t, bodies, got, "the view shows what was got last")
	assert.Len(t, w.query("from contacts_got_history"), 40)
	assert.Contains(t, w.batch("init", "--help").stdout+w.batch("schema").stdout, "contact_get")
}
