package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"convbatch/internal/emulator"
)

const endless = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b;"

func promptBench(t *testing.T) *workbench {
	t.Helper()
	w := newWorkbench(t, emulator.Options{Messages: 20}, "", archiveJob).asTested()
	_, r := w.runHere("archive")
	require.Zero(t, r.code, r.stderr)
	return w
}

// A person at the prompt: queries of several lines, mistakes, commands, and the
// way out.
func TestThePromptAnswersAPerson(t *testing.T) {
	t.Parallel()
	s := promptBench(t).atTerminal("sql")
	s.shows("batch> ")
	s.types("select count(*)\r")
	s.shows("   ...> ")
	s.asks("as n from messages;", "(1 row)")
	assert.Regexp(t, `\d\.\d{3} s\r\n`, s.screen.String(), "how long it took")
	s.asks("selekt 1;", "syntax error at or near")
	s.asks("select 'a;b' as x; select 2 as y;", "a;b")
	s.asks(`\d`, "messages")
	s.asks(`\d messages`, "What a person would read")
	s.asks(`\d nothing`, "there is no view nothing")
	s.asks(`\format jsonl`, "")
	s.asks("select 7 as seven;", `{"seven":7}`)
	s.asks(`\format parquet`, "needs a file")
	s.asks(`\format yaml`, "want table, csv")
	s.asks(`\nonsense`, "there is no command")
	s.asks(`\?`, "Ctrl-R")
	s.asks(`\output here.csv`, "")
	s.asks("select 8 as eight;", " s\r\n")
	s.asks(`\output`, "")
	assert.Equal(t, "{\"eight\":8}\n", s.process.w.read("here.csv"))
	s.types("\x04")
	s.process.end(time.Minute)
	assert.Zero(t, s.process.cmd.ProcessState.ExitCode())
}

func TestThePromptCompletesWhatThereIs(t *testing.T) {
	t.Parallel()
	s := promptBench(t).atTerminal("sql")
	s.shows("batch> ")
	s.types("select direction from mess\t")
	s.shows("messages ")
	s.types("where pro\t")
	s.shows("project_id  processing_mode")
	s.types("jec\t")
	s.shows("project_id ")
	s.types("<> '' group by all orde\t")
	s.shows("order ")
	s.types("by direction;\r")
	s.shows("TO_CONTACT")
	s.shows("batch> ")
	s.types("\\f\t")
	s.shows("\\format ")
	s.types("ma\t\r")
	s.shows("markdown")
	s.shows("batch> ")
	s.types("select 1 from messages m where m.conv\t")
	s.shows("conversation_id ")
	s.types("\x15SELECT COU\t")
	s.shows("COUNT")
}

// What was asked is there the next time, for its owner alone, but for what was
// typed behind a blank.
func TestThePromptHasAHistory(t *testing.T) {
	t.Parallel()
	w := promptBench(t)
	s := w.atTerminal("sql")
	s.shows("batch> ")
	s.types("select 41 + 1 -- the answer\r")
	s.shows("   ...> ")
	s.asks("as answer;", "42")
	s.asks(" select 'Ada' as secret;", "(1 row)")
	s.asks("select 'other' as word;", "(1 row)")
	s.types("\x04")
	s.process.end(time.Minute)
	path := filepath.Join(w.dir, "store", "sql_history")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	assert.Equal(t, "select 41 + 1 as answer;\nselect 'other' as word;\n", w.read(filepath.Join("store", "sql_history")))

	s = w.atTerminal("sql")
	s.shows("batch> ")
	s.asks("\x1b[A\x1b[A", "42")
	s.types("oth\x12")
	s.shows("select 'other' as word;")
	s.asks("", "(1 row)")
}

// The first Ctrl-C drops what is typed, the next cancels what runs, and the
// prompt goes on.
func TestThePromptIsInterrupted(t *testing.T) {
	t.Parallel()
	s := promptBench(t).atTerminal("sql")
	s.shows("batch> ")
	s.types("select count(*)\r")
	s.shows("   ...> ")
	s.types("from mess\x03")
	s.shows("^C")
	s.shows("batch> ")
	s.asks("select 1 as one;", "(1 row)")
	s.types(endless + "\r")
	s.cooked()
	s.types("\x03")
	s.shows("cancelled")
	s.shows("batch> ")
	s.types("\xff\xfe\x15") // no UTF-8, and away with it
	s.asks("select 2 as two;", "(1 row)")

	s.process.signal(syscall.SIGTERM)
	_ = s.process.cmd.Wait() // the exit code says it
	assert.Equal(t, exitSIGTERM, s.process.cmd.ProcessState.ExitCode())
	s.cooked()
}

// cooked waits until the terminal makes signals of keys, as it does by itself.
func (s *terminal) cooked() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		settings, err := unix.IoctlGetTermios(int(s.keys.Fd()), unix.TCGETS)
		return err == nil && settings.Lflag&unix.ISIG != 0
	}, time.Minute, time.Millisecond)
}
