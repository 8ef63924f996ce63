package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	return string(text)
}

// readmeBench is a workbench with the jobs that the README shows, of which both
// have something to do.
func readmeBench(t *testing.T, o emulator.Options) *workbench {
	t.Helper()
	_, rest, found := strings.Cut(readme(t), "```yaml\njobs:\n")
	require.True(t, found)
	shown, _, _ := strings.Cut(rest, "```")
	w := newWorkbench(t, o, "", "archive: {kind: message_archive, app: APP, since: 1d}")
	info := w.api.Info()
	lines, _, _ := strings.Cut(w.read("jobs.yaml"), "\njobs:\n")
	w.write("jobs.yaml", lines+"\njobs:\n"+strings.ReplaceAll(shown, "${SINCH_APP_ID}", info.App))
	w.recipients("recipients.csv", 3)
	return w
}

func TestTheJobsOfTheReadmeRun(t *testing.T) {
	t.Parallel()
	w := readmeBench(t, emulator.Options{Messages: 50, Conversations: 5, Contacts: 5})
	for _, job := range []string{"spring-offer", "nightly-archive"} {
		_, r := w.runHere(job)
		require.Zero(t, r.code, r.stderr)
	}
	w.assertAcceptedOnce(3)
	for _, line := range shellLines(t) {
		switch query, is := strings.CutPrefix(line, "duckdb -c "); {
		case is:
			query = strings.ReplaceAll(strings.Trim(query, `"`), "batch-data", filepath.Join(w.dir, "store"))
			assert.NotEqual(t, "0", strings.TrimSpace(values(t, duck(t), query)), line)
		case strings.HasPrefix(line, "batch sql "), strings.HasPrefix(line, "batch plan "):
			w.mustRunLine(line)
		}
	}
}

// What a person decides about a row in doubt is typed as the README has it, each
// where there is one.
func TestTheReadmeDecidesAboutRowsInDoubt(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, line := range shellLines(t) {
		if !strings.Contains(line, "in_doubt") && !strings.Contains(line, "in-doubt") {
			continue
		}
		seen++
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := readmeBench(t, emulator.Options{Mode: emulator.ModeDispatch, Faults: []emulator.Fault{
				{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, First: 1},
			}})
			s, r := w.runHere("spring-offer")
			require.Equal(t, exitIncomplete, r.code, r.stderr)
			require.EqualValues(t, 1, s.InDoubt)
			said := w.mustRunLine(line)
			if strings.HasPrefix(line, "batch results ") {
				assert.Contains(t, said, number(0)[:3])
				return
			}
			assert.Equal(t, map[string]int{"done": 1}, w.states("spring-offer"), "the run that decides has that row alone")
		})
	}
	assert.Equal(t, 3, seen)
}

// What the README names exists, and every command is named.
func TestTheREADMEIsTrue(t *testing.T) {
	t.Parallel()
	text := readme(t)
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	require.NoError(t, err)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]+`").FindAllString(text, -1)
	require.NotEmpty(t, code)

	commands, targets := map[string]bool{}, map[string]bool{}
	for _, span := range code {
		for _, m := range regexp.MustCompile("(?m)(?:^|`|bin/)batch ([a-z]+)").FindAllStringSubmatch(span, -1) {
			commands[m[1]] = true
		}
		for _, m := range regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)").FindAllStringSubmatch(span, -1) {
			targets[m[1]] = true
		}
	}
	require.Contains(t, targets, "test")
	for name := range commands {
		r := inProcess(t, program{}, name, "--help")
		assert.Zero(t, r.code, "batch %s: %s", name, r.stderr)
	}
	for name := range targets {
		assert.Regexp(t, "(?m)^"+name+":", string(makefile))
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(link[1], "://") {
			_, err := os.Stat(filepath.Join("..", "..", link[1]))
			assert.NoError(t, err)
		}
	}
	assert.Equal(t, 1, strings.Count(text, "```yaml"), "whose jobs are run above")
	for _, c := range (&program{}).commands() {
		assert.Contains(t, commands, c.Name)
	}
}

// shellLines are the lines of the README's shell blocks, without their comments.
func shellLines(t *testing.T) (lines []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1) {
		for line := range strings.SplitSeq(strings.TrimSpace(m[1]), "\n") {
			line, _, _ = strings.Cut(line, "   #")
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	require.NotEmpty(t, lines)
	return lines
}

// mustRunLine runs a line of a shell, with batch on its path.
func (w *workbench) mustRunLine(line string) string {
	w.t.Helper()
	out, err := w.bash("-euo", "pipefail", "-c", line).CombinedOutput()
	require.NoError(w.t, err, "%s: %s", line, out)
	return string(out)
}
