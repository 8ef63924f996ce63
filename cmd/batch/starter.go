package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"convbatch"
	"convbatch/jobs"
)

// schemaFile is what the first line of a new job file names, so that editors
// complete and explain its keys.
const schemaFile = "batch.schema.json"

const starterHead = `# yaml-language-server: $schema=` + schemaFile + `
#
# A job file of batch. Change it to what you need; then
#   batch validate        says what is wrong with it, line by line
#   batch doctor          whether the account is as the jobs need it
#   batch plan %[1]s
#                         what a run would do; nothing is sent
#   batch run %[1]s
#
# ${NAME} is a variable of the environment, ${NAME:-x} one with a default; the file
# .env.example lists them. Text in {{ }} is a template over the columns of a row.
# Behind each key stands what it is; [required] must be there.
#
`

// starterJob is a job of jobs.example.yaml as it stands there, with the comment
// above it.
type starterJob struct{ name, kind, comment, text string }

// starter is the text of a job file with a job of each of these kinds, in which
// a comment describes every key that they know.
func starter(kinds []jobs.Kind) (text string, chosen []starterJob) {
	head, all := exampleJobs()
	sourced := false
	var b strings.Builder
	for _, kind := range kinds {
		job := fullest(all, kind.Name)
		chosen = append(chosen, job)
		keys := kind.Keys()
		sourced = sourced || slices.ContainsFunc(keys, func(k jobs.Key) bool { return k.Name == "from" })
		fmt.Fprintf(&b, "\n  # --- %s: %s\n%s", kind.Name, kind.Doc, job.comment)
		if len(keys) > 0 {
			b.WriteString("  #\n" + legend("  # ", keys))
		}
		b.WriteString(job.text)
	}
	before := fmt.Sprintf(starterHead, chosen[0].name) + legend("# ", jobs.FileKeys()) + head +
		"# Keys that every job can have:\n" + legend("#   ", jobs.CommonKeys())
	if sourced {
		before += "# and those of from, one of the first six:\n" + legend("#   ", jobs.SourceKeys())
	}
	return before + "jobs:" + b.String(), chosen
}

var (
	jobLine  = regexp.MustCompile(`^  ([a-z0-9][a-z0-9._-]*):`)
	kindPair = regexp.MustCompile(`\bkind: (\w+)`)
)

// exampleJobs cuts jobs.example.yaml up: its head without the comment above,
// and its jobs. Inputs lie beside a job file, not in the folder of the tests.
func exampleJobs() (head string, all []starterJob) {
	head, rest, _ := strings.Cut(convbatch.Example, "\njobs:\n")
	head = head[strings.Index(head, "version:"):] + "\n\n"
	comment := ""
	for line := range strings.Lines(strings.ReplaceAll(rest, "testdata/", "")) {
		name := jobLine.FindStringSubmatch(line)
		switch {
		case name != nil:
			all = append(all, starterJob{name: name[1], comment: comment, text: line})
			comment = ""
		case strings.HasPrefix(line, "    "):
			all[len(all)-1].text += line
		case strings.HasPrefix(line, "  # ") && !strings.HasPrefix(line, "  # ---"):
			comment += line
		default:
			comment = ""
		}
	}
	for i := range all {
		if kind := kindPair.FindStringSubmatch(all[i].text); kind != nil {
			all[i].kind = kind[1]
		}
	}
	return head, all
}

// fullest is the job of a kind that shows the most of it.
func fullest(all []starterJob, kind string) (most starterJob) {
	for _, job := range all {
		if job.kind == kind && len(job.text) > len(most.text) {
			most = job
		}
	}
	return most
}

// legend describes keys, those of their values among them, a line or more each.
// The keys of from stand in one place for all kinds.
func legend(prefix string, keys []jobs.Key) string {
	const widest = 100
	names, docs := flatten("", keys)
	column := 0
	for _, name := range names {
		column = max(column, len(name)+2)
	}
	var b strings.Builder
	for i, name := range names {
		for j, line := range wrapped(docs[i], widest-len(prefix)-column) {
			if j > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "%s%-*s%s\n", prefix, column, name, line)
		}
	}
	return b.String()
}

func flatten(prefix string, keys []jobs.Key) (names, docs []string) {
	for _, k := range keys {
		names, docs = append(names, prefix+k.Name), append(docs, keyDoc(k))
		if k.Name != "from" {
			n, d := flatten(prefix+k.Name+".", k.Keys)
			names, docs = append(names, n...), append(docs, d...)
		}
	}
	return names, docs
}

// keyDoc is what a key is, and what it may be.
func keyDoc(k jobs.Key) string {
	var may []string
	if k.Required {
		may = append(may, "required")
	}
	if k.Enum != nil {
		may = append(may, strings.Join(k.Enum, ", "))
	}
	if k.Default != "" {
		may = append(may, "default "+k.Default)
	}
	if may == nil {
		return k.Doc
	}
	return k.Doc + " [" + strings.Join(may, "; ") + "]"
}

// wrapped breaks a text into lines of a width, in bytes; a longer word has a
// line of its own.
func wrapped(text string, width int) (lines []string) {
	for word := range strings.FieldsSeq(text) {
		if last := len(lines) - 1; last >= 0 && len(lines[last])+1+len(word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

const environmentHead = `# The variables that %s uses. Copy this file to .env, which belongs to nobody
# else, put your own values behind the =, and load it:
#   set -a; . ./.env; set +a
# What is empty here may stay so.
`

// usedVariable is a variable in a job file, with the key that it stands at and
// its default.
var usedVariable = regexp.MustCompile(`(?:(\w+): "?)?\$\{(\w+)(:-[^}]*)?\}`)

// environment is the text of a file that sets the variables of a job file, as
// far as those in known are not set already.
func environment(jobFile string, known func(name string) bool) string {
	names, docs := flatten("", append(jobs.FileKeys(), jobs.CommonKeys()...))
	var b strings.Builder
	given := map[string]bool{}
	for line := range strings.Lines(jobFile) {
		line, _, _ = strings.Cut(line, "#")
		for _, use := range usedVariable.FindAllStringSubmatch(line, -1) {
			key, name, fallback := use[1], use[2], strings.TrimPrefix(use[3], ":-")
			if given[name] || known(name) {
				continue
			}
			given[name] = true
			doc := "Of the request: its " + key + "."
			if i := slices.IndexFunc(names, func(n string) bool { return n == key || strings.HasSuffix(n, "."+key) }); i >= 0 {
				doc = docs[i]
			}
			if use[3] == "" {
				fallback = "your-" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "SINCH_")), "_", "-")
			}
			fmt.Fprintf(&b, "\n# %s\n%s=%s\n", doc, name, fallback)
		}
	}
	return b.String()
}
