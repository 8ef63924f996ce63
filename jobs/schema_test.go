package jobs

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"
)

// compiledSchema is the schema as editors read it, checked against that of
// schemas.
var compiledSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	text, err := Schema()
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("batch.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("batch.json")
})

// schemaSays is what the schema has against a job file that is YAML; nil for
// nothing.
func schemaSays(t testing.TB, tree *tree) error {
	t.Helper()
	schema, err := compiledSchema()
	require.NoError(t, err)
	return schema.Validate(plainValue(tree.root))
}

func mustFitSchema(t testing.TB, text string) {
	t.Helper()
	src, problem := newSource("jobs.yaml", []byte(text))
	require.Nil(t, problem)
	tree, problems := readTree(src)
	require.Empty(t, problems)
	require.NoError(t, schemaSays(t, tree), "the schema takes what the loader takes")
}

// plainValue is what an editor makes of YAML: the values that JSON knows.
func plainValue(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plainValue(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, plainValue(item))
		}
		return list
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return v
		}
		return 1
	case "!!float":
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return v
		}
		return 0.5
	}
	return n.Value
}

func TestEveryKeyIsDescribed(t *testing.T) {
	t.Parallel()
	var check func(path string, keys []Key)
	check = func(path string, keys []Key) {
		seen := map[string]bool{}
		for _, k := range keys {
			at := path + "." + k.Name
			assert.False(t, seen[k.Name], "%s is there twice", at)
			assert.Regexp(t, `\.$`, k.Doc, at)
			assert.NotEmpty(t, k.Type, at)
			assert.Equal(t, k.form.schema == nil, k.Keys != nil, at)
			seen[k.Name] = true
			check(at, k.Keys)
		}
	}
	check("file", FileKeys())
	check("from", SourceKeys())
	for _, kind := range Kinds() {
		check(kind.Name, append(CommonKeys(), kind.Keys()...))
	}
}

func TestTheExamplesFitTheSchema(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "*.example.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		mustFitSchema(t, string(text))
	}
}

// What the loader takes, the schema takes too; it is asked about every good job
// file of the other tests as well.
func TestTheSchemaTakesWhatTheLoaderTakes(t *testing.T) {
	t.Parallel()
	bare := func(job string) string { return goodAPI + "jobs:\n  offer:\n    " + job + "\n" }
	archive := func(keys string) string { return bare("{kind: message_archive, app: a, " + keys + "}") }
	for _, text := range []string{
		goodFile,
		archive(`since: "${NOT_SET:-30d}"`),
		archive(`since: 1.5h30m, settle: "${COUNT}s"`),
		archive(`limits: {requests: "${COUNT}/s", in_flight: "${COUNT}"}`),
		archive(`limits: {requests: unlimited, in_flight: 4096}`),
		archive(`stop_after: 100`), archive(`stop_after: "100"`), archive(`stop_after: 0.5%`), archive(`stop_after: "${COUNT}"`),
		strings.Replace(archive("settle: 1s"), "app: a", "app: 012", 1),
		strings.Replace(archive("settle: 1s"), "app: a", "app: 1e3", 1),
		strings.Replace(archive("settle: 1s"), "app: a", "app: true", 1),
		strings.Replace(archive("settle: 1s"), "app: a", "app: 2026-01-02", 1),
		strings.Replace(archive("settle: 1s"), "message_archive", `"${NOT_SET:-message_archive}"`, 1),
		strings.Replace(archive("settle: 1s"), "region: eu", `region: "${NOT_SET:-eu}", auth: basic, timeout: 1m`, 1),
		strings.Replace(archive("settle: 1s"), "version: 1", `version: "${NOT_SET:-1}"`, 1),
		archive("settle: 1s") + `retry: {attempts: "${COUNT}"}` + "\n",
		bare(`{kind: api_call, from: {csv: f.csv, header: "${NOT_SET:-false}", columns: [1, true, a]}, key: 1, operation: App_GetApp, params: {app_id: 5}, again: "${NOT_SET:-true}"}`),
		bare(`{kind: api_list, service: "${NOT_SET:-batch}", path: "/v1/projects/{project_id}/x", list: ., into: x, page_size: "${COUNT}"}`),
		bare(`{kind: bulk_send, app: a, from: {sql: select 1}, key: k, hours: {from: 8:00, to: "24:00", zone: "${NOT_SET:-UTC}"}, request: {a: [1, null, "{{.x}}"]}}`),
	} {
		mustLoad(t, text)
	}
}

// beyondTheSchema are the invalid job files that the schema has nothing
// against, by what it takes to see what is wrong with them. All others have an
// unknown key, a value of a wrong type or form, or lack a key.
var beyondTheSchema = map[string][]string{
	"there are no values yet: it is no text, no YAML, or YAML that job files do not take": {
		"01-empty", "02-only-comments", "03-not-a-mapping", "04-a-text", "05-tabs", "06-not-yaml", "07-open-quote",
		"08-syntax-near-secret", "09-two-documents", "10-binary", "14-duplicate-key", "15-duplicate-job", "16-duplicate-in-request",
		"34-merge-key", "35-alias-in-itself", "36-alias-bomb", "37-unknown-alias", "38-tags", "39-strange-keys",
		"40-unquoted-template", "41-unquoted-template-in-flow", "58-nested-too-deep",
	},
	"what requests hold is left to the loader": {
		"42-unquoted-numbers", "43-template-syntax", "44-template-functions", "45-template-whole-row", "46-template-defines",
		"47-template-variables",
	},
	"the environment, or another file":           {"23-unset-variables", "49-secret-file"},
	"what a number means, not how it is written": {"22-wrong-version", "29-more-bad-rates"},
	"the parts of a URL":                         {"48-bad-urls"},
	"keys that depend on other keys, or jobs":    {"56-app-missing", "60-two-archives-of-an-app"},
	"the parts of a place to upload to": {"77-bucket-as-store", "78-upload-with-secret", "79-upload-plain-http", "80-upload-unknown-option",
		"81-upload-no-folder", "82-upload-no-bucket", "83-upload-dots"},
}

func TestTheSchemaRefusesWhatItCanSee(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "invalid", "*.yaml"))
	require.NoError(t, err)
	var accepted []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		src, problem := readSource(file)
		if problem == nil {
			if tree, problems := readTree(src); len(problems) == 0 && schemaSays(t, tree) != nil {
				continue
			}
		}
		accepted = append(accepted, name)
	}
	assert.ElementsMatch(t, slices.Concat(slices.Collect(maps.Values(beyondTheSchema))...), accepted)
}
