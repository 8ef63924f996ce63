package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/sinks"
)

// What people are told of their mistakes, word by word: what is wrong, where,
// and what to do about it. One file for each mistake; those of job files are in
// testdata/invalid, beside these.
func TestMistakesAreExplainedExactly(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "mistakes", "*.txtar"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(files), 40)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(archive.Comment), "\nmistake ", file)
	}
	testscript.Run(t, scripts("mistakes"))
}

// mistake CODE COMMAND… is code, and holds what was printed, on standard error
// first, against the script's file says. What differs from run to run stands
// there as a variable.
func scriptMistake(ts *testscript.TestScript, neg bool, args []string) {
	scriptCode(ts, neg, args)
	got := namedAgain(ts, ts.ReadFile("stderr")+ts.ReadFile("stdout"))
	if *update {
		path := filepath.Join("..", "..", "testdata", "mistakes", ts.Name()+".txtar")
		archive, err := txtar.ParseFile(path)
		ts.Check(err)
		for i := range archive.Files {
			if archive.Files[i].Name == "says" {
				archive.Files[i].Data = []byte(got)
			}
		}
		ts.Check(os.WriteFile(path, txtar.Format(archive), 0o600))
		return
	}
	if want := ts.ReadFile("says"); got != want {
		ts.Fatalf("it says\n%s\nand not\n%s", got, want)
	}
}

var runName = regexp.MustCompile(`\b01[0-9A-Z]{24}\b`)

// namedAgain puts variables in place of what they hold.
func namedAgain(ts *testscript.TestScript, text string) string {
	for _, name := range []string{"SINCH_APP_ID", "SINCH_PROJECT_ID", "SINCH_CONVERSATION_URL", "HOLDER", "WORK"} {
		if value := ts.Getenv(name); value != "" {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	return runName.ReplaceAllString(text, "$$RUN")
}

// locked JOB has the job until the end of the script, as a process that runs it
// would. HOLDER is that process.
func scriptLocked(ts *testscript.TestScript, _ bool, args []string) {
	store, err := sinks.OpenStore(ts.MkAbs("store"))
	ts.Check(err)
	ledger, err := store.Ledger(context.Background(), args[0])
	ts.Check(err)
	ts.Defer(func() { ts.Check(ledger.Close()) })
	ts.Setenv("HOLDER", strconv.Itoa(os.Getpid()))
}

// replace FILE OLD NEW replaces a text of a file, which is there.
func scriptReplace(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}
