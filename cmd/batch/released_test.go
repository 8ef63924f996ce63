package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// suite is all tests of the package; what they built is gone when they are over.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if err := os.RemoveAll(builds); err != nil { // no error where nothing was built
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// builds is where released puts the program, empty while nobody asked for it.
var builds string

// released is the program as it is built for use, which tests start unless they
// say otherwise. Where they are under the race detector it is built without,
// once for all of them; else the test binary is as good.
var released = sync.OnceValues(func() (exe string, err error) {
	info, known := debug.ReadBuildInfo()
	if !known || !slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return os.Executable()
	}
	if builds, err = os.MkdirTemp("", "batch-tests-*"); err != nil {
		return "", err
	}
	exe = filepath.Join(builds, "batch")
	if said, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, said)
	}
	return exe, nil
})

// asTested has the workbench start the test binary, which is under the race
// detector where the tests are, and returns the workbench. The race detector
// makes a process take four times as long, and looks at the same code where
// tests run it in this process; so this is for what only a process of its own
// does: it gets signals, draws on a terminal, sends traces or uploads while it
// runs, or is killed.
func (w *workbench) asTested() *workbench {
	w.t.Helper()
	exe, err := os.Executable()
	require.NoError(w.t, err)
	w.program = exe
	return w
}
