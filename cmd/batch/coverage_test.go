package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/jobs"
)

// update writes the documents that are made from the code, rather than hold
// them against it.
var update = flag.Bool("update", false, "write docs/CLI.md, docs/COVERAGE.md and docs/JOBS.md")

// mustBeDocument holds a document against what it should say.
func mustBeDocument(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "docs/%s is not what the code says: `make docs` writes it", name)
}

// Every operation of the API can be used as a job, and docs/COVERAGE.md says by
// which kinds, and which test proves it.
func TestTheCoverageIsWritten(t *testing.T) {
	t.Parallel()
	kinds := kindsOf(mustLoad(t, filepath.Join("..", "..", "jobs.example.yaml")))
	proved := map[string]bool{}
	for _, op := range covered() {
		proved[op.ID] = true
	}
	var b strings.Builder
	b.WriteString(coverageHead)
	service := ""
	for _, op := range client.Operations() {
		if op.Service != service {
			service = op.Service
			fmt.Fprintf(&b, "\n## %s\n\n| operation | | kinds | proved by |\n|---|---|---|---|\n", serviceNames[service])
		}
		if !proved[op.ID] {
			continue
		}
		row := []string{op.ID, "`" + op.Method + " " + op.Path + "`", strings.Join(append(kinds[op.ID], anyKind(op)), ", "), proof(op)}
		assert.NotContains(t, row, "")
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	mustBeDocument(t, "COVERAGE.md", b.String())
}

const coverageHead = `# Which operation is used by which kind of job

Made by ` + "`make docs`" + ` from the table of operations in ` + "`client`" + ` and from the registry of kinds;
a test holds it against both. Every test named here is in ` + "`cmd/batch`" + ` and runs against the emulator:
the call that the job makes, and the answer it gets, are held against the API's specification where
that is at hand. Of kinds that make several calls, TestKindsCallWhatTheySay proves that they make these
and no other; TestEveryKind, that each keeps its promises.
`

var serviceNames = map[string]string{"conversation": "Conversation API", "batch": "Batch API", "provisioning": "Provisioning API: what can be read"}

// anyKind is the kind that takes any operation of this sort.
func anyKind(op client.Operation) string {
	if listed(op) {
		return "api_list"
	}
	return "api_call"
}

// kindsOf are the kinds that say they call an operation, in their order.
func kindsOf(file *jobs.File) map[string][]string {
	of := map[string][]string{}
	for _, kind := range jobs.Kinds() {
		if kind.Name == "api_call" || kind.Name == "api_list" {
			continue
		}
		for _, id := range operationsOf(file, kind.Name) {
			of[id] = append(of[id], kind.Name)
		}
	}
	return of
}

// operationsOf are the operations that the jobs of a kind call, each once.
func operationsOf(file *jobs.File, kind string) (ids []string) {
	for _, job := range file.Jobs {
		if job.Kind != kind {
			continue
		}
		for _, id := range job.Operations() {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
