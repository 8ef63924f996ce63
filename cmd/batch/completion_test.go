package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// completions are lines with what they may become; the last word is the one
// under the cursor.
var completions = []struct{ line, want string }{
	{"ru", "run runs"},
	{"comp", "compact completion"},
	{"", "init validate plan run retry status runs results report cancel sql compact prune upload doctor emulator schema completion man version"},
	{"--qu", "--quiet"},
	{"run ", "send archive"},
	{"run s", "send"},
	{"run send ", "archive"},
	{"plan send ", ""},
	{"doctor archive s", "send"},
	{"retry x", ""},
	{"results ", "send archive"},
	{"report ", "send archive"},
	{"--quiet cancel a", "archive"},
	{"-f other.yaml run ", "other"},
	{"run -f other.yaml ", "other"},
	{"run -f none.yaml ", ""},
	{"status --store store ", "send"},
	{"status --store nowhere ", ""},
	{"run --re", "--resume --restart"},
	{"run --limit ", ""},
	{"run --limit 3 a", "archive"},
	{"run send --l", "--limit --log-format --log-level"},
	{"results --state d", "done"},
	{"results --format j", "json jsonl"},
	{"retry --in-doubt ", "resend done"},
	{"run --log-level w", "warn"},
	{"init contact_e", "contact_export"},
	{"init bulk_send bulk", ""},
	{"completion ", "bash zsh fish"},
	{"completion bash ", ""},
	{"validate ", ""},
	{"run -- ", ""},
	{"frob ", ""},
	{"run $(>touched) ", "send archive"}, // which is not run
}

// bash itself, with the script sourced, asks batch for each line, as it does
// when somebody presses the tabulator.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob+archiveJob)
	w.recipients("recipients.csv", 1)
	_, r := w.run("send")
	require.Zero(t, r.code, r.stderr)
	w.write("other.yaml", "version: 2\njobs:\n  other:\n    kind: ${NOT_SET}\n  Not-A-Name: {}\n")

	script := "source <(batch completion bash) || exit 1\ncomplete -p batch\n" +
		"typed() { COMP_WORDS=(batch \"$@\"); COMP_CWORD=$#; _batch_words; echo \"${COMPREPLY[*]}\"; }\n"
	want := "complete -o bashdefault -o default -F _batch_words batch\n"
	for _, c := range completions {
		script += "typed"
		for word := range strings.SplitSeq(c.line, " ") {
			script += fmt.Sprintf(" '%s'", word)
		}
		script += "\n"
		want += c.want + "\n"
	}
	out, err := w.bash("-c", script).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, want, string(out))
	assert.NoFileExists(t, filepath.Join(w.dir, "touched"))
	w.assertAcceptedOnce(1)
}
