package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// moment is when a process is killed. Kill returns the name of the moment that
// it met, as it is counted: the one it waited for may not come.
type moment struct {
	name  string
	first bool // comes only before the run has begun
	kill  func(r *round, v *victim) string
}

const anyInstant = "any instant"

var (
	atAnyInstant = moment{name: anyInstant, kill: func(r *round, v *victim) string {
		v.lives(r.within(1200 * time.Millisecond))
		v.kill()
		return anyInstant
	}}
	atStart = moment{name: "start", kill: func(r *round, v *victim) string {
		v.lives(r.within(50 * time.Millisecond))
		v.kill()
		return "start"
	}}
	atShutdown = moment{name: "shutdown", kill: func(r *round, v *victim) string {
		v.lives(r.within(time.Second))
		v.tell(syscall.SIGTERM)
		v.lives(r.within(30 * time.Millisecond))
		v.kill()
		return "shutdown"
	}}
)

// births are the moments before the run has begun: the ledger is filled by its
// migrations under staging and appears whole, then the input is taken down.
var births = []moment{
	atStart,
	unborn(onChange("ledger being made", 8, "jobs/*/staging/ledger.*")),
	unborn(onChange("ledger made", 1, "jobs/*/ledger.duckdb")),
	unborn(onChange("input taken down", 5, "jobs/*/input/*")),
}

// moments are all there are. Those of files name what happens to the store
// where a death hurts most.
var moments = append(slices.Clone(births),
	atAnyInstant, atShutdown,
	onChange("history written", 4, "jobs/*/runs.json", "jobs/*/.runs.json.*"),
	onChange("sending noted", 60, "jobs/*/sending"),
	onChange("log written", 10, "jobs/*/ledger.duckdb.wal"),
	onChange("segment staged", 10, "jobs/*/staging/*.parquet"),
	onChange("segment published", 30, "jobs/*/results/*", "datasets/*/*/*"),
)

func unborn(m moment) moment {
	m.first = true
	return m
}

// onChange kills at one of the first changes of the files that the patterns
// name, or a hair later.
func onChange(name string, most int, patterns ...string) moment {
	return moment{name: name, kill: func(r *round, v *victim) string {
		n, hair := 1, time.Duration(0)
		if r.random.IntN(2) == 0 {
			n = r.between(1, most)
		}
		if r.random.IntN(2) == 0 {
			hair = r.within(2 * time.Millisecond)
		}
		defer v.kill()
		giveUp := time.Now().Add(5 * time.Second)
		for seen := r.look(patterns); v.lives(100 * time.Microsecond); {
			now := r.look(patterns)
			if now != seen {
				seen = now
				if n--; n == 0 {
					v.lives(hair)
					break
				}
			}
			if time.Now().After(giveUp) {
				return anyInstant
			}
		}
		return name
	}}
}

// look returns how the files of the store stand that the patterns name.
func (r *round) look(patterns []string) string {
	var b strings.Builder
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(r.dir, "store", pattern))
		require.NoError(r.test, err)
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil {
				fmt.Fprintln(&b, path, info.Size(), info.Sys().(*syscall.Stat_t).Ino)
			}
		}
	}
	return b.String()
}

// dies runs the job again and again, each time killed at one of the moments,
// so many times or until it is done.
func (r *round) dies(job string, kills int, at ...moment) {
	r.test.Helper()
	if r.short {
		kills = (kills + 1) / 2
	}
	for range kills {
		if _, err := os.Stat(filepath.Join(r.dir, "store/jobs", job, "status.json")); err == nil {
			at = slices.DeleteFunc(slices.Clone(at), func(m moment) bool { return m.first })
		}
		v := r.launch("run", "--json", job)
		name := pick(r, at).kill(r, v)
		res := v.end()
		if v.killed() {
			r.tally.kill(name)
			continue
		}
		// -1 is a SIGTERM that came before batch listened for it.
		require.Contains(r.test, []int{-1, exitDone, exitIncomplete, exitSIGTERM}, res.code, "%s%s", res.stdout, res.stderr)
		if res.code == exitDone || res.code == exitIncomplete {
			return
		}
	}
}
