package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"convbatch/internal/emulator"
)

// The test binary is batch itself when this variable is set, so that tests
// start, kill and resume the real program in processes of its own; see released.
const beBatch = "BATCH_TEST_IS_BATCH"

// otherBatch names the program to test, whatever a test would start: the one
// that is released, for example.
const otherBatch = "BATCH_BINARY"

// quickExit keeps the race detector from sleeping a second at the end of every
// process.
const quickExit = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if os.Getenv(beBatch) != "" {
		main()
	}
	if os.Getenv(beProxy) != "" {
		proxyMain()
	}
	cli.HelpFlag = &helpFlag{cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help"}}
	testscript.Main(suite{m}, map[string]func(){"batch": main})
}

// helpFlag is the library's flag, which is one for all of a process and is
// written to by each command line; tests run several at a time.
type helpFlag struct{ cli.BoolFlag }

func (f *helpFlag) Apply(set *flag.FlagSet) error {
	flag := f.BoolFlag
	return flag.Apply(set)
}

// workbench is a store, a job file and an emulator for one test.
type workbench struct {
	t   *testing.T
	dir string
	api *emulator.Server
	env []string // beside what every process gets

	program string // to start; empty: as it is built for use
}

// newWorkbench starts an emulator and writes a job file with the jobs given.
func newWorkbench(t *testing.T, o emulator.Options, settings, jobsYAML string) *workbench {
	t.Helper()
	api, err := emulator.Serve(context.Background(), "127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	w := &workbench{t: t, dir: t.TempDir(), api: api}
	info := api.Info()
	w.write("jobs.yaml", fmt.Sprintf(`version: 1
api:
  project: %s
  region: eu
  key_id: %s
  key_secret: ${TEST_SECRET}
  urls: {conversation: %q, batch: %q, provisioning: %q, token: %q}
store: ./store
%s
jobs:
%s`, info.Project, info.KeyID, info.URLs.Conversation, info.URLs.Batch, info.URLs.Provisioning, info.URLs.Token,
		settings, indent(strings.ReplaceAll(jobsYAML, "APP", info.App))))
	return w
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") + "\n"
}

func (w *workbench) write(name, text string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
}

// recipients writes a CSV of n rows; the number of row i is number(i).
func (w *workbench) recipients(name string, n int) {
	var b strings.Builder
	b.WriteString("phone,name\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,Guest %d\n", number(i), i)
	}
	w.write(name, b.String())
}

func number(i int) string { return fmt.Sprintf("+4670%07d", i) }

// executable is the file that the workbench starts.
func (w *workbench) executable() string {
	w.t.Helper()
	if exe := cmp.Or(os.Getenv(otherBatch), w.program); exe != "" {
		return exe
	}
	exe, err := released()
	require.NoError(w.t, err)
	return exe
}

func (w *workbench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.executable(), args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), beBatch+"=1", "TEST_SECRET="+w.api.Info().KeySecret, "BATCH_QUIET=1", quickExit)
	cmd.Env = append(cmd.Env, w.env...)
	return cmd
}

// bash is a shell that finds batch on its path.
func (w *workbench) bash(args ...string) *exec.Cmd {
	w.t.Helper()
	cmd := w.command()
	bin := w.t.TempDir()
	require.NoError(w.t, os.Symlink(cmd.Path, filepath.Join(bin, "batch")))
	shell, err := exec.LookPath("bash")
	require.NoError(w.t, err)
	cmd.Path, cmd.Args = shell, append([]string{"bash"}, args...)
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	return cmd
}

// result is how a process of batch ended.
type result struct {
	code           int
	stdout, stderr string
}

// summary reads the one job that `run --json` reports.
func (r result) summary(t *testing.T) summary {
	t.Helper()
	var report struct{ Jobs []summary }
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &report), "stdout: %s\nstderr: %s", r.stdout, r.stderr)
	require.Len(t, report.Jobs, 1)
	return report.Jobs[0]
}

// plan reads what `plan --json` says.
func (r result) plan(t *testing.T) (made plan) {
	t.Helper()
	require.Zero(t, r.code, r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &made), r.stdout)
	return made
}

// rows reads what `sql --format json` brings.
func (r result) rows(t *testing.T) (rows []map[string]any) {
	t.Helper()
	require.Zero(t, r.code, r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &rows), r.stdout)
	return rows
}

func (w *workbench) batch(args ...string) result {
	w.t.Helper()
	cmd := w.command(args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(w.t, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// run runs one job with --json and returns its summary.
func (w *workbench) run(job string) (summary, result) {
	w.t.Helper()
	r := w.batch("run", "--json", job)
	return r.summary(w.t), r
}

// query runs SQL and returns the rows.
func (w *workbench) query(sql string) []map[string]any {
	w.t.Helper()
	return w.batch("sql", "--format", "json", sql).rows(w.t)
}

// stringer is a text that is made when somebody reads it.
type stringer func() string

func (s stringer) String() string { return s() }

// later is what a query brings, for the message of an assertion that fails.
func (w *workbench) later(sql string) stringer {
	return func() string { return fmt.Sprint(w.query(sql)) }
}

// killing runs a job again and again, and ends it with SIGKILL at random
// moments, until it was killed so many times. The job may end by itself before
// then, but once.
func (w *workbench) killing(job string, kills int, seed uint64, longest time.Duration) {
	w.t.Helper()
	w.t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for killed, ended := 0, 0; killed < kills; {
		cmd := w.command("run", "--json", job)
		var errs strings.Builder
		cmd.Stderr = &errs
		require.NoError(w.t, cmd.Start())
		timer := time.AfterFunc(time.Duration(rnd.Int64N(int64(longest))), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err != nil && cmd.ProcessState.ExitCode() == -1 {
			killed++
			continue
		}
		ended++
		require.Contains(w.t, []int{exitDone, exitIncomplete}, cmd.ProcessState.ExitCode(), errs.String())
		require.Less(w.t, ended, 2, "the job was over after %d of %d kills: give it more to do", killed, kills)
	}
}

func (w *workbench) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	require.NoError(w.t, err)
	return string(text)
}
