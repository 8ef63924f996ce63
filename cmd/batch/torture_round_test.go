package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/internal/faultproxy"
)

// round is one round under way: a workbench whose job file leads to the
// emulator through a proxy.
type round struct {
	*workbench
	test   *testing.T
	seed   uint64
	random *rand.Rand
	tally  *tally
	short  bool   // there is less of everything
	proxy  string // its URL
}

// longest is how long a process may take that nobody ends.
const longest = 2 * time.Minute

// between draws a whole number of at least low and at most high.
func (r *round) between(low, high int) int { return low + r.random.IntN(high-low+1) }

// within draws a time of less than d.
func (r *round) within(d time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(d)))
}

// pick draws one of several.
func pick[T any](r *round, of []T) T { return of[r.random.IntN(len(of))] }

// set makes the workbench of the round and puts the proxy in between.
func (r *round) set(o emulator.Options, limits, jobsYAML string) {
	o.Seed = r.seed
	r.workbench = newWorkbench(r.test, o, "limits: "+limits+"\nretry: {attempts: 8, first: 5ms, max: 100ms}", jobsYAML)
	r.edit("region: eu", "region: eu\n  timeout: 1500ms")
	r.startProxy()
	r.edit(r.api.URL(), r.proxy)
}

// beProxy makes the test binary a proxy, to the URL and with the seed given.
const beProxy = "BATCH_TEST_IS_PROXY"

func proxyMain() {
	seed, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err == nil {
		err = faultproxy.Run(os.Args[1], seed, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (r *round) startProxy() {
	exe, err := os.Executable()
	require.NoError(r.test, err)
	cmd := exec.Command(exe, r.api.URL(), strconv.FormatUint(r.seed, 10))
	cmd.Env = append(os.Environ(), beProxy+"=1", quickExit)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(r.test, err)
	out, err := cmd.StdoutPipe()
	require.NoError(r.test, err)
	require.NoError(r.test, cmd.Start())
	r.test.Cleanup(func() {
		assert.NoError(r.test, in.Close())
		assert.NoError(r.test, cmd.Wait(), "the proxy")
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(r.test, err)
	r.proxy = strings.TrimSpace(line)
}

// spoil replaces what the proxy does.
func (r *round) spoil(faults ...faultproxy.Fault) {
	text, err := json.Marshal(faults)
	require.NoError(r.test, err)
	req, err := http.NewRequest(http.MethodPut, r.proxy+"/_proxy/faults", bytes.NewReader(text))
	require.NoError(r.test, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.test, err)
	said, err := io.ReadAll(resp.Body)
	require.NoError(r.test, err)
	require.NoError(r.test, resp.Body.Close())
	require.Equal(r.test, http.StatusNoContent, resp.StatusCode, "%s", said)
}

// passed asks the proxy what it did.
func (r *round) passed() (counts faultproxy.Counts) {
	resp, err := http.Get(r.proxy + "/_proxy/counts")
	require.NoError(r.test, err)
	defer resp.Body.Close()
	require.NoError(r.test, json.NewDecoder(resp.Body).Decode(&counts))
	return counts
}

// quiet waits until nothing is under way that could still be accepted.
func (r *round) quiet() {
	require.Eventually(r.test, func() bool { return r.passed().UnderWay == 0 }, 10*time.Second, 5*time.Millisecond)
}

// over ends a round. What a round leaves that failed is kept.
func (r *round) over(scenario string) {
	if r.proxy == "" {
		return // it did not begin
	}
	r.tally.round(scenario, r.passed().Requests)
	if !r.test.Failed() {
		return
	}
	kept, err := os.MkdirTemp("", fmt.Sprintf("batch-torture-%d-*", r.seed))
	if err == nil {
		err = os.CopyFS(kept, os.DirFS(r.dir))
	}
	r.test.Logf("seed %d; what it left is in %s (%v)", r.seed, kept, err)
}

// victim is a process of batch that may be ended at any moment.
type victim struct {
	process
	round *round
	over  chan struct{} // closed when it has ended
}

func (r *round) launch(args ...string) *victim { return r.launchCommand(r.command(args...)) }

func (r *round) launchCommand(cmd *exec.Cmd) *victim {
	v := &victim{process: process{w: r.workbench, cmd: cmd}, round: r, over: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &v.out, &v.errors
	require.NoError(r.test, cmd.Start())
	go func() {
		defer close(v.over)
		_ = cmd.Wait() // its state says it
	}()
	r.test.Cleanup(v.kill)
	return v
}

// lives waits, and says whether the process is still there.
func (v *victim) lives(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-v.over:
		return false
	case <-timer.C:
		return true
	}
}

func (v *victim) kill() {
	_ = v.cmd.Process.Kill() // it may be over
	<-v.over
}

// tell sends a signal, unless the process is over.
func (v *victim) tell(s os.Signal) { _ = v.cmd.Process.Signal(s) }

var anyToken = regexp.MustCompile(`\b[0-9a-f]{48}\b`)

// end waits until the process is over and looks at what it said. A process
// that a signal ended has the code -1.
func (v *victim) end() result {
	t := v.round.test
	t.Helper()
	if v.lives(longest) {
		v.tell(syscall.SIGQUIT)
		<-v.over
		require.Fail(t, "it did not end", "within %s: %s%s", longest, &v.out, &v.errors)
	}
	res := result{v.cmd.ProcessState.ExitCode(), v.out.String(), v.errors.String()}
	said := res.stdout + res.stderr
	for _, never := range []string{"panic", "goroutine ", "DATA RACE", "Bearer "} {
		require.NotContains(t, said, never)
	}
	info := v.round.api.Info()
	for _, secret := range []string{info.KeySecret, base64.StdEncoding.EncodeToString([]byte(info.KeyID + ":" + info.KeySecret))} {
		require.False(t, strings.Contains(said, secret), "the key's secret was said")
	}
	require.False(t, anyToken.MatchString(said), "a token was said")
	return res
}

// killed says whether the process, which is over, was ended by SIGKILL.
func (v *victim) killed() bool {
	status, ok := v.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// run runs the job until it ends by itself, with code 0 or 3.
func (r *round) run(job string) (summary, result) {
	r.test.Helper()
	res := r.launch("run", "--json", job).end()
	require.Contains(r.test, []int{exitDone, exitIncomplete}, res.code, "%s%s", res.stdout, res.stderr)
	s := res.summary(r.test)
	require.Equal(r.test, "completed", s.State, res.stdout)
	require.Equal(r.test, s.incomplete(), res.code == exitIncomplete, res.stdout)
	return s, res
}
