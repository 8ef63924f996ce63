package jobs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"
)

// mutations are what a key is given in place of its value, or besides the
// others, as YAML.
var mutations = []string{"7", "true", "nonsense", `""`, "null", "[x]", "{x: y}", "{}", "30s", "20/s", "5%", "${COUNT}"}

// mutant is a job file with one change.
type mutant struct{ change, text string }

// mutator changes one place of a job file after the other: a key is taken out,
// added, misspelt, or given another value.
type mutator struct {
	t       *testing.T
	doc     yaml.Node
	mutants []mutant
	done    map[string]bool // keys with the first key of their value, of which every key was changed
}

// exampleMutants are the job file of the examples, with each of its jobs alone,
// changed in one place each.
func exampleMutants(t *testing.T) []mutant {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "jobs.example.yaml"))
	require.NoError(t, err)
	m := &mutator{t: t, done: map[string]bool{}}
	require.NoError(t, yaml.Unmarshal(text, &m.doc))
	_, jobs := pair(m.doc.Content[0], "jobs")
	written := jobs.Content
	for i := 0; i < len(written); i += 2 {
		jobs.Content = written[i : i+2]
		_, kind := pair(written[i+1], "kind")
		at := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == kind.Value })
		m.change(written[i].Value, written[i+1], append(CommonKeys(), Kinds()[at].Keys()...))
	}
	jobs.Content = written[:2]
	m.change("file", m.doc.Content[0], FileKeys())
	return m.mutants
}

// change makes every change to the keys of a mapping and undoes it again. Keys
// that several jobs have with the same keys in them are looked into once.
func (m *mutator) change(path string, n *yaml.Node, keys []Key) {
	was := n.Content
	defer func() { n.Content = was }()
	n.Content = append(slices.Clone(was), scalarAt(n, "nonsense"), scalarAt(n, "7"))
	m.keep(path + ".nonsense: 7")
	for _, key := range keys {
		at := path + "." + key.Name
		i := 0
		for i < len(was) && was[i].Value != key.Name {
			i += 2
		}
		rest := slices.Clone(was)
		if i < len(was) {
			rest = slices.Delete(rest, i, i+2)
			n.Content = rest
			m.keep(at + " is missing")
			n.Content = was
			if was[i+1].Kind == yaml.MappingNode && key.Keys != nil && !m.done[key.Name+was[i+1].Content[0].Value] {
				m.done[key.Name+was[i+1].Content[0].Value] = true
				m.change(at, was[i+1], key.Keys)
			}
		}
		for _, value := range mutations {
			var node yaml.Node
			require.NoError(m.t, yaml.Unmarshal([]byte(value), &node))
			n.Content = append(slices.Clone(rest), scalarAt(n, key.Name), node.Content[0])
			m.keep(at + ": " + value)
		}
	}
}

func (m *mutator) keep(change string) {
	text, err := yaml.Marshal(&m.doc)
	require.NoError(m.t, err)
	m.mutants = append(m.mutants, mutant{change, string(text)})
}

// saidByTheLoaderAlone is what the loader has against a file that the schema
// takes: what takes more than one value to see, or more than its form.
var saidByTheLoaderAlone = map[string][]string{
	"what a variable holds": {`"${COUNT}" is not`, `must be true or false, and is "${COUNT}"`, `must be true, false or a query, and is "${COUNT}"`,
		`"7" is not a channel of the API`, `operation: "7" is not the id of an operation`},
	"keys of an input beside its place": {
		"from.delimiter: does not apply to", "from.delimiter: must be one character", "from.encoding: does not apply to",
		"is not known; known are", "from.columns: does not apply to", "from.columns: names the columns of a file without header",
		"from.header: does not apply to",
	},
	"keys that depend on other keys": {
		"is missing: a job of this kind needs the app", "is missing: a webhook belongs to an app", "is for mode: batch",
		"goes with path: of an operation it is known", `missing key "channel": only via: consents does without`,
		"needs contact beside message",
	},
	"what requests and parameters hold": {
		"needs the parameter", "has no such parameter", "takes no body", "is not for mode: batch, whose request has", "has no target,",
		"has no external_id,", "has no display_name,",
	},
	"what a text or a number means": {
		"must be a whole URL", "is not the id of an app", "is not the name of a dataset", "this batch reads job files of version 1",
		"store: is empty", "upload: must be s3://BUCKET/PREFIX",
	},
}

// Every small change to the examples is refused by both or by neither, but for
// what is listed.
func TestTheSchemaAndTheLoaderAgree(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) {
		value, set := map[string]string{"COUNT": "7", "SINCH_REGION": "eu"}[name]
		if !set && !strings.HasSuffix(name, "_URL") {
			value = "x"
		}
		return value, true
	}
	mutants := exampleMutants(t)
	require.Greater(t, len(mutants), 2000)
	used, refused := map[string]bool{}, 0
	for _, m := range mutants {
		src, problem := newSource("jobs.yaml", []byte(m.text))
		require.Nil(t, problem, m.change)
		_, loader := loadSource(src, env, Kinds())
		tree, problems := readTree(src)
		require.Empty(t, problems, m.change)
		schema := schemaSays(t, tree)
		switch {
		case loader == nil:
			assert.NoError(t, schema, "%s: the loader takes it", m.change)
		case schema == nil:
			assert.True(t, onlyTheLoaderSays(loader.Error(), used), "%s: the schema takes it, and the loader says: %v", m.change, loader)
		default:
			refused++
		}
	}
	assert.Greater(t, refused, len(mutants)/2, "most changes are mistakes that both see")
	for why, all := range saidByTheLoaderAlone {
		for _, words := range all {
			assert.True(t, used[words], "%s: %q was never said: the schema may see it now", why, words)
		}
	}
}

func onlyTheLoaderSays(message string, used map[string]bool) bool {
	known := false
	for _, all := range saidByTheLoaderAlone {
		for _, words := range all {
			if strings.Contains(message, words) {
				used[words], known = true, true
			}
		}
	}
	return known
}

// Whoever reads the schema in an editor sees of each key what it is, and what
// it may be.
func TestEveryKeyOfTheSchemaIsExplained(t *testing.T) {
	t.Parallel()
	var check func(path string, keys []Key)
	check = func(path string, keys []Key) {
		for _, k := range keys {
			at, s := path+"."+k.Name, k.schema()
			assert.NotEmpty(t, s.Description, at)
			assert.True(t, s.Examples != nil || s.Default != nil || k.Enum != nil || k.Keys != nil, "%s has no example", at)
			check(at, k.Keys)
		}
	}
	check("file", FileKeys())
	for _, kind := range Kinds() {
		check(kind.Name, append(CommonKeys(), kind.Keys()...))
	}
}
