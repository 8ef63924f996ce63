package sinks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"convbatch/internal/bucket"
	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// child is another process of these tests: it has the job "crash" of the store
// in SINKS_TEST_STORE and commits until it is killed, saying on standard
// output what was acknowledged. With SINKS_TEST_CRASH it kills itself at that
// point of the sixth commit, or the next that has records.
func child(role string) int {
	ctx := context.Background()
	err := func() error {
		if role == "prune" {
			return pruneChild()
		}
		s, err := OpenStore(os.Getenv("SINKS_TEST_STORE"))
		if err != nil {
			return err
		}
		if role == "compact" {
			return compactForever(ctx, s)
		}
		if dir := os.Getenv("SINKS_TEST_BUCKET"); dir != "" {
			b, err := bucket.Open(bucket.Options{Scheme: "file", Prefix: dir})
			if err != nil {
				return err
			}
			s = s.UploadTo(b)
		}
		l, err := s.Ledger(ctx, "crash")
		if err != nil {
			return err
		}
		if role == "hold" {
			fmt.Println("held")
			_, err := io.Copy(io.Discard, os.Stdin)
			return errors.Join(err, l.Close())
		}
		return commitForever(ctx, l)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// commitForever settles items out of order, some of which bring records.
func commitForever(ctx context.Context, l *Ledger) error {
	l.rows = 150
	settled := make(map[int64]bool)
	var mark, next int64
	if last, err := l.Last(ctx); err != nil {
		return err
	} else if last == nil {
		if err := l.Begin(ctx, Run{ID: "R1", Kind: "bulk_send", StartedAt: time.Now()}, nil); err != nil {
			return err
		}
	} else {
		p, err := l.Resume(ctx, "R1")
		if err != nil {
			return err
		}
		if err := l.SettleUploads(ctx, []Dataset{people}); err != nil {
			return err
		}
		mark, next = p.Mark, p.Mark
		for _, r := range p.Settled {
			for seq := r.From; seq < r.To; seq++ {
				settled[seq] = true
			}
		}
	}
	commits, records := 0, 0 // those of the commit under way
	l.crash = func(point string) {
		if commits >= 5 && records > 0 && point == os.Getenv("SINKS_TEST_CRASH") {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	sink := l.Sink("R1", []Dataset{people})
	var waiting []int64
	for ; ; commits++ {
		c := pipeline.Commit{Claim: &pipeline.Claim{Range: pipeline.Range{From: next, To: next + 20}}}
		for range 20 {
			if next >= mark && !settled[next] {
				waiting = append(waiting, next)
			}
			next++
		}
		rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		records = 0
		for n := min(len(waiting), 15+rand.IntN(10)); n > 0; n-- {
			seq := waiting[0]
			waiting = waiting[1:]
			settled[seq] = true
			o := outcomesOf(seq, seq+1)
			if seq%7 == 0 {
				o = withPeople(o)
				records++
			}
			c.Outcomes = append(c.Outcomes, o...)
		}
		for settled[mark] {
			delete(settled, mark)
			mark++
		}
		c.Mark = mark
		if err := sink.Commit(ctx, c); err != nil {
			return err
		}
		fmt.Println(l.Counts().Settled(), mark, l.Counts().Records)
	}
}

func mustStartChild(t *testing.T, role string, s *Store, env ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, childRole+"="+role, "SINKS_TEST_STORE="+s.Dir())...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, stdin, bufio.NewScanner(out)
}

// requireConsistent holds the store against itself: totals, outcomes, records,
// segments, files. It returns how many outcomes there are.
func requireConsistent(t *testing.T, l *Ledger) (settled, records int64) {
	t.Helper()
	at, err := l.position(t.Context(), "R1")
	require.NoError(t, err)
	if err := os.MkdirAll(filepath.Join(l.store.dir, "datasets/people"), 0o700); err != nil {
		require.NoError(t, err)
	}
	all := "SELECT seq FROM outcomes"
	results, err := l.store.ResultFiles("crash", "R1")
	require.NoError(t, err)
	if len(results) > 0 {
		all += " UNION ALL SELECT seq FROM read_parquet(" + quoteList(results) + ")"
	}
	n := countRows(t, l, "SELECT count(*) FROM ("+all+")")
	require.Equal(t, n, countRows(t, l, "SELECT count(DISTINCT seq) FROM ("+all+")"), "no outcome is there twice")
	require.Equal(t, at.Settled(), int64(n), "the totals are those of the outcomes")
	require.Equal(t, int(at.mark), countRows(t, l, "SELECT count(*) FROM ("+all+") WHERE seq < ?", at.mark), "all below the mark is settled")

	var listed, published []string
	rows, err := l.duck.conn.QueryContext(t.Context(), "SELECT path FROM segments WHERE published ORDER BY path")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var path string
		require.NoError(t, rows.Scan(&path))
		listed = append(listed, path)
	}
	require.NoError(t, rows.Err())
	for _, pattern := range []string{"datasets/people/*", "jobs/crash/results/*"} {
		files, err := filepath.Glob(filepath.Join(l.store.dir, pattern))
		require.NoError(t, err)
		for _, file := range files {
			published = append(published, strings.TrimPrefix(file, l.store.dir+"/"))
		}
	}
	slices.Sort(published)
	require.Equal(t, listed, published, "what is published is what the ledger lists")
	require.Empty(t, mustList(t, filepath.Join(l.dir, stagingDir)))
	if at.Records > 0 {
		files := filepath.Join(l.store.dir, "datasets/people/*.parquet")
		require.Equal(t, int(at.Records), countRows(t, l, "SELECT count(*) FROM read_parquet(?)", files))
		require.Equal(t, int(at.Records), countRows(t, l, "SELECT count(DISTINCT id) FROM read_parquet(?)", files))
	}
	return at.Settled(), at.Records
}

func TestKillingLosesNothingAcknowledgedAndDoublesNothing(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	var acknowledged [3]int64
	for range 25 {
		cmd, _, stdout := mustStartChild(t, "commit", s)
		for range 1 + rand.IntN(30) { // commits, then somewhere within the next
			require.True(t, stdout.Scan())
			_, err := fmt.Sscan(stdout.Text(), &acknowledged[0], &acknowledged[1], &acknowledged[2])
			require.NoError(t, err)
		}
		kill := time.NewTimer(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		<-kill.C
		require.NoError(t, cmd.Process.Kill())
		for stdout.Scan() {
			// A line that the kill cut short acknowledges nothing.
			var told [3]int64
			if n, _ := fmt.Sscan(stdout.Text(), &told[0], &told[1], &told[2]); n == 3 && told[0] >= acknowledged[0] {
				acknowledged = told
			}
		}
		require.Error(t, cmd.Wait())

		l, err := s.Ledger(t.Context(), "crash")
		require.NoError(t, err)
		settled, records := requireConsistent(t, l)
		assert.GreaterOrEqual(t, settled, acknowledged[0])
		assert.LessOrEqual(t, settled, acknowledged[0]+25, "but for the commit under way")
		assert.GreaterOrEqual(t, records, acknowledged[2])
		require.NoError(t, l.Close())
	}
	require.Greater(t, acknowledged[0], int64(300))
}

func TestACrashBetweenAnyTwoStepsIsMended(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"commit",          // staged, not committed
		"publish",         // committed, not published
		"move",            // results staged, not committed
		"publish results", // results committed, not published
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			s := mustOpenStore(t)
			for range 2 {
				cmd, _, stdout := mustStartChild(t, "commit", s, "SINKS_TEST_CRASH="+point)
				var acknowledged int64
				for stdout.Scan() {
					_, err := fmt.Sscan(stdout.Text(), &acknowledged)
					require.NoError(t, err)
				}
				var killed *exec.ExitError
				require.ErrorAs(t, cmd.Wait(), &killed)
				require.Equal(t, syscall.SIGKILL, killed.Sys().(syscall.WaitStatus).Signal())
				l, err := s.Ledger(t.Context(), "crash")
				require.NoError(t, err)
				settled, _ := requireConsistent(t, l)
				assert.GreaterOrEqual(t, settled, acknowledged)
				require.NoError(t, l.Close())
			}
		})
	}
}

func TestAnotherProcessIsToldWhoRunsTheJob(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	cmd, stdin, stdout := mustStartChild(t, "hold", s)
	require.True(t, stdout.Scan())
	require.Equal(t, "held", stdout.Text())

	for range 2 { // looking does not take the lock away
		pid, err := s.Holder("crash")
		require.NoError(t, err)
		assert.Equal(t, cmd.Process.Pid, pid)
	}
	_, err := s.Ledger(t.Context(), "crash")
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	assert.Equal(t, LockedError{Job: "crash", PID: cmd.Process.Pid}, *locked)
	assert.ErrorContains(t, err, "wait for it or stop it")
	mustLedger(t, s, "other")

	require.NoError(t, stdin.Close())
	require.NoError(t, cmd.Wait())
	pid, err := s.Holder("crash")
	require.NoError(t, err)
	assert.Zero(t, pid)
	mustLedger(t, s, "crash")
}
