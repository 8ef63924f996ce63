package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"convbatch/internal/emulator"
)

const diskFull = "the disk of the store is full; make room and run the same command again"

// smallDisk puts the store on a disk of so many bytes. Where that is not
// permitted it says false, and the limit on a file's length stands in.
func (w *workbench) smallDisk(bytes string) (mounted bool) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "store")
	require.NoError(w.t, os.Mkdir(dir, 0o700))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes+",mode=0700"); err != nil {
		w.t.Logf("no disk can be mounted here (%v): the limit on a file's length stands in", err)
		return false
	}
	w.t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return true
}

// fill leaves so many bytes free on the store's disk, and returns what makes room again.
func (w *workbench) fill(free int64) (makeRoom func()) {
	w.t.Helper()
	path := filepath.Join(w.dir, "store", "somebody-elses-file")
	var fs unix.Statfs_t
	require.NoError(w.t, unix.Statfs(filepath.Dir(path), &fs))
	require.NoError(w.t, os.WriteFile(path, nil, 0o600))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(w.t, err)
	block := make([]byte, 4096)
	for left := int64(fs.Bavail)*fs.Bsize - free; left > 0; left -= int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			break // the run was faster
		}
	}
	require.NoError(w.t, f.Close())
	return func() { require.NoError(w.t, os.Remove(path)) }
}

// finishes runs the job until it is over, and checks that every row ended in
// one state, no message was accepted twice, and what is done was accepted.
func (w *workbench) finishes(rows int) {
	w.t.Helper()
	s, r := w.run("send")
	require.Contains(w.t, []int{exitDone, exitIncomplete}, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(w.t, "completed", s.State)
	assert.EqualValues(w.t, rows, s.Rows)
	assert.EqualValues(w.t, rows, s.Done+s.InDoubt)
	assert.LessOrEqual(w.t, s.InDoubt, int64(200), "no more than was claimed and could not be kept")
	accepted := map[string]string{}
	for _, a := range w.api.Accepted() {
		assert.Empty(w.t, accepted["+"+a.Identity], "%s was sent twice", a.Identity)
		accepted["+"+a.Identity] = a.MessageID
	}
	results := w.query("select key, state, ref from results where run_id = '" + s.RunID + "'")
	assert.Len(w.t, results, rows)
	for _, row := range results {
		if row["state"] == "done" {
			assert.Equal(w.t, accepted[row["key"].(string)], row["ref"])
		}
		delete(accepted, row["key"].(string))
	}
	assert.Empty(w.t, accepted, "accepted and in no result")
	w.t.Logf("done %d, in doubt %d", s.Done, s.InDoubt)
}

// However full the disk is at the start, the run ends with what to do, sends
// nothing it can not keep, and goes on when there is room.
func TestADiskThatIsFullAtTheStartStopsTheRunAndItGoesOnWithRoom(t *testing.T) {
	t.Parallel()
	for _, free := range []int64{0, 16 << 10, 200 << 10, 600 << 10, 1 << 20} {
		t.Run(count(free), func(t *testing.T) {
			t.Parallel()
			const rows = 500
			w := newWorkbench(t, emulator.Options{}, "limits: {in_flight: 16}", sendJob)
			w.recipients("recipients.csv", rows)
			if !w.smallDisk("16m") {
				return // TestAFileThatMayNotGrow… takes its place
			}
			makeRoom := w.fill(free)
			r := w.batch("run", "send")
			if r.code != exitDone {
				assert.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
				assert.Contains(t, r.stdout+r.stderr, diskFull)
			}
			t.Logf("with %d bytes: %s%s", free, r.stdout, r.stderr)
			makeRoom()
			if r.code != exitDone {
				w.finishes(rows)
			}
		})
	}
}

func TestADiskThatIsTooSmallForTheInputStopsTheRunBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	const rows = 5000
	w := newWorkbench(t, emulator.Options{}, "limits: {requests: unlimited, in_flight: 64}", sendJob)
	noise := rand.New(rand.NewPCG(1, 2))
	var csv strings.Builder
	csv.WriteString("phone,name\n")
	for i := range rows {
		csv.WriteString(number(i) + ",")
		for range 16 {
			fmt.Fprintf(&csv, "%016x", noise.Uint64())
		}
		csv.WriteString("\n")
	}
	w.write("recipients.csv", csv.String())
	if !w.smallDisk("64m") {
		return // TestAFileThatMayNotGrow… takes its place
	}
	makeRoom := w.fill(800 << 10)
	r := w.batch("run", "send")
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	assert.Contains(t, r.stdout, "job send: ")
	assert.Contains(t, r.stdout, diskFull)
	t.Logf("%s%s", r.stdout, r.stderr)
	w.assertUntouched()
	makeRoom()
	w.finishes(rows)
}

func TestADiskThatFillsUpWhileSendingStopsTheRunAndItGoesOnWithRoom(t *testing.T) {
	t.Parallel()
	const rows = 1500
	w := newWorkbench(t, emulator.Options{Latency: 5 * time.Millisecond}, "limits: {requests: 500/s, in_flight: 16}", sendJob)
	w.recipients("recipients.csv", rows)
	if !w.smallDisk("32m") {
		return // TestAFileThatMayNotGrow… takes its place
	}
	p := w.start("run", "--json", "send")
	w.accepts(200)
	makeRoom := w.fill(0)
	r := p.end(30 * time.Second)
	require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
	s := r.summary(t)
	assert.Equal(t, "failed", s.State)
	assert.Contains(t, s.Message, diskFull)
	assert.Less(t, w.api.AcceptedCount(), rows, "it did not go on without keeping what it did")
	t.Logf("%s", s.Message)
	makeRoom()
	w.finishes(rows)
}

// The same by the limit on a file's length, which needs no mount: the ledger
// or the results meet it somewhere on the way.
func TestAFileThatMayNotGrowStopsTheRunAndItGoesOnWhenItMay(t *testing.T) {
	t.Parallel()
	for _, blocks := range []string{"8", "400", "1600"} { // of 512 bytes
		t.Run(blocks, func(t *testing.T) {
			t.Parallel()
			const rows = 3000
			w := newWorkbench(t, emulator.Options{}, "limits: {requests: unlimited, in_flight: 16}", sendJob)
			w.recipients("recipients.csv", rows)
			inner := w.command("run", "send")
			cmd := exec.Command("sh", "-c", "ulimit -f "+blocks+" && exec \"$@\"", "sh", inner.Path, "run", "send")
			cmd.Dir, cmd.Env = inner.Dir, inner.Env
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			_ = cmd.Run() // the exit code says it
			require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), out.String())
			assert.Contains(t, out.String(), "a file of the store may not grow further; lift the limit (ulimit -f) and run the same command again")
			assert.NotContains(t, out.String(), "goroutine")
			assert.NotContains(t, out.String(), "level=ERROR")
			t.Logf("%s", &out)
			w.finishes(rows)
		})
	}
}
