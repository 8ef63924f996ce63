package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/jobs"
	"convbatch/pipeline"
)

// docs/JOBS.md says what a job file can: what the registry of kinds, the tags
// and comments of their structs, jobs.example.yaml and testdata/kinds have, in
// the frame of testdata/docs/JOBS.md.tmpl.
func TestTheJobsReferenceIsWritten(t *testing.T) {
	t.Parallel()
	r := newReference(t)
	frame, err := template.New("").Funcs(template.FuncMap{"keys": r.keys, "columns": r.columns, "code": code}).
		ParseFiles(filepath.Join("..", "..", "testdata", "docs", "JOBS.md.tmpl"))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, frame.ExecuteTemplate(&b, "JOBS.md.tmpl", map[string]any{
		"File": jobs.FileKeys(), "Common": jobs.CommonKeys(), "Source": jobs.SourceKeys(),
		"Functions": jobs.Functions(), "FunctionRow": jobs.FunctionRow,
		"States": r.states(), "Groups": r.groups(),
	}))
	assert.Equal(t, len(jobs.Kinds()), strings.Count(b.String(), "\n### "), "each kind stands under a heading of jobs.example.yaml")
	mustBeDocument(t, "JOBS.md", b.String())
}

// The README lists the kinds in few words; none may be missing.
func TestTheReadmeNamesEveryKind(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	_, list, found := strings.Cut(string(readme), "\n## Kinds\n")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "\n## ")
	for _, kind := range jobs.Kinds() {
		assert.Contains(t, list, "`"+kind.Name+"`")
	}
}

// reference is what the document is made from.
type reference struct {
	t        *testing.T
	w        *workbench // with a store that has nothing in it
	comments comments
	examples []example
	file     *jobs.File              // of the examples
	shown    map[reflect.Type]string // the kind at which the columns of a row stand
}

func newReference(t *testing.T) *reference {
	path := filepath.Join("..", "..", "jobs.example.yaml")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return &reference{
		t: t, w: newWorkbench(t, emulator.Options{}, "", "apps: {kind: app_export}"), file: mustLoad(t, path),
		comments: commentsOf(t, filepath.Join("..", "..", "jobs"), filepath.Join("..", "..", "pipeline")),
		examples: examplesOf(t, string(text)), shown: map[reflect.Type]string{},
	}
}

// entry is a name, and what is said of it.
type entry struct{ Name, Doc string }

func (r *reference) states() (all []entry) {
	for _, state := range pipeline.States() {
		all = append(all, entry{string(state), r.comments.of(r.t, `"`+string(state)+`"`)})
	}
	return all
}

// kindGroup is the kinds that stand together in the examples.
type kindGroup struct {
	Title string
	Kinds []kindPage
}

// kindPage is what is said of a kind.
type kindPage struct {
	Name, Doc, Text        string
	Example                string
	Keys                   []jobs.Key
	Again, Lost            string
	Calls, Brings, Columns string
}

// groups are the kinds as the examples group them, each where it first comes.
func (r *reference) groups() (groups []kindGroup) {
	for _, e := range r.examples {
		if !slices.ContainsFunc(groups, func(g kindGroup) bool { return g.Title == e.section }) {
			groups = append(groups, kindGroup{Title: e.section})
		}
		known := func(p kindPage) bool { return p.Name == e.kind }
		if slices.ContainsFunc(groups, func(g kindGroup) bool { return slices.ContainsFunc(g.Kinds, known) }) {
			continue
		}
		i := slices.IndexFunc(jobs.Kinds(), func(k jobs.Kind) bool { return k.Name == e.kind })
		at := slices.IndexFunc(groups, func(g kindGroup) bool { return g.Title == e.section })
		groups[at].Kinds = append(groups[at].Kinds, r.page(jobs.Kinds()[i]))
	}
	return groups
}

func (r *reference) page(kind jobs.Kind) kindPage {
	p := kindPage{Name: kind.Name, Doc: kind.Doc, Text: r.text(kind), Keys: kind.Keys()}
	var snippets []string
	for _, e := range r.examples {
		if e.kind == kind.Name {
			snippets = append(snippets, e.text)
		}
	}
	p.Example = strings.Join(snippets, "\n\n")
	if app := neededApp(r.t, kind.Name); app != "" {
		p.Keys = append([]jobs.Key{{Name: "app", Type: "text", Required: true, Doc: "The id of " + app + "."}}, p.Keys...)
	}
	at := slices.IndexFunc(r.file.Jobs, func(j jobs.Job) bool { return j.Kind == kind.Name })
	promises := loadKindCase(r.t, kind.Name)
	job := r.file.Jobs[at]
	p.Again, p.Lost = runAgain(promises, job, p.Keys), inDoubt(promises, p.Keys)
	switch ids := operationsOf(r.file, kind.Name); {
	case hasKey(p.Keys, "operation"):
		p.Calls = "the operation that it names; [COVERAGE.md](COVERAGE.md) lists them."
	case len(ids) > 10:
		p.Calls = fmt.Sprintf("%d operations; [COVERAGE.md](COVERAGE.md) has their names.", len(ids))
	default:
		p.Calls = "`" + strings.Join(ids, "`, `") + "`."
	}
	p.Brings, p.Columns = r.datasets(kind.Name, job.Datasets())
	if p.Brings != "" && hasKey(p.Keys, "into") { // contact_merge has the key too
		p.Brings = "the dataset that `into` names: in the example, " + p.Brings
	}
	return p
}

