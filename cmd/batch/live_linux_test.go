package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// liveBench has n jobs that send for longer than any test, and shows bars.
func liveBench(t *testing.T, n int) (w *workbench, names []string) {
	t.Helper()
	var jobs strings.Builder
	for i := range n {
		names = append(names, fmt.Sprintf("offer-%02d", i))
		jobs.WriteString(strings.Replace(sendJob, "send:", names[i]+":", 1) + "  limits: {requests: 20/s}\n")
	}
	w = newWorkbench(t, emulator.Options{}, "", jobs.String()).asTested()
	w.recipients("recipients.csv", 5000)
	w.env = append(w.env, "BATCH_QUIET=0", "TERM=xterm-256color")
	return w, names
}

// sees waits until what can be seen is as it should be.
func (s *terminal) sees(right func(lines []string) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return right(s.display.Visible()) }, 60*time.Second, 5*time.Millisecond,
		"the screen:\n%s", stringer(func() string { return strings.Join(s.display.Text(), "\n") }))
}

// barsOf says that each job has one bar on the screen, which fits.
func barsOf(names []string, width int) func([]string) bool {
	return func(lines []string) bool {
		for _, name := range names {
			n := 0
			for _, line := range lines {
				if strings.HasPrefix(line, name+"  ") && len([]rune(line)) < width && strings.Contains(line, "/5,000") {
					n++
				}
			}
			if n != 1 {
				return false
			}
		}
		return true
	}
}

// Bars keep up with a terminal that is resized, stand under what is said, and
// leave a line for each job.
func TestLiveBarsLeaveTheTerminalClean(t *testing.T) {
	t.Parallel()
	w, names := liveBench(t, 3)
	s := w.atTerminalOf(180, 30, append([]string{"run"}, names...)...)
	for _, width := range []int{180, 50, 100, 70} {
		s.resize(width, 30)
		s.sees(barsOf(names, width))
		assert.LessOrEqual(t, len(s.display.Text()), 30, "nothing has scrolled")
	}
	s.resize(180, 30)
	s.sees(barsOf(names, 180))
	s.process.signal(syscall.SIGINT)
	s.process.end(time.Minute)
	assert.Equal(t, exitSIGINT, s.process.cmd.ProcessState.ExitCode())
	s.sees(func(lines []string) bool { return strings.HasPrefix(lines[len(lines)-2], "  ") }) // the summary's end

	text := s.display.Text()
	assert.Equal(t, "batch: interrupt: calls in flight may finish (30 s at most); again to end at once", text[0])
	finals := slices.Sorted(slices.Values(text[1:4]))
	for i, name := range names {
		assert.Regexp(t, "^"+name+`: [\d,]+ of 5,000 rows, .*[\d,]+ requests? in \d`, finals[i])
	}
	assert.Regexp(t, `^offer-00: interrupted`, text[4], "what standard output has")
	assert.NotContains(t, strings.Join(text, "\n"), "[", "no rest of a bar")
	assert.Empty(t, s.display.Unknown())
}

// Of more jobs than the terminal has rows, as many are shown as fit.
func TestLiveBarsFitTheHeight(t *testing.T) {
	t.Parallel()
	w, names := liveBench(t, 8)
	s := w.atTerminalOf(100, 6, append([]string{"run"}, names...)...)
	s.sees(func(lines []string) bool { return slices.Contains(lines, "and 4 more") })
	s.resize(100, 20)
	s.sees(barsOf(names, 100))
	s.resize(100, 5)
	s.sees(func(lines []string) bool { return slices.Contains(lines, "and 5 more") })
	assert.LessOrEqual(t, len(s.display.Text()), 5, "nothing has scrolled")
	s.process.signal(syscall.SIGINT)
	s.process.end(time.Minute)
}

func TestATerminalThatIsDumbGetsNoBars(t *testing.T) {
	t.Parallel()
	w, names := liveBench(t, 1)
	w.env = append(w.env, "TERM=dumb")
	s := w.atTerminal("run", names[0])
	w.accepts(1)
	s.process.signal(syscall.SIGINT)
	s.process.end(time.Minute)
	assert.NotContains(t, s.screen.String(), "\x1b")
}

// Another terminal shows what runs, until it is told to stop.
func TestWatchingShowsWhatRunsElsewhere(t *testing.T) {
	t.Parallel()
	w, names := liveBench(t, 2)
	run := w.start(append([]string{"run", "--quiet"}, names...)...)
	s := w.atTerminalOf(120, 20, "status", "--watch", "--store", "store")
	s.sees(barsOf(names, 120))
	s.resize(60, 20)
	s.sees(barsOf(names, 60))

	named := w.atTerminalOf(120, 20, "status", "--watch", names[0])
	named.sees(barsOf(names[:1], 120))
	assert.NotContains(t, strings.Join(named.display.Text(), "\n"), names[1])
	line := w.start("status", "--watch", names[0])
	require.Eventually(t, func() bool { return strings.Contains(line.out.String(), names[0]+": ") }, time.Minute, 5*time.Millisecond)

	run.signal(syscall.SIGINT)
	require.Equal(t, exitSIGINT, run.end(time.Minute).code)
	s.sees(func(lines []string) bool {
		return len(lines) == 2 && strings.HasPrefix(lines[0], names[0]+"  interrupted, ") && strings.HasPrefix(lines[1], names[1]+"  interrupted, ")
	})
	s.process.signal(syscall.SIGINT)
	s.process.end(time.Minute)
	assert.Zero(t, s.process.cmd.ProcessState.ExitCode())
	s.sees(func(lines []string) bool { return len(lines) == 1 && lines[0] == "" })

	named.process.end(time.Minute)
	assert.Zero(t, named.process.cmd.ProcessState.ExitCode(), "the job has ended")
	named.sees(func(lines []string) bool { return strings.HasPrefix(lines[0], names[0]+": interrupted, run ") })
	r := line.end(time.Minute)
	assert.Zero(t, r.code)
	assert.Regexp(t, `^offer-00: .* of 5,000 rows, .*\n(.*\n)*offer-00: interrupted, run `, r.stdout)
	assert.NotContains(t, r.stdout, "\x1b")
}
