package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// sentTo returns the numbers that messages were accepted for, from the nth on.
func (w *workbench) sentTo(from int) (numbers []string) {
	for _, a := range w.api.Accepted()[from:] {
		numbers = append(numbers, "+"+a.Identity)
	}
	return numbers
}

func TestALimitEndsTheInputBehindTheLastRowThatIsSent(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "limits: {in_flight: 1}", sendJob)
	// Rows that are not sent lie before, between and behind those that are.
	w.write("recipients.csv", "phone,name\n0,bad\n"+number(0)+",a\n"+number(0)+",a again\n"+number(1)+",b\n,nobody\n"+number(2)+",c\n"+number(3)+",d\n0,bad again\n")
	const plan = "  4 rows: 2 to send, 2 invalid, 0 suppressed, 0 skipped, 0 in doubt since an earlier run\n"
	assert.Contains(t, w.batch("plan", "--limit", "2", "send").stdout, plan)

	r := w.batch("run", "--json", "--limit", "2", "send")
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.Equal(t, "completed", s.State)
	assert.EqualValues(t, []int64{4, 2, 2}, []int64{s.Rows, s.Done, s.Invalid})
	assert.Equal(t, []string{number(0), number(1)}, w.sentTo(0))

	r = w.batch("run", "--json", "--limit", "1", "send") // skips what is done, then one more
	s = r.summary(t)
	assert.EqualValues(t, []int64{6, 1, 3, 2}, []int64{s.Rows, s.Done, s.Invalid, s.Skipped})
	assert.Equal(t, []string{number(2)}, w.sentTo(2))

	s, _ = w.run("send")
	assert.EqualValues(t, []int64{8, 1, 4, 3}, []int64{s.Rows, s.Done, s.Invalid, s.Skipped})
	assert.Equal(t, []string{number(3)}, w.sentTo(3))

	r = w.batch("run", "--json", "--limit", "5", "send") // more than there are
	s = r.summary(t)
	assert.EqualValues(t, []int64{8, 0, 4, 4}, []int64{s.Rows, s.Done, s.Invalid, s.Skipped})
	w.assertAcceptedOnce(4)
}

func TestOnlyRowsWithTheKeysAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.write("recipients.csv", "phone,name\n"+number(0)+",a\n"+number(1)+",b\n\"a,b\",c\n"+number(1)+",again\n"+number(2)+",d\n")
	asked := []string{"--only", number(2), "--only", number(1), "--only", "a,b"}
	assert.Contains(t, w.batch(append(append([]string{"plan"}, asked...), "send")...).stdout, "  4 rows: 2 to send, 2 invalid, ")
	r := w.batch(append(append([]string{"run", "--json"}, asked...), "send")...)
	require.Equal(t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.EqualValues(t, []int64{4, 2, 2}, []int64{s.Rows, s.Done, s.Invalid})
	assert.ElementsMatch(t, []string{number(1), number(2)}, w.sentTo(0))
	assert.Contains(t, w.batch("results", "--format", "csv", "send").stdout, "line 5: duplicate key: first on line 3")

	r = w.batch("run", "--json", "--only", number(0), "--only", "nobody", "--only", "4670", "send")
	assert.Equal(t, exitUsage, r.code)
	assert.Equal(t, `job send: nothing was sent: --only: no row has the key "4670", "nobody"`, r.summary(t).Message)
	assert.Len(t, w.history("send"), 1, "no run began")

	s, _ = w.run("send")
	assert.EqualValues(t, []int64{5, 1, 2, 2}, []int64{s.Rows, s.Done, s.Invalid, s.Skipped}, "the rest")
	w.assertAcceptedOnce(3)
}

func TestAPartIsTakenOfANewRunAndGoesOnWhenItIsKilled(t *testing.T) {
	t.Parallel()
	w := slowSend(t, 400)
	w.killed(20, "run", "--limit", "100", "send")
	for _, flags := range [][]string{{"--limit", "5"}, {"--only", number(3)}} {
		for _, command := range []string{"run", "plan"} {
			r := w.batch(append(append([]string{command}, flags...), "send")...)
			assert.Equal(t, exitUsage, r.code)
			assert.Contains(t, r.stdout+r.stderr, "of its 100 rows are left, and "+flags[0]+" is for a new run: `batch run send` finishes it, `batch run --restart` with "+flags[0]+" gives it up")
		}
	}
	s, r := w.run("send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.True(t, s.Resumed)
	assert.EqualValues(t, []int64{100, 100}, []int64{s.Rows, s.Done + s.InDoubt})

	// A restart takes a part as well.
	p := w.start("run", "send")
	w.accepts(w.api.AcceptedCount() + 20)
	p.signal(os.Interrupt)
	require.Equal(t, exitSIGINT, p.end(20*time.Second).code)
	r = w.batch("run", "--json", "--restart", "--limit", "7", "send")
	require.Contains(t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.EqualValues(t, 7, r.summary(t).Done)
	w.assertAllKnown("send")
}
