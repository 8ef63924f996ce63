package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"convbatch/internal/screen"
)

// terminal is a process of batch at a terminal of its own, and what it shows.
type terminal struct {
	t       *testing.T
	keys    *os.File // the other end
	screen  safeBuffer
	display *screen.Screen // the same, as a person sees it
	seen    int            // of the screen, in bytes
	process *process
}

// atTerminal starts batch at a terminal of 200 columns.
func (w *workbench) atTerminal(args ...string) *terminal {
	w.t.Helper()
	return w.atTerminalOf(200, 40, args...)
}

// atTerminalOf starts batch at a terminal of so many columns and rows.
func (w *workbench) atTerminalOf(width, height int, args ...string) *terminal {
	w.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	require.NoError(w.t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(w.t, err)
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, slave.Close()) }()

	s := &terminal{t: w.t, keys: master, display: screen.New(width, height, true), process: &process{w: w, cmd: w.command(args...)}}
	s.resize(width, height)
	cmd := s.process.cmd
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(w.t, cmd.Start())
	go func() {
		var text [4096]byte
		for {
			n, err := master.Read(text[:])
			_, _ = s.screen.Write(text[:n])
			_, _ = s.display.Write(text[:n])
			if err != nil {
				return // the process is over
			}
		}
	}()
	w.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return s
}

// resize makes the terminal another size.
func (s *terminal) resize(width, height int) {
	s.t.Helper()
	s.display.Resize(width, height)
	size := &unix.Winsize{Row: uint16(height), Col: uint16(width)}
	require.NoError(s.t, unix.IoctlSetWinsize(int(s.keys.Fd()), unix.TIOCSWINSZ, size))
}

// types sends keys.
func (s *terminal) types(keys string) {
	s.t.Helper()
	_, err := s.keys.WriteString(keys)
	require.NoError(s.t, err)
}

// shows waits for a text behind what was waited for before, and returns what
// came up to it.
func (s *terminal) shows(text string) string {
	s.t.Helper()
	found := -1
	require.Eventually(s.t, func() bool {
		found = strings.Index(s.screen.String()[s.seen:], text)
		return found >= 0
	}, 60*time.Second, 2*time.Millisecond, "%q is not shown behind %q", text, s.screen.String())
	before := s.screen.String()[s.seen : s.seen+found]
	s.seen += found + len(text)
	return before
}

// asks types a line where the prompt is, and waits until it was answered.
func (s *terminal) asks(line, answer string) string {
	s.t.Helper()
	s.types(line + "\r")
	before := s.shows(answer)
	s.shows("batch> ")
	return before
}