// text is what the comment of the kind's struct says, with links to other kinds.
func (r *reference) text(kind jobs.Kind) string {
	name := reflect.TypeOf(kind.New()).Elem().Name()
	_, text, found := strings.Cut(r.comments.of(r.t, name), " is the kind "+kind.Name+": ")
	require.True(r.t, found, "the comment of jobs.%s begins with: %s is the kind %s:", name, name, kind.Name)
	for _, other := range jobs.Kinds() {
		if other.Name != kind.Name {
			text = regexp.MustCompile(`\b`+other.Name+`\b`).ReplaceAllString(text, "["+other.Name+"](#"+other.Name+")")
		}
	}
	return sentence(documentPath.ReplaceAllString(text, "[$1]($1)"))
}

var documentPath = regexp.MustCompile(`\bdocs/(\w+\.md)`)

// datasets says which datasets a kind brings, and which columns they have, once
// for all that have the same.
func (r *reference) datasets(kind string, sets []jobs.Dataset) (brings, columns string) {
	var order []reflect.Type
	names, sorts := map[reflect.Type][]string{}, map[reflect.Type]string{}
	for _, set := range sets {
		row := reflect.TypeOf(set.Row)
		if names[row] == nil {
			order = append(order, row)
		}
		names[row], sorts[row] = append(names[row], "`"+set.Name+"`"), sortOf(set)
	}
	var said []string
	for _, row := range order {
		is := strings.Join(names[row], ", ") + " (" + sorts[row] + ")"
		if at := r.shown[row]; at != "" {
			is += ", with the columns that [" + at + "](#" + at + ") has"
		} else {
			r.shown[row] = kind
			columns += r.columnsOf(row, len(names[row]) > 1)
		}
		said = append(said, is)
	}
	if said == nil {
		return "", ""
	}
	return strings.Join(said, "; ") + ".", columns
}

// sortOf says which of the three sorts of datasets it is.
func sortOf(set jobs.Dataset) string {
	switch {
	case set.Snapshot:
		return "snapshots"
	case set.Latest != nil:
		return "a log"
	}
	return "records"
}

// columnsOf lists the columns of the dataset with such rows, or of several.
func (r *reference) columnsOf(row reflect.Type, several bool) string {
	at := slices.IndexFunc(jobs.Datasets(), func(d jobs.Dataset) bool { return reflect.TypeOf(d.Row) == row })
	comment := r.comments.of(r.t, row.Name())
	_, rest, found := strings.Cut(comment, " is one row of the ")
	_, about, more := strings.Cut(rest, ": ")
	if _, plain, other := strings.Cut(rest, ". "); other && (!more || len(plain) > len(about)) {
		about = plain
	}
	require.True(r.t, found, "the comment of jobs.%s begins with: %s is one row of the … dataset", row.Name(), row.Name())
	title := jobs.Datasets()[at].Name
	table := r.describe(title)
	if several {
		title = "each of them"
	}
	return "\n" + sentence(about) + "\n\n```sql\n-- " + title + "\n" + table + "```\n"
}

// columns lists the columns of views.
func (r *reference) columns(views ...string) string {
	var tables []string
	for _, view := range views {
		tables = append(tables, "-- "+view+"\n"+r.describe(view))
	}
	return "```sql\n" + strings.Join(tables, "\n") + "```\n"
}

// describe lists the columns of a view with their types and what they are.
func (r *reference) describe(view string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, column := range r.w.queryHere("describe " + view) {
		kind := strings.ReplaceAll(strings.ToLower(column["column_type"].(string)), "timestamp with time zone", "timestamptz")
		fmt.Fprintf(w, "%s\t%s", column["column_name"], kind)
		said := columnDocs(view)[column["column_name"].(string)]
		require.NotEmpty(r.t, said, "what is the column %s of %s? a tag doc says it", column["column_name"], view)
		fmt.Fprintf(w, "\t-- %s\n", said)
	}
	require.NoError(r.t, w.Flush())
	return b.String()
}

// keys is a table of keys, those of their values among them.
func (r *reference) keys(keys []jobs.Key) string {
	var b strings.Builder
	b.WriteString("| key | value | default | |\n|---|---|---|---|\n")
	var write func(prefix string, keys []jobs.Key)
	write = func(prefix string, keys []jobs.Key) {
		for _, k := range keys {
			fallback := ""
			switch {
			case k.Required:
				fallback = "**required**"
			case k.Default != "":
				fallback = code(k.Default)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", prefix+k.Name, valueOf(k), fallback, strings.ReplaceAll(k.Doc, "|", `\|`))
			if valueOf(k) != inputLink {
				write(prefix+k.Name+".", k.Keys)
			}
		}
	}
	write("", keys)
	return b.String()
}

// inputLink is where the keys of an input stand, once for all kinds.
const inputLink = "[input](#input)"

// valueOf says what the value of a key is.
func valueOf(k jobs.Key) string {
	switch {
	case k.Name == "from" && k.Keys != nil:
		return inputLink
	case k.Type == "request":
		return "[request](#requests)"
	case k.Type == "template":
		return "[template](#requests)"
	case k.Enum != nil:
		return "`" + strings.Join(k.Enum, "` `") + "`"
	}
	return k.Type
}

// code is a text in a cell of a table.
func code(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }

// sentence begins with a capital, and is one line for each paragraph.
func sentence(text string) string {
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.ReplaceAll(p, "\n", " ")
	}
	text = strings.Join(paragraphs, "\n\n")
	return strings.ToUpper(text[:1]) + text[1:]
}
