package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"convbatch/internal/emulator"
)

// sendSignals: one polite request to stop, or two, and the same command again.
func sendSignals(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	r.spoil(mixed(0.03)...)
	for range r.between(3, 7) {
		v := r.launch("run", "--json", "send")
		v.lives(r.within(time.Second))
		signal, code := syscall.SIGTERM, exitSIGTERM
		if r.random.IntN(2) == 0 {
			signal, code = syscall.SIGINT, exitSIGINT
		}
		v.tell(signal)
		name := signal.String()
		if r.random.IntN(2) == 0 {
			v.lives(r.within(50 * time.Millisecond))
			v.tell(signal)
			name += ", twice"
		}
		res := v.end()
		// -1 is a signal that came before batch listened for it.
		require.Contains(r.test, []int{-1, exitDone, exitIncomplete, code}, res.code, "%s%s", res.stdout, res.stderr)
		r.tally.harm("signal: " + name)
	}
	r.finishSend(rows, false)
}

// sendTogether: two or three processes want the same job.
func sendTogether(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	r.spoil(mixed(0.02)...)
	for range r.between(2, 4) {
		var all []*victim
		for range r.between(2, 3) {
			all = append(all, r.launch("run", "--json", "send"))
			all[0].lives(r.within(100 * time.Millisecond))
		}
		r.tally.harm("processes side by side")
		for _, v := range all {
			if r.random.IntN(2) == 0 {
				atAnyInstant.kill(r, v)
			} else {
				v.lives(r.within(time.Second))
				v.tell(syscall.SIGTERM)
			}
		}
		for _, v := range all {
			res := v.end()
			if v.killed() {
				r.tally.kill(anyInstant)
				continue
			}
			require.Contains(r.test, []int{-1, exitDone, exitIncomplete, exitLocked, exitSIGTERM}, res.code, "%s%s", res.stdout, res.stderr)
		}
	}
	r.finishSend(rows, false)
}

// sendDiskFull: the disk fills up somewhere on the way and has room again.
func sendDiskFull(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	if !r.smallDisk("24m") {
		r.tally.shortfall("no disk can be mounted here: a limit on the length of files stands in for full ones")
		r.limitedFiles()
		r.finishSend(rows, false)
		return
	}
	var ripe func() bool
	if r.random.IntN(3) == 0 { // room for all that was sent, and none for its results
		ripe = func() bool { return r.api.AcceptedCount() >= rows*9/10 }
	}
	for range r.between(1, 3) {
		r.fillWhile("send", r.within(800*time.Millisecond), ripe)
	}
	r.finishSend(rows, false)
}

// limitedFiles runs the job where no file may grow beyond some length.
func (r *round) limitedFiles() {
	inner := r.command("run", "--json", "send")
	blocks := strconv.Itoa(r.between(8, 2000)) // of 512 bytes
	cmd := exec.Command("sh", append([]string{"-c", "ulimit -f " + blocks + " && exec \"$@\"", "sh"}, inner.Args...)...)
	cmd.Dir, cmd.Env = inner.Dir, inner.Env
	res := r.launchCommand(cmd).end()
	require.Contains(r.test, []int{exitDone, exitFailed, exitIncomplete}, res.code, "%s%s", res.stdout, res.stderr)
	if res.code == exitFailed {
		assert.Contains(r.test, res.stdout+res.stderr, "lift the limit (ulimit -f) and run the same command again")
	}
	r.tally.harm("file limited")
}

// sendReadOnly: the store can not be written for a while.
func sendReadOnly(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	protect := r.chmod
	switch {
	case r.smallDisk("24m"):
		protect = r.remount
	case os.Geteuid() == 0:
		r.tally.shortfall("no disk can be mounted here, and root may write everywhere: nothing was made read-only")
		r.test.Log("NOT TRIED: a store that can only be read")
		return
	}
	if r.random.IntN(4) > 0 {
		r.dies("send", r.between(1, 3), atAnyInstant)
	}
	r.quiet()
	before := r.api.AcceptedCount()
	protect(true)
	res := r.launch("run", "--json", "send").end()
	assert.Equal(r.test, exitFailed, res.code, "%s%s", res.stdout, res.stderr)
	assert.Contains(r.test, res.stdout+res.stderr, "the store can not be written; check who owns it and how it is mounted")
	assert.Equal(r.test, before, r.api.AcceptedCount(), "nothing is sent")
	protect(false)
	r.tally.harm("store read-only")
	r.finishSend(rows, false)
}

// remount makes the disk of the store read-only, or no longer.
func (r *round) remount(readOnly bool) {
	flags := uintptr(unix.MS_REMOUNT)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	require.NoError(r.test, unix.Mount("", filepath.Join(r.dir, "store"), "", flags, ""))
}

// chmod takes the right to write away from the store, or gives it back.
func (r *round) chmod(readOnly bool) {
	require.NoError(r.test, filepath.WalkDir(filepath.Join(r.dir, "store"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		if readOnly {
			mode &^= 0o200
		}
		return os.Chmod(path, mode)
	}))
}
